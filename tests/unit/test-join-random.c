/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random records against random tables, judged page by page by a model that knows
 * neither ranges nor tables. */
#include <string.h>

#include "helpers.h"
#include "scene.h"

#define PAGES 600 /* more than are in one block of pieces */

/* What L1 last did with a page, and what the table has for it. */
typedef struct {
	bool live, gone, known, read, write;
	uint64_t gpa; /* page numbers */
	bool has, has_read, has_write, reserved;
	uint64_t has_gpa;
} page;

typedef struct {
	scene *s;
	uint64_t base;
	bool complete;
	page pages[PAGES];
} model;

static uint64_t
iova_of(const model *m, unsigned i)
{
	return m->base + i * 4096ull;
}

static void
ask(model *m, GRand *rand, unsigned first, unsigned n)
{
	static const char *const prots[] = { "r", "w", "rw", "rw", "rw" };
	const char *prot = prots[unit_random(rand, G_N_ELEMENTS(prots))];
	g_autoptr(GString) extents = g_string_new(NULL);
	/* Extents of one to four pages, after which the GPAs may be unknown. */
	unsigned known = unit_random(rand, 5) ? n : (unsigned) unit_random(rand, n + 1);

	for (unsigned i = 0; i < n;) {
		uint64_t gpa = 0x1000 + unit_random(rand, 64);
		unsigned length = 1 + (unsigned) unit_random(rand, 4);

		length = MIN(length, (i < known ? known : n) - i);
		if (i < known)
			g_string_append_printf(extents,
				"%s{\"gpa\":\"0x%" G_GINT64_MODIFIER "x\",\"size\":\"0x%x\"}", i ? "," : "",
				gpa << 12, length << 12);
		for (unsigned k = 0; k < length; k++, i++) {
			page *p = &m->pages[first + i];

			p->live = true;
			p->gone = false;
			p->known = i < known;
			p->gpa = gpa + k;
			p->read = strchr(prot, 'r');
			p->write = strchr(prot, 'w');
		}
	}
	record_event(m->s->text, "map",
		"\"space\":1,\"iova\":\"0x%" G_GINT64_MODIFIER
		"x\",\"size\":\"0x%x\",\"prot\":\"%s\",\"extents\":[%s]%s",
		iova_of(m, first), n << 12, prot, extents->str, known < n ? ",\"gpa_unknown\":\"why\"" : "");
}

static void
unmap(model *m, unsigned first, unsigned n)
{
	record_unmap(m->s->text, 1, iova_of(m, first), (uint64_t) n << 12);
	for (unsigned i = first; i < first + n; i++)
		if (m->pages[i].live) {
			m->pages[i].live = false;
			m->pages[i].gone = true;
		}
}

/* The table as it should be, and then some pages of it otherwise. */
static void
fill_table(model *m, GRand *rand)
{
	for (unsigned i = 0; i < PAGES; i++) {
		page *p = &m->pages[i];
		uint64_t bits;

		p->has = p->live && unit_random(rand, 12);
		p->has_gpa =
			p->live && p->known ? p->gpa : 0x2000 + i; /* in a row: runs over several fates */
		p->has_read = p->read;
		p->has_write = p->write;
		switch (unit_random(rand, 16)) {
		case 0:
			p->has_gpa++;
			break;
		case 1:
			p->has_read = !p->has_read;
			break;
		case 2:
			p->has_write = !p->has_write;
			break;
		case 3:
			p->reserved = true;
			break;
		case 4:
			p->has_gpa = p->gpa; /* whether it is gone or not */
			p->has = p->has_read = p->has_write = true;
			break;
		default:
			if (p->live || (i / 16) % 2)
				break;
			p->has = p->has_read = p->has_write = true; /* whoever asked, if anybody did */
			break;
		}
		if (!p->has)
			continue;
		bits = (p->has_read ? PTE_R : 0) | (p->has_write ? PTE_W : 0) | (p->reserved ? PTE_SNP : 0);
		scene_have(m->s, iova_of(m, i), p->has_gpa << 12, 0x1000, bits);
		p->has = p->has_read || p->has_write;
	}
}

