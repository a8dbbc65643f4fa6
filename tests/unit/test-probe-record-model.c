/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From ioctls to events, with a system that is made up: which descriptor is open
 * on what, in which process, changes as the test says.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <linux/vfio.h>
#include <string.h>
#include <unistd.h>

#include "recorder.h"
#include "sysfs.h"

/* The open files of the made-up system. */
struct open_file {
	pid_t pid;
	int fd;
	enum rec_kind kind;
	int description; /* descriptors with the same number share an open file */
	int group;
	bool iommu;    /* container: VFIO_SET_IOMMU was done; cdev: bound */
	uint32_t ioas; /* iommufd: it has IOASes up to this number */
};

static struct open_file files[32];
static const char *ending = "close";

static struct open_file *
find(pid_t pid, int fd)
{
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		if (files[i].kind != REC_OTHER && files[i].pid == pid && files[i].fd == fd)
			return &files[i];
	}
	return NULL;
}

static struct open_file *
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

static void
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

struct fixture {
	char *root, *path;
	struct output output;
	struct record_writer record;
	struct recorder recorder;
};

static void
make_group(const char *root, int group, const char *bdf)
{
	g_autofree char *path = g_strdup_printf("%s/kernel/iommu_groups/%d/devices/%s", root, group, bdf);

	g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
}

static void
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

static void
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

/* The events so far, in short: "attach 1 04.0, map 1 40000000+2000". */
static void
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

static void
begin(struct fixture *f, struct rec_pending *pending, pid_t pid, int fd, uint32_t number, uint64_t arg,
	const void *bytes, gsize size)
{
	g_assert_true(recorder_enter(&f->recorder, pending, pid, fd, number, arg, bytes, size));
}

static void
call(struct fixture *f, pid_t pid, int fd, uint32_t number, uint64_t arg, const void *bytes, gsize size,
	int64_t result)
{
	struct rec_pending pending;

	begin(f, &pending, pid, fd, number, arg, bytes, size);
	recorder_leave(&f->recorder, &pending, result, bytes, size);
}

static void
map(struct fixture *f, pid_t pid, int fd, uint64_t iova, uint64_t size, int64_t result)
{
	const struct vfio_iommu_type1_dma_map arg = { sizeof arg, 3, 0x7000000, iova, size };

	call(f, pid, fd, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg, result);
}

/* struct vfio_iommu_type1_dma_unmap without its bitmap. */
struct unmap_argument {
	uint32_t argsz, flags;
	uint64_t iova, size;
};

static void
unmap(struct fixture *f, pid_t pid, int fd, uint64_t iova, uint64_t size, int64_t result)
{
	const struct unmap_argument arg = { 24, 0, iova, size };

	call(f, pid, fd, VFIO_IOMMU_UNMAP_DMA, 0x1000, &arg, sizeof arg, result);
}

/* Container 3 and group GROUP as descriptor 4 of PID, up and running. */
static void
set_container_up(struct fixture *f, pid_t pid, int description, int group)
{
	const int32_t container = 3;

	put(pid, 3, REC_CONTAINER, description);
	put(pid, 4, REC_GROUP, group);
	call(f, pid, 4, VFIO_GROUP_SET_CONTAINER, 0x1000, &container, sizeof container, 0);
	find(pid, 3)->iommu = true;
	call(f, pid, 3, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU, NULL, 0, 0);
}

#define ATTACHED "attach 1 04.0 complete"

static void
test_map_and_unmap(struct fixture *f, gconstpointer data)
{
	const struct unmap_argument all = { 24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0 };
	const struct unmap_argument vaddr = { 24, VFIO_DMA_UNMAP_FLAG_VADDR, 0x1000, 0x1000 };

	(void) data;
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x2000, 0);
	map(f, 10, 3, 0x1000, 0x1000, -EEXIST);
	map(f, 10, 3, 0x3000, 0x1000, 0);
	map(f, 10, 3, 0x8000, 0x1000, 0);
	map(f, 10, 3, 0xa000, 0x1000, -512); /* ERESTARTSYS: not yet */
	unmap(f, 10, 3, 0x8000, 0x1000, 0);
	unmap(f, 10, 3, 0x1000, 0x1000, -EINVAL);
	call(f, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &vaddr, sizeof vaddr, 0);
	call(f, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &all, sizeof all, 0);
	expect(f, ATTACHED ", map 1 1000+2000, map 1 1000+1000 EEXIST, map 1 3000+1000, map 1 8000+1000, "
			   "unmap 1 8000+1000, unmap 1 1000+1000 EINVAL, unmap 1 1000+3000");
}

