/* SPDX-License-Identifier: GPL-2.0-or-later */
/* First-stage and nested translation: walks and single translations against a model that
 * is a list of pages. */
#include <string.h>

#include "helpers.h"
#include "tables.h"

#define SID 0x20
/* Nested: the second stage takes the first stage's tables from here to RAM. */
#define OFFSET 0x8000000ull

static uint64_t
setup(tables *t, unsigned pgtt, uint64_t second, uint64_t first, unsigned fspm)
{
	uint64_t words[8] = { 1 | 2 << 2 | pgtt << 6 | second, 1, first | fspm << 2 };

	return tables_pasid(t, SID, 0, words);
}

static vtd_device
find(tables *t, vtd_unit *unit)
{
	vtd_device ret;

	*unit = tables_unit(t);
	g_assert_true(vtd_find_device(unit, &t->base, (viommu_sid){ SID }, &ret, NULL));
	g_assert_cmpint(ret.outcome, ==, VTD_TRANSLATES);
	return ret;
}

static vtd_translation
translate(tables *t, uint64_t iova)
{
	vtd_unit unit;
	vtd_device device = find(t, &unit);
	vtd_translation ret;

	g_assert_true(vtd_translate_in(&unit, &t->base, &device, VIOMMU_IOVA(iova), &ret, NULL));
	g_assert_cmpuint(ret.n_steps, <=, VTD_MAX_STEPS);
	return ret;
}

static void
on_run(const vtd_run *run, void *user)
{
	const GArray *runs = user;

	g_assert_cmphex(run->iova.first, <=, run->iova.last);
	if (runs->len)
		g_assert_cmphex(g_array_index(runs, vtd_run, runs->len - 1).iova.last, <, run->iova.first);
	g_array_append_vals(user, run, 1);
}

static GArray *
walk(tables *t)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(vtd_run));
	vtd_budget budget = VTD_DEFAULT_BUDGET;
	vtd_unit unit;
	vtd_device device = find(t, &unit);

	budget.tables = UINT64_MAX;
	g_assert_true(vtd_walk_device(&unit, &t->base, &device, &budget, on_run, ret, NULL));
	return ret;
}

/* The run that holds an IOVA, NULL: none. */
static const vtd_run *
run_at(const GArray *runs, uint64_t iova)
{
	for (guint i = 0; i < runs->len; i++) {
		const vtd_run *run = &g_array_index(runs, vtd_run, i);

		if (iova >= run->iova.first && iova <= run->iova.last)
			return run;
	}
	return NULL;
}

static void
expect_fault(tables *t, uint64_t iova, vtd_fault read, vtd_fault write)
{
	vtd_translation to = translate(t, iova);

	g_assert_cmphex(to.read.fault, ==, read);
	g_assert_cmphex(to.write.fault, ==, write);
	g_assert_cmpint(to.read.allowed, ==, read == VTD_FAULT_NONE);
	g_assert_cmpint(to.write.allowed, ==, write == VTD_FAULT_NONE);
}

