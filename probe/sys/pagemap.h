/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_PAGEMAP_H
#define PROBE_PAGEMAP_H

#include "sys/extents.h"

/* Reads which guest-physical pages are behind SIZE bytes of our memory at
 * ADDR (page aligned) into the empty EXTENTS.  A pagemap that cannot be read
 * is not a failure: the extents then say why they stop.  -1 when memory runs
 * out. */
int pagemap_read(const void *addr, uint64_t size, struct extents *extents);

/* The same for the memory at ADDR of the process whose pagemap FD is. */
int pagemap_read_fd(int fd, uint64_t addr, uint64_t size, struct extents *extents);

#endif