/* The same number, a child, a duplicate, and another container. */
static void
test_descriptors(struct fixture *f, gconstpointer data)
{
	(void) data;
	set_container_up(f, 10, 1, 2);
	put(11, 3, REC_CONTAINER, 1)->iommu = true;
	put(11, 4, REC_GROUP, 2);
	recorder_fork(&f->recorder, 10, 11);
	drop(10, 3);
	drop(10, 4);
	recorder_exit(&f->recorder, 10, "exit");
	map(f, 11, 3, 0x1000, 0x1000, 0);
	put(11, 9, REC_CONTAINER, 1)->iommu = true; /* dup() */
	map(f, 11, 9, 0x2000, 0x1000, 0);
	drop(11, 3);
	map(f, 11, 9, 0x3000, 0x1000, 0);
	/* Sent to a process that we know nothing of. */
	put(20, 5, REC_CONTAINER, 1)->iommu = true;
	map(f, 20, 5, 0x4000, 0x1000, 0);
	expect(f, ATTACHED ", map 1 1000+1000, map 1 2000+1000, map 1 3000+1000, map 1 4000+1000");
}

static void
test_two_containers(struct fixture *f, gconstpointer data)
{
	const int32_t second = 5;

	(void) data;
	set_container_up(f, 10, 1, 2);
	put(10, 5, REC_CONTAINER, 2);
	put(10, 6, REC_GROUP, 3);
	call(f, 10, 6, VFIO_GROUP_SET_CONTAINER, 0x1000, &second, sizeof second, 0);
	find(10, 5)->iommu = true;
	call(f, 10, 5, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU, NULL, 0, 0);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	map(f, 10, 5, 0x1000, 0x1000, 0);
	unmap(f, 10, 3, 0x1000, 0x1000, 0);
	expect(f, ATTACHED ", attach 2 05.0 complete, map 1 1000+1000, map 2 1000+1000, unmap 1 1000+1000");
}

/* A container with two groups lives as long as one is in it. */
static void
test_groups(struct fixture *f, gconstpointer data)
{
	const int32_t container = 3;

	(void) data;
	set_container_up(f, 10, 1, 2);
	put(10, 6, REC_GROUP, 3);
	call(f, 10, 6, VFIO_GROUP_SET_CONTAINER, 0x1000, &container, sizeof container, 0);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	map(f, 10, 3, 0x2000, 0x1000, 0);
	call(f, 10, 4, VFIO_GROUP_UNSET_CONTAINER, 0, NULL, 0, 0);
	drop(10, 3); /* the container's own file: nothing ends */
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, true);
	ending = "killed by SIGKILL";
	recorder_watch(&f->recorder, (dev_t) REC_GROUP * 1000 + 3, true);
	expect(f, ATTACHED ", attach 1 05.0 complete, map 1 1000+1000, map 1 2000+1000, detach 1 04.0, "
			   "unmap 1 1000+2000 killed by SIGKILL, detach 1 05.0 killed by SIGKILL");
}

/* Closed and opened anew before we look: the same numbers, a new container. */
static void
test_same_numbers(struct fixture *f, gconstpointer data)
{
	(void) data;
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	put(10, 3, REC_CONTAINER, 2);
	put(10, 4, REC_GROUP, 2);
	recorder_watch(&f->recorder, (dev_t) REC_GROUP * 1000 + 2, true);
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, true);
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, false);
	set_container_up(f, 10, 2, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000 close, detach 1 04.0 close, "
			   "attach 2 04.0 complete, map 2 1000+1000");
}

/* The container's file is closed, its group is not; the number names another. */
static void
test_new_container(struct fixture *f, gconstpointer data)
{
	const int32_t container = 3;

	(void) data;
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	put(10, 3, REC_CONTAINER, 2);
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, false);
	put(10, 6, REC_GROUP, 3);
	call(f, 10, 6, VFIO_GROUP_SET_CONTAINER, 0x1000, &container, sizeof container, 0);
	find(10, 3)->iommu = true;
	call(f, 10, 3, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU, NULL, 0, 0);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	recorder_watch(&f->recorder, (dev_t) REC_GROUP * 1000 + 2, true);
	expect(f, ATTACHED
		", map 1 1000+1000, attach 2 05.0 complete, map 2 1000+1000, unmap 1 1000+1000 close, "
		"detach 1 04.0 close");
}