static void
test_first_faults(void)
{
	g_autoptr(tables) t = tables_new(48);
	uint64_t top = tables_page(t), iova = 0x40000000, at;

	tables_scalable(t);
	setup(t, 1, 0, top, 0);
	tables_map_first(t, top, 4, iova, 0x5000, KIB_4, FPTE_RW, 0);
	expect_fault(t, iova, VTD_FAULT_NONE, VTD_FAULT_NONE);
	g_assert_cmphex(translate(t, iova + 0xabc).gpa.v, ==, 0x5abc);
	for (unsigned level = 1; level <= 4; level++) {
		uint64_t good;

		at = tables_entry_first(t, top, 4, iova, level, 0);
		good = tables_peek(t, at);
		tables_poke(t, at, good & ~FPTE_P);
		expect_fault(t, iova, VTD_FAULT_FS_NOT_PRESENT, VTD_FAULT_FS_NOT_PRESENT);
		g_assert_cmpint(translate(t, iova).read.blame, ==, (int) (8 - level));
		tables_poke(t, at, good & ~FPTE_U);
		expect_fault(t, iova, VTD_FAULT_PRIVILEGE, VTD_FAULT_PRIVILEGE);
		tables_poke(t, at, good & ~FPTE_W);
		expect_fault(t, iova, VTD_FAULT_NONE, VTD_FAULT_SM_WRITE);
		tables_poke(t, at, good | 1ull << 48);
		expect_fault(t, iova, VTD_FAULT_FS_RESERVED, VTD_FAULT_FS_RESERVED);
		tables_poke(t, at, good | 0xf60 | 0xfffull << 52); /* A, D, G, software's, XD */
		expect_fault(t, iova, VTD_FAULT_NONE, VTD_FAULT_NONE);
		tables_poke(t, at, UINT64_MAX);
		expect_fault(t, iova, level == 4 ? VTD_FAULT_FSPTPTR_ACCESS : VTD_FAULT_FS_ACCESS,
			level == 4 ? VTD_FAULT_FSPTPTR_ACCESS : VTD_FAULT_FS_ACCESS);
		tables_poke(t, at, good);
	}
	expect_fault(t, 1ull << 47, VTD_FAULT_NON_CANONICAL, VTD_FAULT_NON_CANONICAL);
	expect_fault(t, ~0ull << 48, VTD_FAULT_NON_CANONICAL, VTD_FAULT_NON_CANONICAL);
	expect_fault(t, ~0ull << 47, VTD_FAULT_FS_NOT_PRESENT, VTD_FAULT_FS_NOT_PRESENT);
}

/* Both canonical halves, all sizes, in order. */
static void
test_first_walk(void)
{
	g_autoptr(tables) t = tables_new(48);
	g_autoptr(GArray) runs = NULL;
	uint64_t top = tables_page(t), high = ~0ull << 47;

	tables_scalable(t);
	setup(t, 1, 0, top, 0);
	tables_map_first(t, top, 4, high, 0x40000000, GIB_1, FPTE_RW, 0);
	tables_map_first(t, top, 4, 0ull - 4096, 0x5000, KIB_4, FPTE_P | FPTE_U, 0);
	tables_map_first(t, top, 4, 0x1000, 0x7000, KIB_4, FPTE_RW, 0);
	tables_map_first(t, top, 4, 0x2000, 0x8000, KIB_4, FPTE_RW, 0);
	tables_map_first(t, top, 4, 0x200000, 0x600000, MIB_2, FPTE_RW, 0);
	runs = walk(t);
	g_assert_cmpuint(runs->len, ==, 4);
	for (guint i = 0; i < runs->len; i++) {
		const vtd_run *run = &g_array_index(runs, vtd_run, i);
		vtd_translation first = translate(t, run->iova.first), last = translate(t, run->iova.last);

		g_assert_true(run->read && run->first_stage);
		g_assert_cmpint(run->write, ==, i < 3);
		g_assert_cmphex(first.gpa.v, ==, run->gpa.v);
		g_assert_cmphex(last.gpa.v, ==, run->gpa.v + (run->iova.last - run->iova.first));
		g_assert_cmpuint(first.page_shift, ==, run->page_shift);
		g_assert_cmpint(first.write.allowed, ==, run->write);
	}
	g_assert_cmphex(g_array_index(runs, vtd_run, 2).iova.first, ==, high);
	g_assert_cmphex(g_array_index(runs, vtd_run, 3).iova.last, ==, UINT64_MAX);
}

static void
test_five_levels(void)
{
	g_autoptr(tables) t = tables_new(57);
	uint64_t top = tables_page(t), far = 1ull << 55;

	t->cap |= 1ull << 60; /* FS5LP */
	tables_scalable(t);
	setup(t, 3, tables_page(t), top, 1);
	{
		vtd_unit unit;

		g_assert_cmpuint(find(t, &unit).levels, ==, 5);
		g_assert_cmpuint(find(t, &unit).input_bits, ==, 57);
	}
	tables_map_first(t, top, 5, far, 0x5000, KIB_4, FPTE_RW, 0);
	g_assert_cmpuint(translate(t, far).n_steps, >, 4); /* into the second stage, which is empty */
	g_assert_false(translate(t, far).read.allowed);
}

