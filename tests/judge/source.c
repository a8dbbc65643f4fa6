/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "source.h"

#include <string.h>

typedef struct {
	viommu_memory base;
	guest *guest;
	bool device;
} source;

static gboolean
read_pages(viommu_memory *base, viommu_page_read *reads, size_t n, GError **error)
{
	source *self = (source *) base;

	(void) error;
	for (size_t i = 0; i < n; i++) {
		reads[i].data = guest_ram(self->guest, reads[i].gpa.v, VIOMMU_PAGE_SIZE);
		reads[i].status = reads[i].data ? VIOMMU_PAGE_OK : VIOMMU_PAGE_NOT_RAM;
		self->device |= guest_is_device(reads[i].gpa.v) || reads[i].gpa.v >> 20 == 0xfee;
	}
	return TRUE;
}

static void
source_free(viommu_memory *base)
{
	g_free(base);
}

viommu_memory *
source_new(guest *g)
{
	static const viommu_memory_ops ops = { "the guest's RAM", read_pages, source_free };
	source *self = g_new0(source, 1);

	self->base.ops = &ops;
	self->guest = g;
	return &self->base;
}

bool
source_met_device(viommu_memory *base)
{
	source *self = (source *) base;
	bool met = self->device;

	self->device = false;
	return met;
}