/* Two threads: the unmap has happened, since the map succeeded; its return is
 * seen later. */
static void
test_order(struct fixture *f, gconstpointer data)
{
	const struct unmap_argument arg = { 24, 0, 0x1000, 0x1000 };
	struct rec_pending pending;

	(void) data;
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	begin(f, &pending, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &arg, sizeof arg);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	recorder_leave(&f->recorder, &pending, 0, &arg, sizeof arg);
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000, map 1 1000+1000");
}

/* What cannot be looked at is lost, and what ends in between does no harm. */
static void
test_trouble(struct fixture *f, gconstpointer data)
{
	const struct vfio_iommu_type1_dma_map arg = { sizeof arg, 3, 0x7000000, 0x1000, 0x1000 };
	struct rec_pending pending;

	(void) data;
	put(10, 8, REC_OTHER, 0);
	g_assert_false(recorder_enter(&f->recorder, &pending, 10, 8, VFIO_IOMMU_MAP_DMA, 0, NULL, 0));
	set_container_up(f, 10, 1, 2);
	g_assert_false(recorder_enter(&f->recorder, &pending, 10, 4, VFIO_IOMMU_MAP_DMA, 0, NULL, 0));
	call(f, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, NULL, 0, 0);
	call(f, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, NULL, 0, -EFAULT);
	begin(f, &pending, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg);
	recorder_abandon(&f->recorder, &pending);
	begin(f, &pending, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg);
	drop(10, 3);
	drop(10, 4);
	recorder_watch(&f->recorder, (dev_t) REC_GROUP * 1000 + 2, true);
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, true);
	recorder_leave(&f->recorder, &pending, 0, &arg, sizeof arg);
	expect(f, ATTACHED ", lost an ioctl's argument, note, detach 1 04.0 close, lost an ioctl's argument");
}

static void
test_adopted(struct fixture *f, gconstpointer data)
{
	(void) data;
	put(10, 4, REC_GROUP, 2);
	put(10, 3, REC_CONTAINER, 1)->iommu = true;
	call(f, 10, 4, VFIO_GROUP_GET_DEVICE_FD, 0x1000, "0000:00:04.0", 13, 9);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	expect(f, "attach 1 04.0, map 1 1000+1000");
}

static void
iommufd_map(struct fixture *f, uint32_t ioas, uint64_t iova)
{
	const uint64_t arg[] = { 40 | 7ull << 32, ioas, 0x7000000, 0x2000, iova };

	call(f, 10, 3, 0x3b85, 0x1000, arg, sizeof arg, 0);
}

static void
attach(struct fixture *f, uint32_t pt)
{
	const uint32_t arg[] = { 12, 0, pt };

	call(f, 10, 4, 0x3b77, 0x1000, arg, sizeof arg, 0);
}

static void
set_iommufd_up(struct fixture *f, int description, uint32_t ioas)
{
	const uint32_t alloc[] = { 12, 0, ioas }, bind[] = { 16, 0, 3, 1 };

	put(10, 3, REC_IOMMUFD, description)->ioas = ioas;
	put(10, 4, REC_CDEV, 7);
	call(f, 10, 4, 0x3b76, 0x1000, bind, sizeof bind, 0);
	find(10, 4)->iommu = true;
	call(f, 10, 3, 0x3b81, 0x1000, alloc, sizeof alloc, 0);
}

