/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables that nobody but an attacker, or a bug, would write: loops, shared tables
 * without end, tables that cannot be read.  Every walk ends, and says what it left out. */
#include <string.h>

#include "helpers.h"
#include "tables.h"

#define SID 0x20

static void
on_run(const vtd_run *run, void *user)
{
	const GArray *runs = user;

	/* In order, never overlapping. */
	g_assert_cmphex(run->iova.first, <=, run->iova.last);
	if (runs->len) {
		const vtd_run *last = &g_array_index(runs, vtd_run, runs->len - 1);

		g_assert_cmphex(last->iova.last, <, run->iova.first);
	}
	g_array_append_vals(user, run, 1);
}

static GArray *
walk_with(tables *t, uint64_t top, unsigned levels, vtd_budget *budget)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(vtd_run));
	vtd_unit unit = tables_unit(t);
	GError *error = NULL;

	g_assert_true(vtd_walk(&unit, &t->base, VIOMMU_GPA(top), levels, budget, on_run, ret, &error));
	g_assert_no_error(error);
	return ret;
}

static GArray *
walk(tables *t, uint64_t top, unsigned levels)
{
	vtd_budget budget = VTD_DEFAULT_BUDGET;

	return walk_with(t, top, levels, &budget);
}

#define RUN(runs, i) (&g_array_index(runs, vtd_run, i))

static void
expect_run(const GArray *runs, guint i, vtd_run_kind kind, uint64_t first, uint64_t last)
{
	g_assert_cmpuint(i, <, runs->len);
	g_assert_cmpint(RUN(runs, i)->kind, ==, kind);
	g_assert_cmphex(RUN(runs, i)->iova.first, ==, first);
	g_assert_cmphex(RUN(runs, i)->iova.last, ==, last);
}

/* An entry that leads to its own table, or to one above it. */
static void
test_loops(void)
{
	for (unsigned from = 2; from <= 4; from++)
		for (unsigned to = from; to <= 4; to++) {
			g_autoptr(tables) t = tables_new(48);
			g_autoptr(GArray) runs = NULL;
			uint64_t top = tables_device(t, SID, 4), size = 1ull << (from * 9 + 3),
				 loop = 5 * size;
			vtd_translation inside;
			vtd_unit unit = tables_unit(t);

			tables_map(t, top, 4, 0x1000, 0x9000, KIB_4, PTE_RW);
			/* The table at level n holds the entry of level n. */
			tables_poke(t, tables_entry(t, top, 4, loop, from),
				(tables_entry(t, top, 4, 0, to) & PTE_ADDRESS) | PTE_RW);
			runs = walk(t, top, 4);
			g_assert_cmpuint(runs->len, ==, 2);
			expect_run(runs, 0, VTD_RUN_MAPPED, 0x1000, 0x1fff);
			expect_run(runs, 1, VTD_RUN_LOOP, loop, loop + size - 1);
			g_assert_cmphex(RUN(runs, 1)->entry.v, ==, tables_entry(t, top, 4, loop, from));
			/* A translation has as many steps as there are levels, whatever the tables say. */
			g_assert_true(vtd_translate(&unit, &t->base, (viommu_sid){ SID },
				VIOMMU_IOVA(loop + 0x1000), &inside, NULL));
			g_assert_cmpuint(inside.n_steps, <=, 6);
		}
}

/* All entries of all tables lead to the one table: 2^36 pages out of 4 KiB. */
static void
test_all_loops(void)
{
	g_autoptr(tables) t = tables_new(48);
	g_autoptr(GArray) runs = NULL;
	uint64_t top = tables_device(t, SID, 4);

	for (unsigned i = 0; i < 512; i++)
		tables_poke(t, top + i * 8, top | PTE_RW);
	runs = walk(t, top, 4);
	g_assert_cmpuint(runs->len, ==, 512);
	g_assert_cmpuint(t->reads, ==, 1);
}

/* Four tables, each of whose 512 entries leads to the next: 512^3 ways down. */
static uint64_t
shared_tables(tables *t, uint64_t last_bits)
{
	uint64_t top = tables_device(t, SID, 4), at = top, next;

	for (unsigned level = 4; level > 1; level--, at = next) {
		next = tables_page(t);
		for (unsigned i = 0; i < 512; i++)
			tables_poke(t, at + i * 8, next | PTE_RW);
	}
	for (unsigned i = 0; i < 512; i++)
		tables_poke(t, at + i * 8, 0x100000000 | (i % 2 ? 0x2000 : 0) | last_bits);
	return top;
}

