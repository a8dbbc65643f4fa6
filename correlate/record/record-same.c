/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/record-same.h"

#include "record/pieces.h"

/* So many spaces that may be meant are gone through for each page; of more, nothing is known. */
#define UNKNOWN_LIMIT 64

typedef struct {
	const viommu_space *earlier, *later; /* earlier: NULL if it was not there */
} pair;

struct viommu_readings {
	GHashTable *earlier, *later; /* id -> viommu_space */
	GArray *unknown; /* of pair: spaces with no known devices in which something was done meanwhile */
};

static GHashTable *
spaces_by_id(const viommu_record *record)
{
	GHashTable *ret = g_hash_table_new(g_int64_hash, g_int64_equal);

	for (guint i = 0; i < record->spaces->len; i++) {
		const viommu_space *space = g_ptr_array_index(record->spaces, i);

		g_hash_table_insert(ret, (gpointer) &space->id, (gpointer) space);
	}
	return ret;
}

viommu_readings *
viommu_readings_new(const viommu_record *earlier, const viommu_record *later)
{
	viommu_readings *self = g_new0(viommu_readings, 1);

	self->earlier = spaces_by_id(earlier);
	self->later = spaces_by_id(later);
	self->unknown = g_array_new(FALSE, FALSE, sizeof(pair));
	for (guint i = 0; i < later->spaces->len; i++) {
		const viommu_space *space = g_ptr_array_index(later->spaces, i);
		pair new = { g_hash_table_lookup(self->earlier, &space->id), space };

		if ((!space->attached || (new.earlier && !new.earlier->attached)) && space->changed_seq != (new.earlier ? new.earlier->changed_seq : 0))
			g_array_append_val(self->unknown, new);
	}
	return self;
}

void
viommu_readings_free(viommu_readings *self)
{
	if (!self)
		return;
	g_hash_table_unref(self->earlier);
	g_hash_table_unref(self->later);
	g_array_unref(self->unknown);
	g_free(self);
}

bool
viommu_readings_same_devices(const viommu_readings *self, int64_t space)
{
	const viommu_space *earlier = g_hash_table_lookup(self->earlier, &space), *later = g_hash_table_lookup(self->later, &space);

	return earlier && later && earlier->devices_seq == later->devices_seq;
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

/* earlier may be NULL. */
static bool
same_space(const viommu_space *earlier, const viommu_space *later, uint64_t first, uint64_t *last)
{
	const viommu_piece *live_now = at(later->live, first, last), *gone_now = at(later->gone, first, last);
	const viommu_piece *tried_now = at(later->tried, first, last);
	const viommu_piece *live = NULL, *gone = NULL, *tried = NULL;

	if (earlier) {
		live = at(earlier->live, first, last);
		gone = at(earlier->gone, first, last);
		tried = at(earlier->tried, first, last);
	}
	/* A map that failed may have been done in part for a while; of how many is not known. */
	return same_piece(live, live_now) && same_piece(gone, gone_now) && !tried == !tried_now &&
		(!tried || earlier->failed == later->failed);
}

bool
viommu_readings_same(const viommu_readings *self, int64_t space, uint64_t first, uint64_t *last)
{
	const viommu_space *earlier = g_hash_table_lookup(self->earlier, &space), *later = g_hash_table_lookup(self->later, &space);

	if (!earlier || !later || self->unknown->len > UNKNOWN_LIMIT)
		return false;
	if (earlier->changed_seq != later->changed_seq && !same_space(earlier, later, first, last))
		return false;
	for (guint i = 0; i < self->unknown->len; i++) {
		const pair *p = &g_array_index(self->unknown, pair, i);

		if (!same_space(p->earlier, p->later, first, last))
			return false;
	}
	return true;
}
