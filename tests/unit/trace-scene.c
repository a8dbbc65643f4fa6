/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace-scene.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/proc.h"
#include "sys/sysfs.h"

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

struct trace_event *
add(struct scene *scene, enum trace_kind kind, int pid)
{
	const struct trace_event event = { .kind = (uint8_t) kind, .pid = pid, .ns = scene->ns += 1000 };

	trace_queue_add(&scene->queue, &event);
	return &scene->queue.event[scene->queue.n - 1];
}

struct trace_event *
add_map(struct scene *scene, enum trace_kind kind, int pid, uint64_t iova, uint64_t size, uint64_t paddr)
{
	struct trace_event *event = add(scene, kind, pid);

	event->map.iova = iova;
	event->map.size = size;
	event->map.paddr = paddr;
	return event;
}

void
add_named(struct scene *scene, enum trace_kind kind, int pid, const char *name)
{
	strcpy(add(scene, kind, pid)->name, name);
}

void
add_call(struct scene *scene, int pid, unsigned fd, unsigned cmd)
{
	struct trace_event *event = add(scene, TRACE_CALL, pid);

	event->call.fd = fd;
	event->call.cmd = cmd;
}

void
add_return(struct scene *scene, int pid, int64_t result)
{
	add(scene, TRACE_RETURN, pid)->result = result;
}

void
add_qi(struct scene *scene, int pid, uint64_t qw0, uint64_t qw1)
{
	struct trace_event *event = add(scene, TRACE_QI, pid);

	strcpy(event->name, "dmar0");
	event->qi.qw[0] = qw0;
	event->qi.qw[1] = qw1;
}

void
add_page(struct scene *scene, int pid, uint64_t iova, uint64_t paddr, uint64_t did)
{
	add_map(scene, TRACE_MAP, pid, iova, 0x1000, paddr);
	add_qi(scene, pid, 0xf2 | did << 16, iova);
}

void
add_dma(struct scene *scene, int pid, const char *device, uint64_t addr, unsigned prot)
{
	struct trace_event *event = add(scene, TRACE_DMA, pid);

	strcpy(event->name, device);
	event->dma.addr = addr;
	event->dma.size = 0x1000;
	event->dma.prot = prot;
}

void
add_join(struct scene *scene, int pid, uint64_t sid, uint64_t did, const char *device)
{
	add_qi(scene, pid, 0x31 | sid << 32, 0);
	add_qi(scene, pid, 0xe2 | did << 16, 0);
	add_named(scene, TRACE_ATTACH, pid, device);
}

void
add_program(struct scene *scene, int pid, unsigned fd, const char *device, uint64_t iova, uint64_t paddr)
{
	add_call(scene, pid, fd, SET_IOMMU);
	add_named(scene, TRACE_ATTACH, pid, device);
	add_return(scene, pid, 0);
	add_call(scene, pid, fd, MAP_DMA);
	add_map(scene, TRACE_MAP, pid, iova, 0x1000, paddr);
	add_return(scene, pid, 0);
}

char *
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

void
expect(struct scene *scene, const char *lines)
{
	g_autofree char *got = play(scene);

	g_assert_cmpstr(got, ==, lines);
}

int
scene_main(int argc, char **argv, const char *suite, const scene_test *tests, gsize n)
{
	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < n; i++) {
		g_autofree char *path = g_strdup_printf("/probe/%s/%s", suite, tests[i].name);

		g_test_add(path, struct scene, NULL, begin, tests[i].run, end);
	}
	return g_test_run();
}
