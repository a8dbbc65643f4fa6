/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is behind a stretch of another program's memory. */
#ifndef PROBE_REC_MEMORY_H
#define PROBE_REC_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sys/extents.h"
#include "sys/parse.h"
#include "record/rec-vma.h"

/* The devices whose registers the program may have mapped. */
struct rec_devices {
	char (*bdf)[PCI_BDF_LEN];
	size_t n;
};

/* Adds one that is not there yet.  -1 when memory runs out. */
int rec_devices_add(struct rec_devices *devices, const char *bdf);

struct rec_backing {
	struct extents extents;
	uint64_t page_size;    /* of all of it, or 0: mixed, or not known */
	char bar[PCI_BDF_LEN]; /* the device whose BAR some of it is; or "" */
	unsigned bar_region;
	char why[256]; /* behind extents.unknown */
};

/* Looks at SIZE bytes at VADDR of PID, whose pagemap the descriptor PAGEMAP is
 * (or -1).  RET must be empty, or have been used before.  -1 when memory runs
 * out; what is not known is not a failure. */
int rec_memory_read(struct rec_backing *ret, pid_t pid, int pagemap, const struct rec_devices *devices,
	uint64_t vaddr, uint64_t size);
void rec_backing_free(struct rec_backing *backing);

struct rec_bar {
	const char *bdf; /* one of the devices */
	unsigned region;
	uint64_t address; /* guest-physical, of the area's first byte */
};

/* Which BAR an area of memory is, that is a mapping of a VFIO device's file. */
bool rec_bar_find(struct rec_bar *ret, const struct rec_devices *devices, const struct rec_vma *vma);

#endif
