/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mappings of an address space that are there now, in IOVA order.  Pure. */
#ifndef PROBE_LIVE_H
#define PROBE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "viommu/addr.h"

struct live_mapping {
	viommu_iova_range iova;
	uint64_t vaddr; /* in the process `pid`, or 0 */
	pid_t pid;
};

struct live {
	struct live_mapping *mapping;
	size_t n, capacity;
};

/* The first that ends at IOVA or after it, or n. */
size_t live_find(const struct live *live, uint64_t iova);
bool live_overlaps(const struct live *live, viommu_iova_range range);
/* Adds one, in the place of what it overlaps.  -1 when memory runs out. */
int live_add(struct live *live, const struct live_mapping *mapping);
/* Takes away what lies in RANGE; of a mapping that crosses an end, the part
 * within.  -1 when memory runs out. */
int live_cut(struct live *live, viommu_iova_range range);
void live_free(struct live *live);

/* The run of mappings without a gap that begins at index AT; the index after it. */
size_t live_run(const struct live *live, size_t at, viommu_iova_range *ret);

#endif
