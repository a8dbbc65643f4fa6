/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/ranges.h"

void
iova_ranges_add(struct iova_ranges *ranges, uint64_t first, uint64_t last)
{
	const uint64_t low = VIOMMU_PAGE_SIZE - 1;

	if (first > UINT64_MAX - low)
		return;
	first = (first + low) & VIOMMU_PAGE_MASK;
	if ((last & low) != low) {
		if (last < low)
			return;
		last = (last & VIOMMU_PAGE_MASK) - 1;
	}
	if (first > last || ranges->n == IOVA_RANGES_MAX)
		return;
	ranges->range[ranges->n++] = (viommu_iova_range){ first, last };
}

bool
iova_ranges_hold(const struct iova_ranges *ranges, uint64_t iova, uint64_t size)
{
	if (!viommu_range_ok(iova, size))
		return false;
	for (size_t i = 0; i < ranges->n; i++) {
		if (iova >= ranges->range[i].first && iova + (size - 1) <= ranges->range[i].last)
			return true;
	}
	return false;
}
