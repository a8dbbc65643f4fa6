/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record-world.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/vfio.h>
#include <string.h>
#include <unistd.h>

#include "sys/sysfs.h"

static struct open_file files[32];
const char *ending = "close";

struct open_file *
find(pid_t pid, int fd)
{
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		if (files[i].kind != REC_OTHER && files[i].pid == pid && files[i].fd == fd)
			return &files[i];
	}
	return NULL;
}

struct open_file *
put(pid_t pid, int fd, enum rec_kind kind, int description)
{
	struct open_file *file = find(pid, fd);

	for (gsize i = 0; file == NULL; i++) {
		g_assert_cmpuint(i, <, G_N_ELEMENTS(files));
		if (files[i].kind == REC_OTHER)
			file = &files[i];
	}
	*file = (struct open_file){ pid, fd, kind, description,
		.group = kind == REC_GROUP ? description : -1 };
	return file;
}

void
drop(pid_t pid, int fd)
{
	find(pid, fd)->kind = REC_OTHER;
}

static dev_t
device_of(const struct open_file *file)
{
	return (dev_t) file->kind * 1000 +
	       (file->kind == REC_GROUP || file->kind == REC_CDEV ? (dev_t) file->description : 0);
}

static struct rec_fd
fake_look(pid_t pid, int fd)
{
	const struct open_file *file = find(pid, fd);
	struct rec_fd ret = { .kind = REC_OTHER, .group = -1 };

	if (file == NULL)
		return ret;
	ret.kind = file->kind;
	ret.group = file->group;
	ret.device = device_of(file);
	if (file->kind == REC_CDEV)
		strcpy(ret.bdf, "0000:00:04.0");
	return ret;
}

static bool
fake_same(pid_t pid_a, int fd_a, pid_t pid_b, int fd_b)
{
	const struct open_file *a = find(pid_a, fd_a), *b = find(pid_b, fd_b);

	return a != NULL && b != NULL && a->kind == b->kind && a->description == b->description;
}

static void
fake_watch(void *data, pid_t pid, int fd, dev_t device)
{
	(void) data, (void) pid, (void) fd, (void) device;
}

static int
fake_memory(struct rec_backing *ret, pid_t pid, int pagemap, const struct rec_devices *devices,
	uint64_t vaddr, uint64_t size)
{
	(void) pid, (void) pagemap, (void) devices;
	extents_clear(&ret->extents);
	ret->bar[0] = '\0';
	ret->page_size = 0;
	return extents_add_run(&ret->extents, vaddr + 0x1000000, size);
}

static int
fake_file(struct rec_backing *ret, pid_t pid, int fd, uint64_t from, uint64_t size)
{
	(void) fd;
	return fake_memory(ret, pid, -1, NULL, from, size);
}

static bool
fake_container(pid_t pid, int fd, struct iova_ranges *ret)
{
	const struct open_file *file = find(pid, fd);

	(void) ret;
	return file != NULL && file->kind == REC_CONTAINER && file->iommu;
}

static bool
fake_ioas(pid_t pid, int fd, uint32_t id, struct iova_ranges *ret)
{
	const struct open_file *file = find(pid, fd);

	(void) ret;
	return file != NULL && file->kind == REC_IOMMUFD && id <= file->ioas;
}

static bool
fake_bound(pid_t pid, int fd)
{
	const struct open_file *file = find(pid, fd);

	return file != NULL && file->kind == REC_CDEV && file->iommu;
}

static void
fake_ending(pid_t pid, char *ret, size_t size)
{
	(void) pid;
	g_strlcpy(ret, ending, size);
}

static const struct rec_asks asks = {
	.world = { fake_look, fake_same, fake_watch, NULL },
	.memory = fake_memory,
	.file = fake_file,
	.container = fake_container,
	.ioas = fake_ioas,
	.bound = fake_bound,
	.ending = fake_ending,
};

static void
make_group(const char *root, int group, const char *bdf)
{
	g_autofree char *path = g_strdup_printf("%s/kernel/iommu_groups/%d/devices/%s", root, group, bdf);

	g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
}

