/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges against the naive way: an array with a slot for each page. */
#include <glib.h>

#include "helpers.h"
#include "record/pieces.h"

#define PAGES 64

/* What one page of the model is. gpa is a page number. */
typedef struct {
	bool there, known, read, write;
	uint64_t gpa;
	uint32_t request;
} page;

/* The same operations at the bottom, in the middle and at the very top of the space. */
static const uint64_t bases[] = { 0, 0x7fffffff0000ull, 0ull - PAGES * 4096ull };

static viommu_iova_range
pages_range(uint64_t base, unsigned first, unsigned n)
{
	return (viommu_iova_range){ base + first * 4096ull, base + (first + n) * 4096ull - 1 };
}

static void
assert_same(const viommu_pieces *pieces, const page model[PAGES], uint64_t base)
{
	const viommu_piece *piece = viommu_pieces_from(pieces, base);
	size_t n = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t at = base + i * 4096ull;
		bool inside = piece && piece->iova.first <= at;

		g_assert_cmpint(inside, ==, model[i].there);
		if (!inside)
			continue;
		g_assert_cmphex(piece->iova.first % 4096, ==, 0);
		g_assert_cmphex(piece->iova.last % 4096, ==, 4095);
		g_assert_cmphex(piece->iova.last, >, piece->iova.first);
		g_assert_cmpint(piece->gpa_known, ==, model[i].known);
		if (piece->gpa_known)
			g_assert_cmphex(piece->gpa.v + (at - piece->iova.first), ==, model[i].gpa * 4096);
		g_assert_cmpuint(piece->request, ==, model[i].request);
		g_assert_cmpint(piece->read, ==, model[i].read);
		g_assert_cmpint(piece->write, ==, model[i].write);
		/* From anywhere inside, the same piece is found. */
		g_assert_true(viommu_pieces_from(pieces, at) == piece);
		g_assert_true(viommu_pieces_from(pieces, at + 4095) == piece);
		if (piece->iova.last == at + 4095) {
			n++;
			piece = piece->iova.last == UINT64_MAX
					? NULL
					: viommu_pieces_from(pieces, piece->iova.last + 1);
		}
	}
	g_assert_true(!piece);
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, n);
}

typedef struct {
	page *model; /* pages that were handed out are cleared here, and have to have been there */
	uint64_t base, last;
	bool any;
} cutting;

static void
on_cut(const viommu_piece *piece, void *user)
{
	cutting *c = user;

	g_assert_true(!c->any || piece->iova.first > c->last); /* in order */
	c->any = true;
	c->last = piece->iova.last;
	for (uint64_t at = piece->iova.first;; at += 4096) {
		page *p = &c->model[(at - c->base) / 4096];

		g_assert_true(p->there);
		g_assert_cmpint(p->known, ==, piece->gpa_known);
		if (piece->gpa_known)
			g_assert_cmphex(piece->gpa.v + (at - piece->iova.first), ==, p->gpa * 4096);
		g_assert_cmpuint(p->request, ==, piece->request);
		p->there = false;
		if (at + 4095 == piece->iova.last)
			return;
	}
}

static void
step(viommu_pieces *pieces, page model[PAGES], uint64_t base, GRand *rand, uint32_t request)
{
	unsigned first = (unsigned) unit_random(rand, PAGES);
	unsigned n = 1 + (unsigned) unit_random(rand, unit_random(rand, 4) ? 6 : PAGES);
	viommu_iova_range range;

	n = MIN(n, PAGES - first);
	range = pages_range(base, first, n);
	if (unit_random(rand, 3)) {
		/* Few requests and GPAs, so that neighbours often belong together. */
		viommu_piece piece = { .iova = range,
			.gpa_known = unit_random(rand, 5) != 0,
			.request = request % 3,
			.read = request % 3 != 1,
			.write = request % 3 != 0 };
		uint64_t gpa = unit_random(rand, 2) ? 1000 + first : unit_random(rand, 50);

		piece.gpa.v = gpa * 4096;
		viommu_pieces_put(pieces, &piece);
		for (unsigned i = 0; i < n; i++)
			model[first + i] = (page){ .there = true,
				.known = piece.gpa_known,
				.read = piece.read,
				.write = piece.write,
				.gpa = gpa + i,
				.request = piece.request };
	} else if (unit_random(rand, 4)) {
		cutting c = { .model = model, .base = base };

		viommu_pieces_cut(pieces, range, on_cut, &c);
		for (unsigned i = 0; i < n; i++)
			g_assert_false(model[first + i].there); /* all of it was handed out */
	} else {
		viommu_pieces_cut(pieces, range, NULL, NULL);
		for (unsigned i = 0; i < n; i++)
			model[first + i].there = false;
	}
}

