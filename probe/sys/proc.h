/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc tells of other processes.  They may end at any moment: every
 * answer may be "not known". */
#ifndef PROBE_PROC_H
#define PROBE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tests put a tree of their own in the place of /proc. */
void proc_set_root(const char *root);

/* The process that thread TID belongs to, or -1. */
int proc_tgid(int tid);

struct proc_vfio {
	unsigned n_containers, n_groups, n_devices; /* open files of each kind */
	int container;                              /* file descriptor of one of them, or -1 */
	int group;                                  /* number of one of them, or -1 */
};

/* The VFIO files that a process holds; false when that cannot be seen. */
bool proc_vfio(int pid, struct proc_vfio *ret);

struct proc_container {
	int fd;            /* of the process */
	int64_t available; /* mappings that it still takes, or -1: not told */
};

/* The VFIO containers that a process holds, asked through a duplicate of its
 * file (Linux 5.6) that is closed at once.  How many were stored, or a negative
 * errno. */
int proc_containers(int pid, struct proc_container *ret, size_t max);

/* "qemu-system-x86" or "" */
void proc_name(int pid, char *name, size_t size);

/* Whether the two descriptors are of one open file; false when not known. */
bool proc_same_file(int pid, unsigned fd, int other_pid, unsigned other_fd);

#endif
