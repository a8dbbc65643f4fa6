/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_VFIO_INFO_H
#define PROBE_VFIO_INFO_H

#include <stddef.h>

#include "map/vfio.h"

/* Fills ranges, page_sizes and available from VFIO_IOMMU_GET_INFO.  A kernel
 * older than 5.4 does not tell the ranges: then they are a cautious guess, and
 * ranges.from_kernel is false. */
void vfio_read_info(struct vfio *vfio);
/* The same from the ioctl's answer, SIZE bytes at INFO; pure. */
void vfio_parse_info(struct vfio *vfio, const void *info, size_t size);

#endif
