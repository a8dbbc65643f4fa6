/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A system that is made up, for the tests of the recorder: which descriptor is open
 * on what, in which process, changes as the test says.
 */
#ifndef TESTS_RECORD_WORLD_H
#define TESTS_RECORD_WORLD_H

#include <glib.h>

#include "record/recorder.h"

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

struct fixture {
	char *root, *path;
	struct output output;
	struct record_writer record;
	struct recorder recorder;
};

/* struct vfio_iommu_type1_dma_unmap without its bitmap. */
struct unmap_argument {
	uint32_t argsz, flags;
	uint64_t iova, size;
};

struct open_file *find(pid_t pid, int fd);
struct open_file *put(pid_t pid, int fd, enum rec_kind kind, int description);
void drop(pid_t pid, int fd);
/* How a process that is asked about ends. */
extern const char *ending;

void set_up(struct fixture *f, gconstpointer data);
void tear_down(struct fixture *f, gconstpointer data);
/* The events so far, in short: "attach 1 04.0, map 1 40000000+2000". */
void expect(struct fixture *f, const char *wanted);

void begin(struct fixture *f, struct rec_pending *pending, pid_t pid, int fd, uint32_t number, uint64_t arg,
	const void *bytes, gsize size);
void call(struct fixture *f, pid_t pid, int fd, uint32_t number, uint64_t arg, const void *bytes, gsize size,
	int64_t result);
void map(struct fixture *f, pid_t pid, int fd, uint64_t iova, uint64_t size, int64_t result);
void unmap(struct fixture *f, pid_t pid, int fd, uint64_t iova, uint64_t size, int64_t result);
/* Container 3 and group GROUP as descriptor 4 of PID, up and running. */
void set_container_up(struct fixture *f, pid_t pid, int description, int group);
#define ATTACHED "attach 1 04.0 complete"

struct model_test {
	const char *name;
	void (*run)(struct fixture *f, gconstpointer data);
};
/* What main() returns. */
int run_tests(int argc, char **argv, const struct model_test *tests, gsize n);

#endif
