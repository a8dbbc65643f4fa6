/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What programs map through VFIO: which space it is in, and which devices that reaches. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "trace-scene.h"

static void
test_program(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_call(scene, 11, 3, SET_IOMMU); /* a thread of process 10 */
	add_map(scene, TRACE_MAP, 11, 0, 0x2000, 0x9000);
	add_map(scene, TRACE_UNMAP, 11, 0, 0x2000, 0);
	add_join(scene, 11, 0x20, 4, "0000:00:04.0");
	add_return(scene, 11, 0);
	add_call(scene, 11, 3, MAP_DMA);
	add_page(scene, 11, 0x40000000, 0x1000, 4);
	add_page(scene, 11, 0x40001000, 0x2000, 4);
	add_page(scene, 11, 0x40002000, 0x8000, 4);
	/* A packet comes in the middle: not this program's mapping. */
	add_map(scene, TRACE_MAP, 11, 0xfffff000, 0x1000, 0x7000)->irq = 0x10;
	add_return(scene, 11, 0);
	add_call(scene, 11, 3, MAP_DMA);
	add_page(scene, 11, 0x40003000, 0x9000, 4);
	add_return(scene, 11, 0);
	/* The end: the device leaves, and only then all is unmapped. */
	add_qi(scene, 10, 0x2000040031, 0);
	add_qi(scene, 10, 0x400e2, 0);
	add_named(scene, TRACE_ATTACH, 10, "0000:00:04.0");
	add_map(scene, TRACE_UNMAP, 10, 0x40000000, 0x4000, 0);
	expect(scene, "\"map\",\"space\":1,\"iova\":\"0x0\",\"size\":\"0x2000\","
		      "\"extents\":[{\"gpa\":\"0x9000\",\"size\":\"0x2000\"}]}\n"
		      "\"unmap\",\"space\":1,\"iova\":\"0x0\",\"size\":\"0x2000\"}\n"
		      "\"attach\",\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"vfio\"" IN_VFIO
		      ",\"iommu\":\"dmar0\",\"domain_id\":4}\n"
		      "\"map\",\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x3000\",\"extents\":["
		      "{\"gpa\":\"0x1000\",\"size\":\"0x1000\"},{\"gpa\":\"0x2000\",\"size\":\"0x1000\",\"after_ns\":2000},"
		      "{\"gpa\":\"0x8000\",\"size\":\"0x1000\",\"after_ns\":4000}],"
		      "\"iommu\":\"dmar0\",\"domain_id\":4}\n"
		      "\"map\",\"space\":2,\"iova\":\"0xfffff000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0x7000\",\"size\":\"0x1000\"}]}\n"
		      "\"map\",\"space\":1,\"iova\":\"0x40003000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0x9000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":4}\n"
		      "\"detach\",\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"vfio\"}\n"
		      "\"unmap\",\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x4000\"}\n");
}

/* An unmap of several page sizes is flushed in parts, the first of them before its event; the
 * flush of a map, and that of an unmap with nothing before it, are not such. */
static void
test_flushed_in_parts(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_call(scene, 200, 3, MAP_DMA);
	add_map(scene, TRACE_MAP, 200, 0x1000, 0x400000, 0x100000);
	add_qi(scene, 200, 0x400e2, 0);
	add_return(scene, 200, 0);
	add_call(scene, 200, 3, UNMAP_DMA);
	add_qi(scene, 200, 0x400f2, 0x1000 | 9); /* at 6000 */
	add_qi(scene, 200, 0x400f2, 0x200000 | 9);
	add_map(scene, TRACE_UNMAP, 200, 0x1000, 0x400000, 0);
	add_qi(scene, 200, 0x400f2, 0x400000);
	add_return(scene, 200, 0);
	add_map(scene, TRACE_MAP, 200, 0x1000, 0x1000, 0xa000)->irq = 0x10;
	add_qi(scene, 200, 0x400f2, 0x1000);
	scene->queue.event[scene->queue.n - 1].irq = 0x10;
	add_map(scene, TRACE_UNMAP, 200, 0x1000, 0x1000, 0)->irq = 0x10;
	expect(scene, "\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x400000\","
		      "\"extents\":[{\"gpa\":\"0x100000\",\"size\":\"0x400000\"}]}\n"
		      "\"unmap\",\"begin_ns\":6000,\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x400000\"}\n"
		      "\"map\",\"space\":2,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_id\":4}\n"
		      "\"unmap\",\"space\":2,\"iova\":\"0x1000\",\"size\":\"0x1000\"}\n");
}

