/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IOVAs that the kernel lets a container use, in rising order. */
#ifndef PROBE_RANGES_H
#define PROBE_RANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "viommu/addr.h"

/* The kernel gives a handful; one more than this would be a strange machine,
 * and the rest is left unused then. */
#define IOVA_RANGES_MAX 64

struct iova_ranges {
	viommu_iova_range range[IOVA_RANGES_MAX];
	size_t n;
	bool from_kernel; /* false: our guess for a kernel that does not tell */
};

/* Adds a range, cut to whole pages; drops what is empty or backwards. */
void iova_ranges_add(struct iova_ranges *ranges, uint64_t first, uint64_t last);
/* Whether [iova, iova + size - 1] lies in one of the ranges. */
bool iova_ranges_hold(const struct iova_ranges *ranges, uint64_t iova, uint64_t size);

#endif