/* Tables that are visited again and again are charged for it. */
static void
test_budget(void)
{
	static const uint64_t budgets[] = { 0, 1, 2, 3, 3 + VTD_REPEAT_COST - 1, 3 + VTD_REPEAT_COST,
		3 + 600 * VTD_REPEAT_COST, 3 + 1200 * VTD_REPEAT_COST };

	for (gsize i = 0; i < G_N_ELEMENTS(budgets); i++) {
		g_autoptr(tables) t = tables_new(48);
		vtd_budget budget = VTD_DEFAULT_BUDGET;
		g_autoptr(GArray) runs = NULL;
		uint64_t top = shared_tables(t, PTE_RW), repeats, last;

		budget.tables = budgets[i];
		runs = walk_with(t, top, 4, &budget);
		/* One table of each level below the top, then again and again those of the last
		 * level; after 512 of them the one above, too. */
		repeats = budgets[i] < 3 ? 0 : (budgets[i] - 3) / VTD_REPEAT_COST;
		last = budgets[i] < 3 ? 0 : 1 + repeats - (repeats + 1) / 513 - (repeats + 1) / 513 / 512;
		g_assert_cmpuint(runs->len, ==, last * 512 + 1);
		expect_run(runs, runs->len - 1, VTD_RUN_UNVISITED, last * 512 * 4096, (1ull << 48) - 1);
		g_assert_cmpuint(budget.tables, ==, 0);
	}
}

/* A budget that is just enough leaves nothing out. */
static void
test_budget_enough(void)
{
	g_autoptr(tables) t = tables_new(39);
	uint64_t top = tables_device(t, SID, 3);

	tables_map(t, top, 3, 0x1000, 0x9000, KIB_4, PTE_RW);
	tables_map(t, top, 3, 0x200000, 0x9000, KIB_4, PTE_RW);
	for (uint64_t left = 0; left <= 5; left++) {
		vtd_budget budget = VTD_DEFAULT_BUDGET;
		g_autoptr(GArray) runs = NULL;

		budget.tables = left;
		runs = walk_with(t, top, 3, &budget);
		g_assert_cmpint(RUN(runs, runs->len - 1)->kind == VTD_RUN_UNVISITED, ==, left < 3);
		g_assert_cmpuint(budget.tables, ==, left > 3 ? left - 3 : 0);
	}
}

/* Runs are bounded as well: somebody keeps them. */
static void
test_budget_of_runs(void)
{
	g_autoptr(tables) t = tables_new(48);
	vtd_budget budget = VTD_DEFAULT_BUDGET;
	g_autoptr(GArray) runs = NULL;
	uint64_t top = shared_tables(t, PTE_RW);
	vtd_unit unit = tables_unit(t);

	budget.runs = 1000;
	runs = walk_with(t, top, 4, &budget);
	g_assert_cmpuint(runs->len, ==, 1001);
	expect_run(runs, 1000, VTD_RUN_UNVISITED, 1000 * 4096, (1ull << 48) - 1);
	/* Nobody looks: nothing to bound but the tables. */
	budget = (vtd_budget){ .tables = 3000, .runs = 1 };
	g_assert_true(vtd_walk(&unit, &t->base, VIOMMU_GPA(top), 4, &budget, NULL, NULL, NULL));
	g_assert_cmpuint(budget.tables, ==, 0);
}

static void
test_unreadable(void)
{
	static const viommu_page_status statuses[] = { VIOMMU_PAGE_NOT_RAM, VIOMMU_PAGE_FAILED,
		VIOMMU_PAGE_NOT_CAPTURED };

	for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++)
		for (unsigned level = 1; level <= 4; level++) {
			g_autoptr(tables) t = tables_new(48);
			g_autoptr(GArray) runs = NULL;
			uint64_t top = tables_device(t, SID, 4), size = 1ull << (level * 9 + 12), table;

			tables_map(t, top, 4, size == 1ull << 48 ? 0 : size, 0x9000, KIB_4, PTE_RW);
			if (level < 4)
				tables_map(t, top, 4, 0, 0x5000, KIB_4, PTE_RW);
			table = tables_entry(t, top, 4, level < 4 ? size : 0, level) & PTE_ADDRESS;
			tables_break(t, table, statuses[i]);
			runs = walk(t, top, 4);
			g_assert_cmpuint(runs->len, ==, level < 4 ? 2 : 1);
			expect_run(runs, runs->len - 1, VTD_RUN_UNREADABLE, level < 4 ? size : 0,
				level < 4 ? 2 * size - 1 : size - 1);
			g_assert_cmpint(RUN(runs, runs->len - 1)->status, ==, statuses[i]);
			g_assert_cmpuint(RUN(runs, runs->len - 1)->level, ==, level + 1);
			g_assert_cmphex(RUN(runs, runs->len - 1)->gpa.v, ==, table);
		}
}

