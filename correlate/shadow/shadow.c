/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <viommu/shadow.h>

#include "text/text.h"

viommu_shadow *
viommu_shadow_new(const char *name, viommu_sid device, const char *host)
{
	viommu_shadow *self = g_new0(viommu_shadow, 1);

	self->name = viommu_escape(name);
	self->device = device;
	self->host = viommu_escape(host);
	self->pieces = g_array_new(FALSE, FALSE, sizeof(viommu_shadow_piece));
	self->maybe = g_array_new(FALSE, FALSE, sizeof(viommu_iova_range));
	self->notes = g_string_chunk_new(256);
	return self;
}

void
viommu_shadow_free(viommu_shadow *self)
{
	if (!self)
		return;
	g_array_unref(self->pieces);
	g_array_unref(self->maybe);
	g_string_chunk_free(self->notes);
	g_free(self->name);
	g_free(self->host);
	g_free(self);
}

void
viommu_shadow_set_apart(viommu_shadow *self)
{
	if (!self->now)
		self->apart = "what the host's IOMMU was seen to map is of an earlier moment than L1's tables, which are those of now; what "
			      "was done in between is not known";
}

static bool
continues(const viommu_shadow_piece *a, const viommu_shadow_piece *b)
{
	return a->iova.last + 1 == b->iova.first && a->unknown == b->unknown && a->hpa_known == b->hpa_known &&
		a->prot_known == b->prot_known && a->read == b->read && a->write == b->write &&
		(!a->hpa_known || b->hpa.v - a->hpa.v == b->iova.first - a->iova.first);
}

bool
viommu_shadow_add(viommu_shadow *self, const viommu_shadow_piece *piece)
{
	viommu_shadow_piece *before =
		self->pieces->len ? &g_array_index(self->pieces, viommu_shadow_piece, self->pieces->len - 1) : NULL;

	if (piece->iova.last < piece->iova.first || (piece->iova.first | (piece->iova.last + 1)) & ~VIOMMU_PAGE_MASK ||
		(before && piece->iova.first <= before->iova.last))
		return false;
	if (before && continues(before, piece))
		before->iova.last = piece->iova.last;
	else
		g_array_append_vals(self->pieces, piece, 1);
	return true;
}

const viommu_shadow_piece *
viommu_shadow_from(const viommu_shadow *self, uint64_t iova)
{
	guint low = 0, high = self->pieces->len;

	while (low < high) {
		guint mid = low + (high - low) / 2;

		if (g_array_index(self->pieces, viommu_shadow_piece, mid).iova.last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low < self->pieces->len ? &g_array_index(self->pieces, viommu_shadow_piece, low) : NULL;
}
