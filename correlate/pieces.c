/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pieces.h"

/* Keyed by the last address, so that the lower bound of an address is the first
 * piece that can contain it. */
struct viommu_pieces {
	GTree *tree; /* viommu_piece, key = the piece itself */
};

static int
cmp_last(const void *a, const void *b, G_GNUC_UNUSED void *user)
{
	const viommu_piece *x = a, *y = b;

	return x->iova.last < y->iova.last ? -1 : x->iova.last > y->iova.last;
}

viommu_pieces *
viommu_pieces_new(void)
{
	viommu_pieces *self = g_new0(viommu_pieces, 1);

	self->tree = g_tree_new_full(cmp_last, NULL, g_free, NULL);
	return self;
}

void
viommu_pieces_free(viommu_pieces *self)
{
	if (!self)
		return;
	g_tree_unref(self->tree);
	g_free(self);
}

static viommu_piece *
find(const viommu_pieces *self, uint64_t iova)
{
	viommu_piece key = { .iova = { .last = iova } };
	GTreeNode *node = g_tree_lower_bound(self->tree, &key);

	return node ? g_tree_node_key(node) : NULL;
}

static void
insert(viommu_pieces *self, const viommu_piece *piece)
{
	viommu_piece *copy = g_memdup2(piece, sizeof(*piece));

	g_tree_insert(self->tree, copy, copy);
}

/* The part of a piece inside of range. */
static viommu_piece
part(const viommu_piece *piece, uint64_t first, uint64_t last)
{
	viommu_piece ret = *piece;

	ret.gpa.v += first - piece->iova.first;
	ret.iova = (viommu_iova_range){ first, last };
	return ret;
}

void
viommu_pieces_cut(viommu_pieces *self, viommu_iova_range range, viommu_piece_visitor cut, void *user)
{
	viommu_piece *hit;

	while ((hit = find(self, range.first)) && hit->iova.first <= range.last) {
		viommu_piece old = *hit;
		uint64_t first = MAX(old.iova.first, range.first), last = MIN(old.iova.last, range.last);
		viommu_piece gone = part(&old, first, last);

		g_tree_remove(self->tree, hit);
		if (old.iova.first < first) {
			viommu_piece before = part(&old, old.iova.first, first - 1);
			insert(self, &before);
		}
		if (old.iova.last > last) {
			viommu_piece after = part(&old, last + 1, old.iova.last);
			insert(self, &after);
		}
		if (cut)
			cut(&gone, user);
		if (last == range.last)
			break;
		range.first = last + 1;
	}
}

static bool
continues(const viommu_piece *a, const viommu_piece *b)
{
	return a->iova.last + 1 == b->iova.first && a->request == b->request && a->since_ns == b->since_ns &&
		a->gpa_known == b->gpa_known &&
		(!a->gpa_known || b->gpa.v - a->gpa.v == b->iova.first - a->iova.first);
}

void
viommu_pieces_put(viommu_pieces *self, const viommu_piece *piece)
{
	viommu_piece joined = *piece;
	viommu_piece *before;

	viommu_pieces_cut(self, piece->iova, NULL, NULL);
	before = piece->iova.first > 0 ? find(self, piece->iova.first - 1) : NULL;
	if (before && before->iova.last == piece->iova.first - 1 && continues(before, piece)) {
		joined = *before;
		joined.iova.last = piece->iova.last;
		g_tree_remove(self->tree, before);
	}
	insert(self, &joined);
}

const viommu_piece *
viommu_pieces_from(const viommu_pieces *self, uint64_t iova)
{
	return find(self, iova);
}

size_t
viommu_pieces_count(const viommu_pieces *self)
{
	return (size_t) g_tree_nnodes(self->tree);
}

guint
viommu_range_hash(gconstpointer key)
{
	const viommu_iova_range *range = key;
	uint64_t mixed = (range->first >> 12) * UINT64_C(0x9e3779b97f4a7c15) + range->last;

	return (guint) (mixed >> 32 ^ mixed);
}

gboolean
viommu_range_equal(gconstpointer a, gconstpointer b)
{
	const viommu_iova_range *x = a, *y = b;

	return x->first == y->first && x->last == y->last;
}
