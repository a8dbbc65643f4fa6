/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which space a mapping is in and which devices that reaches: scenes of events,
 * and the lines of the record that they lead to. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/parse.h"
#include "sys/proc.h"
#include "sys/sysfs.h"
#include "trace/trace-engine.h"

enum {
	SET_IOMMU = 0x3b66,
	SET_CONTAINER = 0x3b68,
	MAP_DMA = 0x3b71,
	UNMAP_DMA = 0x3b72,
};

struct scene {
	struct trace_queue queue;
	struct trace_engine engine;
	struct record_writer writer;
	struct output output;
	char *root;
	uint64_t ns;
};

/* A guest in which process 10 has container 3 and group 5 with 04.0 and 04.1. */
static void
make_guest(const char *root)
{
	g_autofree char *script = g_strdup_printf(
		"set -e; cd '%s'; mkdir -p proc/10/fd proc/20/fd sys/bus/pci/devices/0000:00:04.0 "
		"sys/bus/pci/devices/0000:00:04.1 sys/kernel/iommu_groups/5/devices/0000:00:04.0 "
		"sys/kernel/iommu_groups/5/devices/0000:00:04.1; "
		"ln -s /dev/vfio/vfio proc/10/fd/3; ln -s /dev/vfio/5 proc/10/fd/4; ln -s /dev/vfio/vfio "
		"proc/20/fd/3; printf 'Name:\\tqemu\\nTgid:\\t10\\n' >proc/10/status; mkdir proc/11; "
		"cp proc/10/status proc/11; echo qemu >proc/10/comm",
		root);
	const char *argv[] = { "sh", "-c", script, NULL };
	int status = -1;

	g_assert_true(g_spawn_sync(
		NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
	g_assert_cmpint(status, ==, 0);
}

static void
begin(struct scene *scene, gconstpointer data)
{
	g_autofree char *proc = NULL, *sys = NULL;

	(void) data;
	scene->root = g_dir_make_tmp("viommu-XXXXXX", NULL);
	make_guest(scene->root);
	proc = g_build_filename(scene->root, "proc", NULL);
	sys = g_build_filename(scene->root, "sys", NULL);
	proc_set_root(g_intern_string(proc));
	sysfs_set_root(g_intern_string(sys));
	scene->output.fd = fileno(tmpfile());
	scene->output.name = "record";
	record_begin(&scene->writer, &scene->output);
	scene->engine.record.writer = &scene->writer;
	scene->engine.caching_mode = true;
}

static void
end(struct scene *scene, gconstpointer data)
{
	g_autofree char *remove = g_strdup_printf("rm -r '%s'", scene->root);

	(void) data;
	g_assert_cmpint(system(remove), ==, 0);
	g_free(scene->root);
	trace_engine_free(&scene->engine);
	trace_queue_free(&scene->queue);
	record_free(&scene->writer);
	close(scene->output.fd);
}

static struct trace_event *
add(struct scene *scene, enum trace_kind kind, int pid)
{
	const struct trace_event event = { .kind = (uint8_t) kind, .pid = pid, .ns = scene->ns += 1000 };

	trace_queue_add(&scene->queue, &event);
	return &scene->queue.event[scene->queue.n - 1];
}

static struct trace_event *
add_map(struct scene *scene, enum trace_kind kind, int pid, uint64_t iova, uint64_t size, uint64_t paddr)
{
	struct trace_event *event = add(scene, kind, pid);

	event->map.iova = iova;
	event->map.size = size;
	event->map.paddr = paddr;
	return event;
}

static void
add_named(struct scene *scene, enum trace_kind kind, int pid, const char *name)
{
	strcpy(add(scene, kind, pid)->name, name);
}

static void
add_call(struct scene *scene, int pid, unsigned fd, unsigned cmd)
{
	struct trace_event *event = add(scene, TRACE_CALL, pid);

	event->call.fd = fd;
	event->call.cmd = cmd;
}

static void
add_return(struct scene *scene, int pid, int64_t result)
{
	add(scene, TRACE_RETURN, pid)->result = result;
}

static void
add_qi(struct scene *scene, int pid, uint64_t qw0, uint64_t qw1)
{
	struct trace_event *event = add(scene, TRACE_QI, pid);

	strcpy(event->name, "dmar0");
	event->qi.qw[0] = qw0;
	event->qi.qw[1] = qw1;
}

/* A page mapped, and announced for domain DID as caching mode wants it. */
static void
add_page(struct scene *scene, int pid, uint64_t iova, uint64_t paddr, uint64_t did)
{
	add_map(scene, TRACE_MAP, pid, iova, 0x1000, paddr);
	add_qi(scene, pid, 0xf2 | did << 16, iova);
}

static void
add_dma(struct scene *scene, int pid, const char *device, uint64_t addr, unsigned prot)
{
	struct trace_event *event = add(scene, TRACE_DMA, pid);

	strcpy(event->name, device);
	event->dma.addr = addr;
	event->dma.size = 0x1000;
	event->dma.prot = prot;
}

/* A device gets a context entry with domain DID: Linux 6.1's way. */
static void
add_join(struct scene *scene, int pid, uint64_t sid, uint64_t did, const char *device)
{
	add_qi(scene, pid, 0x31 | sid << 32, 0);
	add_qi(scene, pid, 0xe2 | did << 16, 0);
	add_named(scene, TRACE_ATTACH, pid, device);
}

/* Process PID sets up container FD for DEVICE and maps a page. */
static void
add_program(struct scene *scene, int pid, unsigned fd, const char *device, uint64_t iova, uint64_t paddr)
{
	add_call(scene, pid, fd, SET_IOMMU);
	add_named(scene, TRACE_ATTACH, pid, device);
	add_return(scene, pid, 0);
	add_call(scene, pid, fd, MAP_DMA);
	add_map(scene, TRACE_MAP, pid, iova, 0x1000, paddr);
	add_return(scene, pid, 0);
}

/* The record, a line for each event, without seq, time, notes and invalidations. */
static char *
play(struct scene *scene)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	GString *kept = g_string_new(NULL);
	const struct trace_event *event;
	off_t len;

	trace_queue_sort(&scene->queue);
	while ((event = trace_queue_first(&scene->queue, UINT64_MAX)) != NULL) {
		struct trace_sequel sequel = { 0 };

		if (event->kind == TRACE_MAP || event->kind == TRACE_UNMAP)
			sequel = trace_queue_sequel(&scene->queue, scene->engine.caching_mode);
		trace_engine_event(&scene->engine, event, &sequel);
		trace_queue_pop(&scene->queue);
	}
	trace_record_flush(&scene->engine.record);
	len = lseek(scene->output.fd, 0, SEEK_END);
	text = g_malloc0((gsize) len + 1);
	g_assert_cmpint(pread(scene->output.fd, text, (gsize) len, 0), ==, len);
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL && **line; line++) {
		const char *rest = strstr(*line, "\"event\":");

		if (!strstr(rest, "\"event\":\"note\"") && !strstr(rest, "\"event\":\"invalidate\""))
			g_string_append_printf(kept, "%s\n", rest + strlen("\"event\":"));
	}
	return g_string_free(kept, FALSE);
}

