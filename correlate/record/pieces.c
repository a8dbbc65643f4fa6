/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pieces lie in blocks, ascending; the blocks in an array.  A record mostly appends, and
 * what reads pieces goes upwards: the place of the last search is where the next begins.
 */
#include <string.h>

#include "record/pieces.h"

#define BLOCK 256 /* pieces: 10 KiB */

typedef struct {
	guint n; /* never 0 */
	viommu_piece piece[BLOCK];
} block;

/* Of a piece; or, behind all of them, the number of blocks and 0. */
typedef struct {
	guint block, at;
} place;

struct viommu_pieces {
	GPtrArray *blocks;
	size_t n;
	place last; /* of the last search: maybe out of date */
};

viommu_pieces *
viommu_pieces_new(void)
{
	viommu_pieces *self = g_new0(viommu_pieces, 1);

	self->blocks = g_ptr_array_new_with_free_func(g_free);
	return self;
}

viommu_pieces *
viommu_pieces_copy(const viommu_pieces *self)
{
	viommu_pieces *ret = viommu_pieces_new();

	for (guint i = 0; i < self->blocks->len; i++)
		g_ptr_array_add(ret->blocks, g_memdup2(g_ptr_array_index(self->blocks, i), sizeof(block)));
	ret->n = self->n;
	return ret;
}

void
viommu_pieces_free(viommu_pieces *self)
{
	if (!self)
		return;
	g_ptr_array_unref(self->blocks);
	g_free(self);
}

static block *
block_at(const viommu_pieces *self, guint i)
{
	return g_ptr_array_index(self->blocks, i);
}

static viommu_piece *
piece_at(const viommu_pieces *self, place at)
{
	return at.block < self->blocks->len ? &block_at(self, at.block)->piece[at.at] : NULL;
}

static place
next_place(const viommu_pieces *self, place at)
{
	if (at.at + 1 < block_at(self, at.block)->n)
		return (place){ at.block, at.at + 1 };
	return (place){ at.block + 1, 0 };
}

/* Is what search() would find here, or in the place behind?  Then at is that place. */
static bool
is_here(const viommu_pieces *self, uint64_t iova, place *at)
{
	for (unsigned tries = 0; tries < 2; tries++) {
		const viommu_piece *piece;

		if (at->block >= self->blocks->len)
			return false;
		if (at->at >= block_at(self, at->block)->n)
			return false;
		piece = piece_at(self, *at);
		if (piece->iova.last >= iova)
			return tries > 0 || piece->iova.first <= iova;
		*at = next_place(self, *at);
	}
	return false;
}

/* Of the first piece that ends at iova or above; the end, if there is none. */
static place
search(const viommu_pieces *self, uint64_t iova)
{
	guint low = 0, high = self->blocks->len, begin;

	while (low < high) {
		guint mid = low + (high - low) / 2;
		const block *b = block_at(self, mid);

		if (b->piece[b->n - 1].iova.last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	begin = low;
	if (begin == self->blocks->len)
		return (place){ begin, 0 };
	low = 0;
	high = block_at(self, begin)->n;
	while (low < high) {
		guint mid = low + (high - low) / 2;

		if (block_at(self, begin)->piece[mid].iova.last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return (place){ begin, low };
}

/* NULL: there is none. */
static const viommu_piece *
highest(const viommu_pieces *self)
{
	const block *b = self->blocks->len ? block_at(self, self->blocks->len - 1) : NULL;

	return b ? &b->piece[b->n - 1] : NULL;
}

static place
find(const viommu_pieces *self, uint64_t iova)
{
	place ret = self->last;
	const viommu_piece *top = highest(self);

	if (!top || top->iova.last < iova)
		return (place){ self->blocks->len, 0 };
	if (!is_here(self, iova, &ret))
		ret = search(self, iova);
	((viommu_pieces *) self)->last = ret;
	return ret;
}

static block *
add_block(viommu_pieces *self, guint at)
{
	block *ret = g_new(block, 1);

	ret->n = 0;
	g_ptr_array_insert(self->blocks, (gint) at, ret);
	return ret;
}

/* In front of what is there. */
static void
insert(viommu_pieces *self, place at, const viommu_piece *piece)
{
	block *b;

	if (at.at == 0 && at.block > 0 && block_at(self, at.block - 1)->n < BLOCK) {
		at.block--; /* behind the last of the block before */
		at.at = block_at(self, at.block)->n;
	} else if (at.block == self->blocks->len) {
		add_block(self, at.block);
	} else if (block_at(self, at.block)->n == BLOCK) {
		block *full = block_at(self, at.block), *half = add_block(self, at.block + 1);

		half->n = BLOCK / 2;
		full->n = BLOCK - half->n;
		memcpy(half->piece, full->piece + full->n, half->n * sizeof(*half->piece));
		if (at.at > full->n) {
			at.at -= full->n;
			at.block++;
		}
	}
	b = block_at(self, at.block);
	memmove(b->piece + at.at + 1, b->piece + at.at, (b->n - at.at) * sizeof(*b->piece));
	b->piece[at.at] = *piece;
	b->n++;
	self->n++;
	self->last = at;
}

static void
take_out(viommu_pieces *self, place at)
{
	block *b = block_at(self, at.block), *next;

	b->n--;
	self->n--;
	memmove(b->piece + at.at, b->piece + at.at + 1, (b->n - at.at) * sizeof(*b->piece));
	if (b->n == 0) {
		g_ptr_array_remove_index(self->blocks, at.block);
		return;
	}
	next = at.block + 1 < self->blocks->len ? block_at(self, at.block + 1) : NULL;
	if (!next || b->n + next->n > BLOCK / 2)
		return;
	memcpy(b->piece + b->n, next->piece, next->n * sizeof(*next->piece));
	b->n += next->n;
	g_ptr_array_remove_index(self->blocks, at.block + 1);
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
	for (;;) {
		place at = find(self, range.first);
		viommu_piece *hit = piece_at(self, at), old, gone;

		if (!hit || hit->iova.first > range.last)
			return;
		old = *hit;
		gone = part(&old, MAX(old.iova.first, range.first), MIN(old.iova.last, range.last));
		if (old.iova.first < gone.iova.first)
			hit->iova.last = gone.iova.first - 1;
		if (old.iova.last > gone.iova.last) {
			viommu_piece after = part(&old, gone.iova.last + 1, old.iova.last);

			if (old.iova.first < gone.iova.first)
				insert(self, next_place(self, at), &after);
			else
				*hit = after;
		} else if (old.iova.first == gone.iova.first) {
			take_out(self, at);
		}
		if (cut)
			cut(&gone, user);
		if (gone.iova.last == range.last)
			return;
		range.first = gone.iova.last + 1;
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
	viommu_piece *before;
	const viommu_piece *top = highest(self);

	/* Most records go upwards. */
	if (!top || top->iova.last < piece->iova.first) {
		if (top && continues(top, piece))
			((viommu_piece *) top)->iova.last = piece->iova.last;
		else
			insert(self, (place){ self->blocks->len, 0 }, piece);
		return;
	}
	viommu_pieces_cut(self, piece->iova, NULL, NULL);
	before = piece->iova.first > 0 ? piece_at(self, find(self, piece->iova.first - 1)) : NULL;
	if (before && continues(before, piece))
		before->iova.last = piece->iova.last;
	else
		insert(self, find(self, piece->iova.first), piece);
}

const viommu_piece *
viommu_pieces_from(const viommu_pieces *self, uint64_t iova)
{
	return piece_at(self, find(self, iova));
}

size_t
viommu_pieces_count(const viommu_pieces *self)
{
	return self->n;
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