/* ---- nested, random ------------------------------------------------------------- */

#define PAGES 300

typedef struct {
	bool there, write;
	uint64_t middle; /* page number between the stages */
} first_page;

typedef struct {
	bool read, write;
	uint64_t gpa;
} second_page;

typedef struct {
	tables *t;
	uint64_t top, outer;
	first_page first[PAGES];
	second_page second[PAGES];
} model;

/* IOVAs and what is between the stages. */
static uint64_t
iova_of(unsigned i)
{
	return 0x3fff0000 + i * 4096ull;
}

static uint64_t
middle_of(unsigned i)
{
	return 0x700000000ull + i * 4096ull;
}

static void
fill(model *m, GRand *rand)
{
	for (unsigned i = 0; i < PAGES; i++) {
		first_page *f = &m->first[i];
		second_page *s = &m->second[i];

		f->there = unit_random(rand, 5) != 0;
		f->write = unit_random(rand, 4) != 0;
		/* Mostly in a row; now and then where the second stage has nothing. */
		f->middle = unit_random(rand, 6) ? middle_of(i)
						 : middle_of((unsigned) unit_random(rand, PAGES + 20));
		if (f->there)
			tables_map_first(m->t, m->top, 4, iova_of(i), f->middle, KIB_4,
				FPTE_P | FPTE_U | (f->write ? FPTE_W : 0), OFFSET);
		s->read = unit_random(rand, 8) != 0;
		s->write = unit_random(rand, 8) != 0;
		s->gpa = unit_random(rand, 6) ? 0x200000000 + i * 4096ull : unit_random(rand, 1 << 20) << 12;
		if (s->gpa >> 20 == 0xfee)
			s->gpa = 0x1000;
		tables_map(m->t, m->outer, 4, middle_of(i), s->gpa, KIB_4,
			(s->read ? PTE_R : 0) | (s->write ? PTE_W : 0));
	}
}

/* The second stage leads to the first stage's tables, wherever they are. */
static void
map_tables(model *m)
{
	/* What is added to here are second-stage tables, which the first stage never names. */
	uint64_t end = m->t->next;

	for (uint64_t at = 0x10000000; at < end; at += 4096)
		tables_map(m->t, m->outer, 4, at - OFFSET, at, KIB_4, PTE_R);
}

static void
assert_page(const model *m, const GArray *runs, unsigned i)
{
	const first_page *f = &m->first[i];
	uint64_t inside = (f->middle - middle_of(0)) / 4096;
	const second_page *s = f->there && inside < PAGES ? &m->second[inside] : NULL;
	bool read = s && s->read, write = s && s->write && f->write;
	const vtd_run *run = run_at(runs, iova_of(i));
	vtd_translation to = translate(m->t, iova_of(i) + 0x123);

	g_assert_cmpint(to.read.allowed, ==, read);
	g_assert_cmpint(to.write.allowed, ==, write);
	g_assert_cmpint(run != NULL, ==, read || write);
	if (!run)
		return;
	g_assert_cmpint(run->kind, ==, VTD_RUN_MAPPED);
	g_assert_cmpint(run->read, ==, read);
	g_assert_cmpint(run->write, ==, write);
	g_assert_cmphex(run->gpa.v + (iova_of(i) - run->iova.first), ==, s->gpa);
	g_assert_cmphex(to.gpa.v, ==, s->gpa + 0x123);
	g_assert_cmphex(to.nested_gpa.v, ==, f->middle + 0x123);
	g_assert_cmpuint(to.page_shift, ==, 12);
}