static void
expect(struct scene *scene, const char *lines)
{
	g_autofree char *got = play(scene);

	g_assert_cmpstr(got, ==, lines);
}

#define IN_VFIO ",\"complete\":false,\"from_start\":true,\"evidence\":\"attach event in an ioctl of VFIO\""

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

static void
test_driver(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_page(scene, 50, 0xfffc0000, 0xa000, 6);
	add_dma(scene, 50, "0000:00:06.0", 0xfffc0000, DMA_PROT_READ);
	add_page(scene, 50, 0xfffc1000, 0xb000, 7);
	add_dma(scene, 50, "not-pci", 0xfffc1000, DMA_PROT_READ);
	add_map(scene, TRACE_UNMAP, 51, 0xfffc0000, 0x1000, 0);
	expect(scene, "\"attach\",\"space\":1,\"device\":\"0000:00:06.0\",\"backend\":\"dma-api\","
		      "\"complete\":false,"
		      "\"evidence\":\"dma event of its driver\"}\n"
		      "\"map\",\"space\":1,\"iova\":\"0xfffc0000\",\"size\":\"0x1000\",\"prot\":\"r\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":6}\n"
		      "\"map\",\"space\":2,\"iova\":\"0xfffc1000\",\"size\":\"0x1000\",\"prot\":\"r\","
		      "\"extents\":[{\"gpa\":\"0xb000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":7}\n"
		      "\"unmap\",\"space\":1,\"iova\":\"0xfffc0000\",\"size\":\"0x1000\"}\n");
}

