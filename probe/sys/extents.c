/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/extents.h"

#include <stdlib.h>

const char extents_not_present[] = "page not present in /proc/self/pagemap";

int
extents_add_run(struct extents *extents, uint64_t gpa, uint64_t size)
{
	struct extent *last = extents->n ? &extents->extent[extents->n - 1] : NULL;

	extents->size += size;
	if (last != NULL && gpa - last->gpa.v == last->size) {
		last->size += size;
		return 0;
	}
	if (extents->n == extents->capacity) {
		size_t capacity = extents->capacity ? extents->capacity * 2 : 16;
		struct extent *grown = reallocarray(extents->extent, capacity, sizeof *grown);

		if (grown == NULL)
			return -1;
		extents->extent = grown;
		extents->capacity = capacity;
	}
	extents->extent[extents->n++] = (struct extent){ { gpa }, size };
	return 0;
}

int
extents_add(struct extents *extents, const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n && extents->unknown == NULL; i++) {
		const uint64_t pfn = words[i] & PAGEMAP_PFN_MASK;

		if (!(words[i] & PAGEMAP_PRESENT)) {
			extents_stop(extents, extents_not_present);
		} else if (pfn == 0) {
			/* Since Linux 4.2 the kernel shows zeros to the unprivileged.
			 * Page frame 0 itself is never a program's memory on x86. */
			extents_stop(
				extents, "the kernel hides page frame numbers: CAP_SYS_ADMIN is missing");
		} else if (pfn > UINT64_MAX >> VIOMMU_PAGE_SHIFT) {
			extents_stop(extents, "page frame number out of range in /proc/self/pagemap");
		} else if (extents_add_run(extents, pfn << VIOMMU_PAGE_SHIFT, VIOMMU_PAGE_SIZE) < 0) {
			return -1;
		}
	}
	return 0;
}

void
extents_stop(struct extents *extents, const char *reason)
{
	if (extents->unknown == NULL)
		extents->unknown = reason;
}

void
extents_clear(struct extents *extents)
{
	extents->n = 0;
	extents->size = 0;
	extents->unknown = NULL;
}

void
extents_free(struct extents *extents)
{
	free(extents->extent);
	*extents = (struct extents){ 0 };
}

uint64_t
extents_difference(const struct extents *a, const struct extents *b)
{
	size_t ia = 0, ib = 0;
	uint64_t offset_a = 0, offset_b = 0, pages = 0;

	while (ia < a->n && ib < b->n) {
		const struct extent *ea = &a->extent[ia], *eb = &b->extent[ib];
		const uint64_t left_a = ea->size - offset_a, left_b = eb->size - offset_b;
		const uint64_t step = left_a < left_b ? left_a : left_b;

		if (ea->gpa.v + offset_a != eb->gpa.v + offset_b)
			pages += step >> VIOMMU_PAGE_SHIFT;
		offset_a += step;
		offset_b += step;
		if (offset_a == ea->size) {
			ia++;
			offset_a = 0;
		}
		if (offset_b == eb->size) {
			ib++;
			offset_b = 0;
		}
	}
	return pages;
}