/* Two buffers of one request with a hole between them are two maps. */
static void
test_hole(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_call(scene, 200, 3, MAP_DMA);
	add_map(scene, TRACE_MAP, 200, 0x1000, 0x1000, 0xa000);
	add_map(scene, TRACE_MAP, 200, 0x3000, 0x1000, 0xb000);
	add_return(scene, 200, 0);
	expect(scene, "\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}]}\n"
		      "\"map\",\"space\":1,\"iova\":\"0x3000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xb000\",\"size\":\"0x1000\"}]}\n");
}

static void
test_refused(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_call(scene, 10, 3, SET_IOMMU);
	add_named(scene, TRACE_ATTACH, 10, "0000:00:04.0");
	add_return(scene, 10, -EPERM);
	expect(scene, "");
}

/* Two programs map the same IOVA; one of them is killed. */
static void
test_two_programs(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_program(scene, 100, 3, "0000:00:04.0", 0x1000, 0xa000);
	add_program(scene, 200, 3, "0000:00:05.0", 0x1000, 0xb000);
	add_map(scene, TRACE_UNMAP, 200, 0x1000, 0x1000, 0);
	expect(scene, "\"attach\",\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"vfio\"" IN_VFIO "}\n"
		      "\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}]}\n"
		      "\"attach\",\"space\":2,\"device\":\"0000:00:05.0\",\"backend\":\"vfio\"" IN_VFIO "}\n"
		      "\"map\",\"space\":2,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xb000\",\"size\":\"0x1000\"}]}\n"
		      "\"unmap\",\"space\":2,\"iova\":\"0x1000\",\"size\":\"0x1000\"}\n");
}

/* Threads that are gone before /proc is asked: whose they were, the trace tells. */
static void
test_gone_threads(struct scene *scene, gconstpointer data)
{
	g_autofree char *got = NULL;

	(void) data;
	add_program(scene, 100, 3, "0000:00:04.0", 0x1000, 0xa000);
	add(scene, TRACE_TASK_NEW, 100)->result = -300;
	add(scene, TRACE_TASK_NEW, 300)->result = -301;
	add_call(scene, 301, 3, MAP_DMA);
	add_map(scene, TRACE_MAP, 301, 0x2000, 0x1000, 0xb000);
	add_return(scene, 301, 0);
	add(scene, TRACE_TASK_EXIT, 301);
	add(scene, TRACE_TASK_NEW, 100)->result = 400; /* a process: its files are its own */
	add_call(scene, 400, 3, MAP_DMA);
	add_map(scene, TRACE_MAP, 400, 0x3000, 0x1000, 0xc000);
	add_return(scene, 400, 0);
	got = play(scene);
	g_assert_nonnull(strstr(got, "\"map\",\"space\":1,\"iova\":\"0x2000\""));
	g_assert_nonnull(strstr(got, "\"map\",\"space\":2,\"iova\":\"0x3000\""));
}

/* … or, of threads from before the trace, the domain that they map into. */
static void
test_gone_by_domain(struct scene *scene, gconstpointer data)
{
	g_autofree char *got = NULL;

	(void) data;
	add_call(scene, 100, 3, MAP_DMA);
	add_page(scene, 100, 0x1000, 0xa000, 4);
	add_return(scene, 100, 0);
	add_call(scene, 301, 3, MAP_DMA);
	add_page(scene, 301, 0x2000, 0xb000, 4);
	add_return(scene, 301, 0);
	got = play(scene);
	g_assert_nonnull(strstr(got, "\"map\",\"space\":1,\"iova\":\"0x2000\""));
}