void
set_up(struct fixture *f, gconstpointer data)
{
	(void) data;
	memset(files, 0, sizeof files);
	ending = "close";
	f->root = g_dir_make_tmp("test-probe-model-XXXXXX", NULL);
	make_group(f->root, 2, "0000:00:04.0");
	make_group(f->root, 3, "0000:00:05.0");
	sysfs_set_root(f->root);
	f->path = g_build_filename(f->root, "record", NULL);
	f->output = (struct output){ .fd = g_creat(f->path, 0600), .name = "test" };
	record_begin(&f->record, &f->output);
	recorder_begin(&f->recorder, &asks, &f->record);
	f->recorder.watching = true;
}

void
tear_down(struct fixture *f, gconstpointer data)
{
	g_autofree char *command = g_strdup_printf("rm -r %s", f->root);

	(void) data;
	recorder_free(&f->recorder);
	record_free(&f->record);
	close(f->output.fd);
	g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
	g_free(f->root);
	g_free(f->path);
}

void
expect(struct fixture *f, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *file = NULL;
	g_auto(GStrv) lines = NULL;

	g_assert_true(g_file_get_contents(f->path, &file, NULL, NULL));
	lines = g_strsplit(file, "\n", 0);
	for (gsize i = 0; lines[i] != NULL && lines[i][0]; i++) {
		static const char *const keys[] = { "event", "space", "device", "iova", "size", "error",
			"reason", "complete" };

		g_string_append(text, i ? ", " : "");
		for (gsize k = 0; k < G_N_ELEMENTS(keys); k++) {
			g_autofree char *pattern =
				g_strdup_printf("\"%s\":(?:\"(?:0x|0000:00:)?)?([^\",}]*)", keys[k]);
			g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
			g_autoptr(GMatchInfo) match = NULL;
			g_autofree char *value = NULL;

			if (!g_regex_match(regex, lines[i], 0, &match))
				continue;
			value = g_match_info_fetch(match, 1);
			g_string_append_printf(text, "%s%s",
				k == 0   ? ""
				: k == 4 ? "+"
					 : " ",
				strcmp(value, "true") == 0 ? "complete" : value);
			if (k == 0 && strcmp(value, "note") == 0)
				break;
		}
	}
	g_assert_cmpstr(text->str, ==, wanted);
}

void
begin(struct fixture *f, struct rec_pending *pending, pid_t pid, int fd, uint32_t number, uint64_t arg,
	const void *bytes, gsize size)
{
	g_assert_true(recorder_enter(&f->recorder, pending, pid, fd, number, arg, bytes, size));
}

void
call(struct fixture *f, pid_t pid, int fd, uint32_t number, uint64_t arg, const void *bytes, gsize size,
	int64_t result)
{
	struct rec_pending pending;

	begin(f, &pending, pid, fd, number, arg, bytes, size);
	recorder_leave(&f->recorder, &pending, result, bytes, size);
}

void
map(struct fixture *f, pid_t pid, int fd, uint64_t iova, uint64_t size, int64_t result)
{
	const struct vfio_iommu_type1_dma_map arg = { sizeof arg, 3, 0x7000000, iova, size };

	call(f, pid, fd, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg, result);
}

void
unmap(struct fixture *f, pid_t pid, int fd, uint64_t iova, uint64_t size, int64_t result)
{
	const struct unmap_argument arg = { 24, 0, iova, size };

	call(f, pid, fd, VFIO_IOMMU_UNMAP_DMA, 0x1000, &arg, sizeof arg, result);
}

void
set_container_up(struct fixture *f, pid_t pid, int description, int group)
{
	const int32_t container = 3;

	put(pid, 3, REC_CONTAINER, description);
	put(pid, 4, REC_GROUP, group);
	call(f, pid, 4, VFIO_GROUP_SET_CONTAINER, 0x1000, &container, sizeof container, 0);
	find(pid, 3)->iommu = true;
	call(f, pid, 3, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU, NULL, 0, 0);
}

int
run_tests(int argc, char **argv, const struct model_test *tests, gsize n)
{
	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < n; i++)
		g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].run, tear_down);
	return g_test_run();
}