static void
test_random(void)
{
	for (gsize b = 0; b < G_N_ELEMENTS(bases); b++)
		for (unsigned seed = 0; seed < 40; seed++) {
			g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
			viommu_pieces *pieces = viommu_pieces_new();
			page model[PAGES] = { 0 };

			for (uint32_t i = 0; i < 150; i++) {
				step(pieces, model, bases[b], rand, i);
				assert_same(pieces, model, bases[b]);
			}
			viommu_pieces_free(pieces);
		}
}

/* So many that they need several blocks, put and cut anywhere. */
static void
test_many(void)
{
	enum { N = 4096 };
	g_autofree uint32_t *model = g_new0(uint32_t, N + 1);
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	viommu_pieces *pieces = viommu_pieces_new();

	for (uint32_t turn = 1; turn <= 40000; turn++) {
		/* Mostly single pages; now and then a part of all, so that blocks come and go. */
		unsigned first = (unsigned) unit_random(rand, N), n = 1 + (unsigned) unit_random(rand, turn % 500 ? 3 : N - first);
		viommu_piece piece = { .request = turn };
		bool put = turn % 500 && unit_random(rand, 4);

		n = MIN(n, N - first);
		piece.iova = pages_range(0, first, n);
		if (put)
			viommu_pieces_put(pieces, &piece);
		else
			viommu_pieces_cut(pieces, piece.iova, NULL, NULL);
		for (unsigned i = 0; i < n; i++)
			model[first + i] = put ? turn : 0;
		if (turn % 100 == 0) {
			const viommu_piece *at = NULL;
			size_t count = 0;

			for (unsigned i = 0; i < N; i++) {
				at = viommu_pieces_from(pieces, (uint64_t) i * 4096);
				if (model[i])
					g_assert_cmpuint(at->request, ==, model[i]);
				g_assert_true(!at || at->iova.last >= (uint64_t) i * 4096);
				g_assert_cmpint(at && at->iova.first <= (uint64_t) i * 4096, ==, model[i] != 0);
				count += model[i] && model[i] != model[i + 1];
			}
			g_assert_cmpuint(viommu_pieces_count(pieces), ==, count);
		}
	}
	viommu_pieces_free(pieces);
}

/* The stretches of one request become one piece, others stay apart. */
static void
test_joined(void)
{
	viommu_pieces *pieces = viommu_pieces_new();
	viommu_piece piece = { .gpa_known = true, .read = true, .request = 1 };

	for (unsigned i = 0; i < 10; i++) {
		piece.iova = pages_range(0, i, 1);
		piece.gpa.v = 0x100000 + i * 4096;
		viommu_pieces_put(pieces, &piece);
	}
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, 1);
	piece.iova = pages_range(0, 10, 1);
	piece.gpa.v = 0x900000;
	viommu_pieces_put(pieces, &piece); /* elsewhere */
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, 2);
	piece.iova = pages_range(0, 11, 1);
	piece.gpa.v += 4096;
	piece.request = 2;
	viommu_pieces_put(pieces, &piece); /* another request */
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, 3);
	piece.iova = pages_range(0, 12, 1);
	piece.gpa_known = false;
	viommu_pieces_put(pieces, &piece);
	piece.iova = pages_range(0, 13, 1);
	viommu_pieces_put(pieces, &piece); /* not known either, whatever gpa says */
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, 4);
	viommu_pieces_free(pieces);
}

static void
test_whole_space(void)
{
	viommu_pieces *pieces = viommu_pieces_new();
	viommu_piece piece = { .iova = { 0, UINT64_MAX }, .gpa_known = true };

	viommu_pieces_put(pieces, &piece);
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, 1);
	viommu_pieces_put(pieces, &piece);
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, 1);
	viommu_pieces_cut(pieces, (viommu_iova_range){ 0x1000, UINT64_MAX - 0x1000 }, NULL, NULL);
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, 2);
	g_assert_cmphex(viommu_pieces_from(pieces, 0x1000)->iova.first, ==, UINT64_MAX - 0xfff);
	g_assert_cmphex(viommu_pieces_from(pieces, 0x1000)->gpa.v, ==, UINT64_MAX - 0xfff);
	viommu_pieces_cut(pieces, (viommu_iova_range){ 0, UINT64_MAX }, NULL, NULL);
	g_assert_cmpuint(viommu_pieces_count(pieces), ==, 0);
	g_assert_null(viommu_pieces_from(pieces, 0));
	viommu_pieces_free(pieces);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pieces/random", test_random);
	g_test_add_func("/pieces/many", test_many);
	g_test_add_func("/pieces/joined", test_joined);
	g_test_add_func("/pieces/whole-space", test_whole_space);
	return g_test_run();
}