/* A kernel thread closes one of them: which, nothing tells. */
static void
test_ambiguous(struct scene *scene, gconstpointer data)
{
	g_autofree char *got = NULL;

	(void) data;
	add_program(scene, 100, 3, "0000:00:04.0", 0x1000, 0xa000);
	add_program(scene, 200, 3, "0000:00:05.0", 0x1000, 0xb000);
	add_map(scene, TRACE_UNMAP, 7, 0x1000, 0x1000, 0);
	got = play(scene);
	g_assert_nonnull(strstr(got, "\n\"lost\",\"count\":1,"));
	g_assert_nonnull(strstr(got, ",\"iova\":\"0x1000\",\"size\":\"0x1000\"}\n"));
	g_assert_null(strstr(got, "\"unmap\""));
	g_assert_cmpuint(scene->engine.n_lost, ==, 1);
}

static void
test_container_with_two_domains(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_call(scene, 10, 3, MAP_DMA);
	add_page(scene, 10, 0x1000, 0xa000, 4);
	add_page(scene, 10, 0x1000, 0xa000, 5);
	add_return(scene, 10, 0);
	add_call(scene, 10, 3, UNMAP_DMA);
	add_map(scene, TRACE_UNMAP, 10, 0x1000, 0x1000, 0);
	add_map(scene, TRACE_UNMAP, 10, 0x1000, 0x1000, 0);
	add_return(scene, 10, 0);
	expect(scene,
		"\"attach\",\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"vfio\",\"complete\":false,"
		"\"evidence\":\"open files of the process\"}\n"
		"\"attach\",\"space\":1,\"device\":\"0000:00:04.1\",\"backend\":\"vfio\",\"complete\":false,"
		"\"evidence\":\"open files of the process\"}\n"
		"\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		"\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_id\":4}"
		"\n"
		"\"unmap\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\"}\n");
}

/* Set up before the trace began, with a second group open: no device is named. */
static void
test_open_files_do_not_tell(struct scene *scene, gconstpointer data)
{
	g_autofree char *link = g_build_filename(scene->root, "proc/10/fd/9", NULL);

	(void) data;
	g_assert_cmpint(symlink("/dev/vfio/6", link), ==, 0);
	add_call(scene, 10, 3, MAP_DMA);
	add_map(scene, TRACE_MAP, 10, 0x1000, 0x1000, 0xa000);
	add_return(scene, 10, 0);
	expect(scene, "\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}]}\n");
}

/* The second group joins the one container that there is. */
static void
test_second_group(struct scene *scene, gconstpointer data)
{
	g_autofree char *got = NULL;

	(void) data;
	add_program(scene, 10, 3, "0000:00:04.0", 0x1000, 0xa000);
	add_call(scene, 10, 9, SET_CONTAINER);
	add_named(scene, TRACE_ATTACH, 10, "0000:00:07.0");
	add_named(scene, TRACE_ATTACH, 10, "0000:00:07.0");
	add_return(scene, 10, 0);
	got = play(scene);
	g_assert_nonnull(strstr(got, "\"attach\",\"space\":1,\"device\":\"0000:00:07.0\""));
}

/* Events are missing: perhaps the end of the ioctl among them. */
static void
test_lost(struct scene *scene, gconstpointer data)
{
	g_autofree char *got = NULL;

	(void) data;
	add_program(scene, 100, 3, "0000:00:04.0", 0x1000, 0xa000);
	add_call(scene, 100, 3, MAP_DMA);
	add(scene, TRACE_LOST, 0)->lost = 17;
	add_map(scene, TRACE_MAP, 100, 0x2000, 0x1000, 0xb000);
	got = play(scene);
	g_assert_nonnull(strstr(got,
		"\"lost\",\"count\":17,\"reason\":\"the kernel's trace buffer of CPU 0 was full\"}\n"
		"\"map\",\"space\":2,\"iova\":\"0x2000\""));
}