/* No dma events, as before 6.12: the domain number keeps two devices apart. */
static void
test_domains(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_join(scene, 1, 0x30, 6, "0000:00:06.0");
	add_page(scene, 50, 0xfffff000, 0xa000, 6);
	add_page(scene, 50, 0xfffff000, 0xb000, 7);
	add_map(scene, TRACE_UNMAP, 0, 0xfffff000, 0x1000, 0);
	add_qi(scene, 0, 0x700f2, 0xfffff000);
	expect(scene, "\"attach\",\"space\":1,\"device\":\"0000:00:06.0\",\"backend\":\"iommu-domain\","
		      "\"complete\":false,"
		      "\"evidence\":\"attach event, and the domain flushed before it\",\"iommu\":\"dmar0\","
		      "\"domain_id\":6}\n"
		      "\"map\",\"space\":1,\"iova\":\"0xfffff000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":6}\n"
		      "\"map\",\"space\":2,\"iova\":\"0xfffff000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xb000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":7}\n"
		      "\"unmap\",\"space\":2,\"iova\":\"0xfffff000\",\"size\":\"0x1000\",\"iommu\":\"dmar0\","
		      "\"domain_id\":7}\n");
}

/* The number of a domain is used again, while mappings of the old one stand in
 * the books: the new device does not get them. */
static void
test_number_used_again(struct scene *scene, gconstpointer data)
{
	g_autofree char *got = NULL;

	(void) data;
	add_page(scene, 50, 0x5000, 0xa000, 6);
	add_join(scene, 1, 0x30, 6, "0000:00:06.0");
	got = play(scene);
	g_assert_null(strstr(got, "\"attach\""));
}

/* The flush is about another device than the one attached. */
static void
test_other_sid(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_join(scene, 1, 0x38, 6, "0000:00:06.0");
	add_qi(scene, 1, 0x3000060031, 0); /* an entry taken away, then its old domain */
	add_qi(scene, 1, 0x600e2, 0);
	add_named(scene, TRACE_ATTACH, 1, "0000:00:06.0");
	expect(scene, "");
}

/* Nothing tells anything: one space, and another where they contradict. */
static void
test_unknown(struct scene *scene, gconstpointer data)
{
	(void) data;
	scene->engine.caching_mode = false;
	add_map(scene, TRACE_MAP, 50, 0x1000, 0x1000, 0xa000);
	add_map(scene, TRACE_MAP, 51, 0x2000, 0x1000, 0xb000);
	add_map(scene, TRACE_MAP, 52, 0x1000, 0x1000, 0xc000);
	expect(scene, "\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}]}\n"
		      "\"map\",\"space\":1,\"iova\":\"0x2000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xb000\",\"size\":\"0x1000\"}]}\n"
		      "\"map\",\"space\":2,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xc000\",\"size\":\"0x1000\"}]}\n");
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
	const struct {
		const char *name;
		void (*run)(struct scene *scene, gconstpointer data);
	} tests[] = {
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
		{ "driver", test_driver },
		{ "domains", test_domains },
		{ "number-used-again", test_number_used_again },
		{ "other-sid", test_other_sid },
		{ "unknown", test_unknown },
		{ "lost", test_lost },
		{ "one-process", test_one_process },
		{ "invalidations-follow", test_invalidations_follow },
		{ "random", test_random },
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strdup_printf("/probe/trace-engine/%s", tests[i].name);

		g_test_add(path, struct scene, NULL, begin, tests[i].run, end);
	}
	return g_test_run();
}