/* The verdict on one page; false: there is none to give. */
static bool
verdict_of(const model *m, const page *p, viommu_verdict *ret)
{
	bool added = p->write && !p->read; /* write only: read may come with it */

	if (p->live && p->has && p->reserved)
		*ret = VIOMMU_RESERVED_BIT;
	else if (p->live && !p->has)
		*ret = VIOMMU_MISSING;
	else if (p->live && p->known && p->gpa != p->has_gpa)
		*ret = VIOMMU_WRONG_ADDRESS;
	else if (p->live && (p->write != p->has_write || (p->read != p->has_read && !added)))
		*ret = VIOMMU_WRONG_PERMISSION;
	else if (p->live)
		*ret = p->known ? VIOMMU_MATCH : VIOMMU_UNVERIFIED;
	else if (!p->has && p->gone)
		*ret = VIOMMU_GONE;
	else if (!p->has || p->reserved)
		return false;
	else if (p->gone && (m->complete || (p->known && p->gpa == p->has_gpa)))
		*ret = VIOMMU_STALE;
	else if (m->complete)
		*ret = VIOMMU_UNEXPECTED;
	else
		return false;
	return true;
}

static void
assert_page(const model *m, unsigned i, const viommu_run *run, viommu_verdict wanted)
{
	const page *p = &m->pages[i];
	uint64_t inside = iova_of(m, i) - run->iova.first;

	if (run->verdict != wanted)
		g_error("page %u is %s, not %s", i, viommu_verdict_name(run->verdict),
			viommu_verdict_name(wanted));
	g_assert_cmpint(run->has_expected, ==, p->live || wanted == VIOMMU_STALE || wanted == VIOMMU_GONE);
	if (run->has_expected) {
		g_assert_cmpint(run->expected.gpa_known, ==, p->known);
		g_assert_cmpint(run->expected.read, ==, p->read);
		g_assert_cmpint(run->expected.write, ==, p->write);
		if (p->known)
			g_assert_cmphex(run->expected.gpa.v + inside, ==, p->gpa << 12);
	}
	g_assert_cmpint(run->has_observed, ==, p->has);
	if (run->has_observed) {
		g_assert_cmphex(run->gpa.v + inside, ==, p->has_gpa << 12);
		g_assert_cmpint(run->read, ==, p->has_read);
		g_assert_cmpint(run->write, ==, p->has_write);
	}
}

static void
assert_verdicts(const model *m)
{
	const viommu_result *result = m->s->result;
	uint64_t not_in_record = 0;
	guint at = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		const viommu_run *run = at < result->runs->len ? scene_run(m->s, at) : NULL;
		bool inside = run && run->iova.first <= iova_of(m, i);
		viommu_verdict wanted;

		if (!verdict_of(m, &m->pages[i], &wanted)) {
			g_assert_false(inside);
			not_in_record += m->pages[i].has && !m->pages[i].reserved;
			continue;
		}
		g_assert_true(inside);
		assert_page(m, i, run, wanted);
		if (run->iova.last == iova_of(m, i) + 4095)
			at++;
	}
	g_assert_cmpuint(at, ==, result->runs->len);
	g_assert_cmpuint(scene_target(m->s, 0)->not_in_record, ==, not_in_record);
}

static void
test_random(void)
{
	/* At the bottom, over the border of two tables, at the top of the width. */
	static const uint64_t bases[] = { 0, 0x3fe00000, (1ull << 39) - PAGES * 4096ull };
	uint64_t seen[VIOMMU_VERDICTS] = { 0 };

	for (unsigned seed = 0; seed < 120; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		model m = { .base = bases[seed % 3], .complete = seed % 4 != 0 };

		m.s = scene_new(m.complete);
		for (unsigned i = 0; i < 250; i++) {
			unsigned first = (unsigned) unit_random(rand, PAGES),
				 n = 1 + (unsigned) unit_random(rand, 20);

			n = MIN(n, PAGES - first);
			if (unit_random(rand, 3))
				ask(&m, rand, first, n);
			else
				unmap(&m, first, n);
		}
		fill_table(&m, rand);
		scene_judge(m.s);
		assert_verdicts(&m);
		for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
			seen[v] += m.s->result->pages[v];
		scene_free(m.s);
	}
	/* The dice showed every side. */
	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++) {
		bool possible = v != VIOMMU_NO_CONTEXT && v != VIOMMU_TRANSLATION_OFF &&
				v != VIOMMU_PASSED_THROUGH && v != VIOMMU_BEYOND_WIDTH && v != VIOMMU_IN_FLUX;

		g_test_message("%s: %" G_GUINT64_FORMAT " pages", viommu_verdict_name(v), seen[v]);
		g_assert_cmpint(seen[v] > 0, ==, possible);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/join-random", test_random);
	return g_test_run();
}