static void
test_one_process(struct scene *scene, gconstpointer data)
{
	(void) data;
	scene->engine.only = 10;
	add_program(scene, 200, 3, "0000:00:05.0", 0x1000, 0xb000);
	add_map(scene, TRACE_MAP, 0, 0x3000, 0x1000, 0xc000)->irq = 0x10;
	add_program(scene, 11, 3, "0000:00:04.0", 0x1000, 0xa000);
	add_qi(scene, 200, 0x700f2, 0x1000);
	add_map(scene, TRACE_UNMAP, 7, 0x1000, 0x1000, 0); /* by whomever: it is in 10's space only */
	expect(scene, "\"attach\",\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"vfio\"" IN_VFIO "}\n"
		      "\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}]}\n"
		      "\"unmap\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\"}\n");
}

/* Invalidations come after the map that they announce, also when it grew. */
static void
test_invalidations_follow(struct scene *scene, gconstpointer data)
{
	g_autofree char *text = NULL;
	const char *map, *first, *second;

	(void) data;
	add_call(scene, 200, 3, MAP_DMA);
	add_page(scene, 200, 0x1000, 0xa000, 4);
	add_page(scene, 200, 0x2000, 0xc000, 4);
	add_return(scene, 200, 0);
	g_free(play(scene));
	text = g_malloc0(65536);
	g_assert_cmpint(pread(scene->output.fd, text, 65535, 0), >, 0);
	map = strstr(text, "\"event\":\"map\"");
	first = strstr(text, "\"first\":\"0x1000\",\"last\":\"0x1fff\"");
	second = strstr(text, "\"first\":\"0x2000\",\"last\":\"0x2fff\"");
	g_assert_true(map != NULL && first != NULL && second != NULL);
	g_assert_true(map < first && first < second);
	g_assert_null(strstr(map + 1, "\"event\":\"map\""));
	g_assert_nonnull(strstr(text, "\"descriptor\":[\"0x400f2\",\"0x1000\",\"0x0\",\"0x0\"]"));
}

/* Whatever comes in whatever order: no crash, no leak (sanitizers). */
static void
test_random(struct scene *scene, gconstpointer data)
{
	static const char *const names[] = { "0000:00:04.0", "0000:00:05.0", "dmar0", "odd" };
	GRand *random = g_rand_new_with_seed(3);

	(void) data;
	for (int i = 0; i < 20000; i++) {
		struct trace_event *event =
			add(scene, (enum trace_kind) g_rand_int_range(random, 0, TRACE_LOST + 1),
				g_rand_int_range(random, 0, 5) * 10);

		for (gsize at = 0; at < sizeof event->qi; at += 8)
			memcpy((char *) &event->qi + at, &(guint64){ g_rand_int(random) & 0x7ffff000 }, 8);
		strcpy(event->name, names[g_rand_int_range(random, 0, 4)]);
		if (event->kind == TRACE_CALL) {
			event->call.fd = (unsigned) g_rand_int_range(random, 3, 5);
			event->call.cmd = (unsigned) g_rand_int_range(random, SET_IOMMU, UNMAP_DMA + 1);
		} else if (event->kind == TRACE_LOST) {
			event->lost = 1;
		}
	}
	g_free(play(scene));
	g_rand_free(random);
}

int
main(int argc, char **argv)
{
	static const scene_test tests[] = {
		{ "program", test_program },
		{ "hole", test_hole },
		{ "flushed-in-parts", test_flushed_in_parts },
		{ "refused", test_refused },
		{ "two-programs", test_two_programs },
		{ "gone-threads", test_gone_threads },
		{ "gone-by-domain", test_gone_by_domain },
		{ "ambiguous", test_ambiguous },
		{ "two-domains", test_container_with_two_domains },
		{ "open-files-do-not-tell", test_open_files_do_not_tell },
		{ "second-group", test_second_group },
		{ "lost", test_lost },
		{ "one-process", test_one_process },
		{ "invalidations-follow", test_invalidations_follow },
		{ "random", test_random },
	};

	return scene_main(argc, argv, "trace-engine", tests, G_N_ELEMENTS(tests));
}
