/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The open files of VFIO and iommufd that a program has, told apart by what
 * they are (open file descriptions) and not by number: descriptors are
 * inherited, duplicated and sent to other processes, and one number names
 * different files at different times.
 */
#ifndef PROBE_REC_FILES_H
#define PROBE_REC_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sys/live.h"
#include "sys/parse.h"
#include "record/rec-fd.h"

/* A descriptor in a process (a thread group). */
struct rec_ref {
	pid_t pid;
	int fd;
};

/* An address space of the record. */
struct rec_space {
	unsigned id;
	const char *backend; /* of viommu-record(5) */
	bool complete;       /* seen from its creation on */
	bool v1;             /* type1, version 1: unmaps whole mappings */
	struct live live;
};

/* An IOAS, or a page table made from one. */
struct rec_object {
	uint32_t id;
	struct rec_space *space;
	bool ioas; /* owns the space */
};

struct rec_file {
	struct rec_fd is;
	struct rec_ref *ref;
	size_t n_refs;
	struct rec_file *owner;    /* group: the container; cdev: the iommufd; or NULL */
	struct rec_space *space;   /* container: its IOMMU is set; cdev: attached; or NULL */
	struct rec_object *object; /* iommufd */
	size_t n_objects;
};

/* What is asked of the system, so that tests can answer instead. */
struct rec_world {
	struct rec_fd (*look)(pid_t pid, int fd);
	bool (*same)(pid_t pid_a, int fd_a, pid_t pid_b, int fd_b);
	void (*watch)(void *data, pid_t pid, int fd, dev_t device);
	void *watch_data;
};

struct rec_files {
	const struct rec_world *world;
	struct rec_file **file;
	size_t n;
};

/* The file behind FD of PID; one that is new is added.  NULL when it is none
 * of ours, or memory runs out. */
struct rec_file *rec_files_get(struct rec_files *files, pid_t pid, int fd);
/* The same, without a question to the system: NULL when not known. */
struct rec_file *rec_files_known(const struct rec_files *files, pid_t pid, int fd);
/* CHILD has what PARENT has. */
void rec_files_fork(struct rec_files *files, pid_t parent, pid_t child);
/* PID has nothing any more. */
void rec_files_leave(struct rec_files *files, pid_t pid);
void rec_file_drop_ref(struct rec_file *file, size_t i);
void rec_files_forget(struct rec_files *files, struct rec_file *file);
void rec_files_free(struct rec_files *files);

#endif