/* Six levels reach beyond 64 bits; a width that QEMU does not offer, but a snapshot can. */
static void
test_six_levels(void)
{
	g_autoptr(tables) t = tables_new(57);
	g_autoptr(GArray) runs = NULL;
	uint64_t top = tables_device(t, SID, 6);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t iova = (uint64_t) (i % 128) << 57;

		if (i < 128)
			tables_map(t, top, 6, iova, 0x9000, KIB_4, PTE_RW);
		else
			tables_poke(t, top + i * 8, tables_peek(t, top) | PTE_RW);
	}
	runs = walk(t, top, 6);
	g_assert_cmpuint(runs->len, ==, 128);
	g_assert_cmphex(RUN(runs, 127)->iova.first, ==, 127ull << 57);
}

static void
on_device(const vtd_device *device, void *user)
{
	g_string_append_printf(user, "%04x:%d:%x ", device->sid.v, device->outcome, device->fault);
}

static void
expect_devices(tables *t, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);
	vtd_unit unit = tables_unit(t);
	GError *error = NULL;

	g_assert_true(vtd_for_each_device(&unit, &t->base, on_device, text, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(text->str, ==, wanted);
}

static void
test_devices(void)
{
	g_autoptr(tables) t = tables_new(39);

	expect_devices(t, "");
	tables_device(t, 0x0020, 3);
	tables_context(t, 0x0021, 1 | 2 << 2, 1);
	tables_device(t, 0x00ff, 3);
	tables_context(t, 0x0200, 1 | 1 << 4, 1); /* reserved bit */
	tables_device(t, 0xffff, 3);
	expect_devices(t, "0020:0:0 0021:1:0 00ff:0:0 0200:3:b ffff:0:0 ");
	/* Buses that cannot be used are told once each. */
	tables_poke(t, t->root + 5 * 16, t->ram | 1);
	tables_poke(t, t->root + 6 * 16, 0x10000000 | 3);
	expect_devices(t, "0020:0:0 0021:1:0 00ff:0:0 0200:3:b 0500:3:9 0600:3:a ffff:0:0 ");
	tables_break(t, tables_peek(t, t->root + 2 * 16) & PTE_ADDRESS, VIOMMU_PAGE_FAILED);
	expect_devices(t, "0020:0:0 0021:1:0 00ff:0:0 0200:4:0 0500:3:9 0600:3:a ffff:0:0 ");
	/* A root table that cannot be read is one trouble, not 256. */
	t->rtaddr = t->ram;
	expect_devices(t, "0000:3:8 ");
	t->gsts = 0;
	expect_devices(t, "");
}

/* The source goes away at any moment: an error, and nothing is left behind (sanitizers). */
static void
test_source_dies(void)
{
	g_autoptr(tables) t = tables_new(48);
	uint64_t top = tables_device(t, SID, 4);
	vtd_unit unit = tables_unit(t);
	unsigned walks_failed = 0;

	for (unsigned i = 0; i < 4; i++)
		tables_map(t, top, 4, (uint64_t) i << 30, 0x9000, KIB_4, PTE_RW);
	for (unsigned after = 1; after < 20; after++) {
		g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(vtd_run));
		vtd_budget budget = VTD_DEFAULT_BUDGET;
		g_autoptr(GError) error = NULL;
		vtd_translation ignored;

		t->dies_after = after;
		t->calls = 0;
		if (!vtd_walk(&unit, &t->base, VIOMMU_GPA(top), 4, &budget, on_run, runs, &error)) {
			unit_error(&error, VIOMMU_ERROR_CLOSED, "gone");
			walks_failed++;
		}
		t->calls = 0;
		if (!vtd_translate(&unit, &t->base, (viommu_sid){ SID }, VIOMMU_IOVA(0), &ignored, &error))
			unit_error(&error, VIOMMU_ERROR_CLOSED, "gone");
		else
			g_assert_cmpuint(after, >=, 6);
	}
	g_assert_cmpuint(walks_failed, ==, 6);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vtd-hostile/loops", test_loops);
	g_test_add_func("/vtd-hostile/all-loops", test_all_loops);
	g_test_add_func("/vtd-hostile/budget", test_budget);
	g_test_add_func("/vtd-hostile/budget-enough", test_budget_enough);
	g_test_add_func("/vtd-hostile/budget-of-runs", test_budget_of_runs);
	g_test_add_func("/vtd-hostile/unreadable", test_unreadable);
	g_test_add_func("/vtd-hostile/six-levels", test_six_levels);
	g_test_add_func("/vtd-hostile/devices", test_devices);
	g_test_add_func("/vtd-hostile/source-dies", test_source_dies);
	return g_test_run();
}