static void
test_nested(void)
{
	for (unsigned seed = 0; seed < 10; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		g_autoptr(tables) t = tables_new(48);
		g_autoptr(GArray) runs = NULL;
		model m = { .t = t };

		tables_scalable(t);
		m.top = tables_page(t);
		m.outer = tables_page(t);
		setup(t, 3, m.outer, m.top - OFFSET, 0);
		fill(&m, rand);
		map_tables(&m);
		runs = walk(t);
		for (unsigned i = 0; i < PAGES; i++)
			assert_page(&m, runs, i);
		for (guint i = 0; i < runs->len; i++) {
			const vtd_run *run = &g_array_index(runs, vtd_run, i);

			g_assert_cmphex(run->iova.first, >=, iova_of(0));
			g_assert_cmphex(run->iova.last, <, iova_of(PAGES));
		}
	}
}

/* Pages of different sizes in the two stages: the smaller one counts. */
static void
test_nested_sizes(void)
{
	g_autoptr(tables) t = tables_new(48);
	g_autoptr(GArray) runs = NULL;
	model m = { .t = t };

	tables_scalable(t);
	m.top = tables_page(t);
	m.outer = tables_page(t);
	setup(t, 3, m.outer, m.top - OFFSET, 0);
	tables_map_first(t, m.top, 4, 0x40000000, 0x700000000, GIB_1, FPTE_RW, OFFSET);
	tables_map(t, m.outer, 4, 0x700000000, 0x40000000, MIB_2, PTE_RW);
	tables_map(t, m.outer, 4, 0x700200000, 0x80000000, KIB_4, PTE_R);
	tables_map_first(t, m.top, 4, 0x200000, 0x700000000, MIB_2, FPTE_RW, OFFSET);
	map_tables(&m);
	runs = walk(t);
	g_assert_cmpuint(runs->len, ==, 3);
	g_assert_cmphex(run_at(runs, 0x200000)->gpa.v, ==, 0x40000000);
	g_assert_cmpuint(run_at(runs, 0x40000000)->page_shift, ==, 21);
	g_assert_cmphex(run_at(runs, 0x40000000)->iova.last, ==, 0x401fffff);
	g_assert_cmpuint(run_at(runs, 0x40200000)->page_shift, ==, 12);
	g_assert_false(run_at(runs, 0x40200000)->write);
	g_assert_cmpuint(translate(t, 0x40200000).page_shift, ==, 12);
	g_assert_cmphex(translate(t, 0x40012345).gpa.v, ==, 0x40012345);
}

/* A first-stage table that the second stage does not lead to. */
static void
test_nested_table_missing(void)
{
	g_autoptr(tables) t = tables_new(48);
	g_autoptr(GArray) runs = NULL;
	model m = { .t = t };

	tables_scalable(t);
	m.top = tables_page(t);
	m.outer = tables_page(t);
	setup(t, 3, m.outer, m.top - OFFSET, 0);
	tables_map_first(t, m.top, 4, 0x40000000, 0x700000000, KIB_4, FPTE_RW, OFFSET);
	map_tables(&m);
	tables_map(t, m.outer, 4, 0x700000000, 0x5000, KIB_4, PTE_RW);
	expect_fault(t, 0x40000000, VTD_FAULT_NONE, VTD_FAULT_NONE);
	tables_map(t, m.outer, 4,
		(tables_entry_first(t, m.top, 4, 0x40000000, 1, OFFSET) & ~0xfffull) - OFFSET, 0, KIB_4, 0);
	expect_fault(t, 0x40000000, VTD_FAULT_READ, VTD_FAULT_READ);
	runs = walk(t);
	g_assert_cmpuint(runs->len, ==, 1);
	g_assert_cmpint(g_array_index(runs, vtd_run, 0).kind, ==, VTD_RUN_UNREADABLE);
	g_assert_cmphex(g_array_index(runs, vtd_run, 0).iova.first, ==, 0x40000000);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vtd-stages/first-faults", test_first_faults);
	g_test_add_func("/vtd-stages/first-walk", test_first_walk);
	g_test_add_func("/vtd-stages/five-levels", test_five_levels);
	g_test_add_func("/vtd-stages/nested", test_nested);
	g_test_add_func("/vtd-stages/nested-sizes", test_nested_sizes);
	g_test_add_func("/vtd-stages/nested-table-missing", test_nested_table_missing);
	return g_test_run();
}
