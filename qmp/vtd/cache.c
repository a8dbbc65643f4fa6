/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bus has 256 devices, and the search for each begins at the root table: without
 * this, the same two pages are read 256 times, through a monitor at a millisecond each.
 */
#include "cache.h"

static void
answer(viommu_page_read *read, const viommu_page_read *known)
{
	read->data = known->data;
	read->status = known->status;
}

static gboolean
read_pages(viommu_memory *memory, viommu_page_read *reads, size_t n, GError **error)
{
	vtd_cache *self = (vtd_cache *) memory;
	viommu_page_read *slot;

	if (n != 1)
		return viommu_memory_read_pages(self->inner, reads, n, error);
	for (unsigned i = 0; i < self->n; i++)
		if (self->slots[i].read.gpa.v == reads[0].gpa.v) {
			answer(&reads[0], &self->slots[i].read);
			return TRUE;
		}
	slot = &self->slots[self->next].read;
	*slot = (viommu_page_read){ .gpa = reads[0].gpa, .buffer = self->slots[self->next].page };
	if (!viommu_memory_read_pages(self->inner, slot, 1, error)) {
		self->n = self->next = 0;
		return FALSE;
	}
	answer(&reads[0], slot);
	self->next = (self->next + 1) % VTD_CACHE_PAGES;
	self->n = MAX(self->n, self->next ? self->next : VTD_CACHE_PAGES);
	return TRUE;
}

static void
nothing_to_free(G_GNUC_UNUSED viommu_memory *memory)
{
}

static const viommu_memory_ops ops = { .name = "the last pages", .read_pages = read_pages, .free = nothing_to_free };

void
vtd_cache_init(vtd_cache *ret, viommu_memory *inner)
{
	ret->base.ops = &ops;
	ret->inner = inner;
	ret->n = ret->next = 0;
}
