/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of errno values, and hints about them. */
#ifndef PROBE_ERRNO_TEXT_H
#define PROBE_ERRNO_TEXT_H

/* "ENOSPC"; "errno 4711" for one that has no name here.  The result is
 * constant or in a buffer that the next call overwrites. */
const char *errno_name(int err);

/* "ENOSPC", "28", "-28" or "No space left on device": the number, or 0. */
int errno_parse(const char *text);

/* What ERR means when VFIO_IOMMU_MAP_DMA returns it, and what to do. */
const char *errno_map_dma_hint(int err);
/* The same for IOMMU_IOAS_MAP. */
const char *errno_ioas_map_hint(int err);

#endif
