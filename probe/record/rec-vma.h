/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The areas of a process's memory, from /proc/PID/maps. */
#ifndef PROBE_REC_VMA_H
#define PROBE_REC_VMA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rec_vma {
	uint64_t first, last; /* addresses */
	uint64_t offset;      /* of `first` in the file */
	uint64_t inode;
	char path[128]; /* cut off if longer; "" for memory without a file */
};

/* One line of /proc/PID/maps.  Pure. */
bool rec_vma_parse(const char *line, struct rec_vma *ret);
/* The area that ADDR lies in. */
bool rec_vma_find(pid_t pid, uint64_t addr, struct rec_vma *ret);
/* The page size of a hugetlbfs area, or 0. */
uint64_t rec_vma_huge_page(pid_t pid, const struct rec_vma *vma);

#endif
