/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/record-same.h"

#include "record/pieces.h"

const viommu_space *
viommu_record_space(const viommu_record *self, int64_t id)
{
	for (guint i = 0; i < self->spaces->len; i++) {
		const viommu_space *space = g_ptr_array_index(self->spaces, i);

		if (space->id == id)
			return space;
	}
	return NULL;
}

/* The piece that first lies in, or NULL; *last as far as that goes. */
static const viommu_piece *
at(const viommu_pieces *pieces, uint64_t first, uint64_t *last)
{
	const viommu_piece *piece = viommu_pieces_from(pieces, first);

	if (!piece)
		return NULL;
	if (piece->iova.first <= first) {
		*last = MIN(*last, piece->iova.last);
		return piece;
	}
	*last = MIN(*last, piece->iova.first - 1);
	return NULL;
}

static bool
same_piece(const viommu_piece *a, const viommu_piece *b)
{
	if (!a || !b)
		return !a && !b;
	return a->request == b->request && a->since_ns == b->since_ns && a->gpa_known == b->gpa_known &&
		(!a->gpa_known || a->gpa.v - a->iova.first == b->gpa.v - b->iova.first);
}

bool
viommu_space_same(const viommu_space *a, const viommu_space *b, uint64_t first, uint64_t *last)
{
	const viommu_piece *live_a = at(a->live, first, last), *live_b = at(b->live, first, last);
	const viommu_piece *gone_a = at(a->gone, first, last), *gone_b = at(b->gone, first, last);

	return same_piece(live_a, live_b) && same_piece(gone_a, gone_b);
}
