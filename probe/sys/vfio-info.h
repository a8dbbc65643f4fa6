/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VFIO container says of itself. */
#ifndef PROBE_VFIO_INFO_H
#define PROBE_VFIO_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "sys/ranges.h"

struct vfio_info {
	struct iova_ranges ranges;
	uint64_t page_sizes; /* bitmap of the sizes type1 maps */
	int64_t available;   /* mappings the container still takes, or -1 */
};

/* Fills RET from VFIO_IOMMU_GET_INFO of the file CONTAINER; what the kernel does not
 * say stays.  A kernel older than 5.4 does not tell the ranges: then they are a
 * cautious guess, and ranges.from_kernel is false. */
void vfio_read_info(struct vfio_info *ret, int container);
/* The same from the ioctl's answer, SIZE bytes at INFO; pure. */
void vfio_parse_info(struct vfio_info *ret, const void *info, size_t size);

#endif
