/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages that one search after the other goes through: root, context, PASID. */
#ifndef VIOMMU_VTD_CACHE_H
#define VIOMMU_VTD_CACHE_H

#include <viommu/memory.h>

#define VTD_CACHE_PAGES 4

/* A source before another; on the caller's stack. */
typedef struct {
	viommu_memory base;
	viommu_memory *inner;
	unsigned n, next;
	struct {
		viommu_page_read read;
		uint8_t page[VIOMMU_PAGE_SIZE];
	} slots[VTD_CACHE_PAGES];
} vtd_cache;

void vtd_cache_init(vtd_cache *ret, viommu_memory *inner);

#endif