static void
test_iommufd(struct fixture *f, gconstpointer data)
{
	const uint64_t copy[] = { 40 | 7ull << 32, 2 | 1ull << 32, 0x1000, 0x9000, 0x6000 };
	const uint32_t hwpt[] = { 20, 0, 1, 2, 5 }, alloc[] = { 12, 0, 2 }, destroy[] = { 8, 5 };
	const uint64_t odd[] = { 24 | 1ull << 32, 0x4800, 0x3000 };

	(void) data;
	set_iommufd_up(f, 1, 1);
	iommufd_map(f, 1, 0x5000);
	attach(f, 1);
	call(f, 10, 3, 0x3b81, 0x1000, alloc, sizeof alloc, 0);
	call(f, 10, 3, 0x3b83, 0x1000, copy, sizeof copy, 0);
	call(f, 10, 3, 0x3b89, 0x1000, hwpt, sizeof hwpt, 0);
	attach(f, 5);
	call(f, 10, 3, 0x3b80, 0x1000, destroy, sizeof destroy, -EBUSY);
	call(f, 10, 3, 0x3b86, 0x1000, odd, sizeof odd, 0);
	expect(f, "space 1 complete, map 1 5000+2000, attach 1 04.0 complete, space 2 complete, map 2 "
		  "9000+1000, "
		  "detach 1 04.0 attached elsewhere, attach 2 04.0 complete, note, unmap 1 5000+2000");
}

static void
test_iommufd_same_numbers(struct fixture *f, gconstpointer data)
{
	(void) data;
	set_iommufd_up(f, 1, 1);
	iommufd_map(f, 1, 0x5000);
	attach(f, 1);
	put(10, 3, REC_IOMMUFD, 2);
	put(10, 4, REC_CDEV, 7);
	recorder_watch(&f->recorder, (dev_t) REC_CDEV * 1000 + 7, true);
	recorder_watch(&f->recorder, (dev_t) REC_IOMMUFD * 1000, true);
	set_iommufd_up(f, 2, 1);
	iommufd_map(f, 1, 0x5000);
	attach(f, 1);
	expect(f, "space 1 complete, map 1 5000+2000, attach 1 04.0 complete, detach 1 04.0 close, "
		  "unmap 1 5000+2000 close, space 2 complete, map 2 5000+2000, attach 2 04.0 complete");
}

/* A mark where nothing goes on, once, until something does. */
static void
test_rest(struct fixture *f, gconstpointer data)
{
	const struct unmap_argument arg = { 24, 0, 0x1000, 0x1000 };
	struct queue queue = { .output = &f->output, .limit = 65536 };
	struct rec_pending pending;
	uint64_t last;

	(void) data;
	g_assert_cmpuint(recorder_rest(&f->recorder, UINT64_MAX / 2), ==, 0); /* nothing yet */
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	last = f->record.last_ns;
	g_assert_cmpuint(recorder_rest(&f->recorder, last + 1), ==, REC_REST_NS - 1);
	begin(f, &pending, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &arg, sizeof arg);
	g_assert_cmpuint(recorder_rest(&f->recorder, last + REC_REST_NS), ==, 0); /* a call */
	recorder_leave(&f->recorder, &pending, -EINVAL, &arg, sizeof arg);
	last = f->record.last_ns;
	f->record.queue = &queue;
	queue.len = 1;
	g_assert_cmpuint(recorder_rest(&f->recorder, last + REC_REST_NS), ==, 0); /* not written yet */
	queue.len = 0;
	f->record.queue = NULL;
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000 EINVAL");
	g_assert_cmpuint(recorder_rest(&f->recorder, last + REC_REST_NS), ==, 0);
	g_assert_cmpuint(recorder_rest(&f->recorder, last + 9 * REC_REST_NS), ==, 0);
	begin(f, &pending, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &arg, sizeof arg);
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000 EINVAL, mark, busy");
	recorder_leave(&f->recorder, &pending, 0, &arg, sizeof arg);
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000 EINVAL, mark, busy, unmap 1 1000+1000");
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct fixture *f, gconstpointer data);
	} tests[] = {
		{ "/record-model/map-and-unmap", test_map_and_unmap },
		{ "/record-model/descriptors", test_descriptors },
		{ "/record-model/two-containers", test_two_containers },
		{ "/record-model/groups", test_groups },
		{ "/record-model/same-numbers", test_same_numbers },
		{ "/record-model/new-container", test_new_container },
		{ "/record-model/order", test_order },
		{ "/record-model/rest", test_rest },
		{ "/record-model/trouble", test_trouble },
		{ "/record-model/adopted", test_adopted },
		{ "/record-model/iommufd", test_iommufd },
		{ "/record-model/iommufd-same-numbers", test_iommufd_same_numbers },
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].run, tear_down);
	return g_test_run();
}
