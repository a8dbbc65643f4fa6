/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One address: what comes out, or which fault and which entry is to blame. */
#include <string.h>

#include "tables.h"

#define SID 0x20 /* 00:04.0 */

static vtd_translation
translate(tables *t, uint64_t iova)
{
	vtd_unit unit = tables_unit(t);
	vtd_translation ret;
	GError *error = NULL;

	g_assert_true(vtd_translate(&unit, &t->base, (viommu_sid){ SID }, VIOMMU_IOVA(iova), &ret, &error));
	g_assert_no_error(error);
	return ret;
}

static void
expect_gpa(tables *t, uint64_t iova, uint64_t gpa, unsigned shift, const char *prot)
{
	vtd_translation walk = translate(t, iova);

	g_assert_cmpint(walk.outcome, ==, VTD_TRANSLATES);
	g_assert_cmpint(walk.read.allowed, ==, strchr(prot, 'r') != NULL);
	g_assert_cmpint(walk.write.allowed, ==, strchr(prot, 'w') != NULL);
	g_assert_cmphex(walk.gpa.v, ==, gpa);
	g_assert_cmpuint(walk.page_shift, ==, shift);
}

/* Both kinds of access are refused, with these reasons, by these entries (-1: none). */
static void
expect_faults(tables *t, uint64_t iova, vtd_fault read, int read_blame, vtd_fault write, int write_blame)
{
	vtd_translation walk = translate(t, iova);

	g_assert_cmpint(walk.outcome, ==, VTD_FAULTS);
	g_assert_false(walk.read.allowed);
	g_assert_false(walk.write.allowed);
	g_assert_cmphex(walk.read.fault, ==, read);
	g_assert_cmphex(walk.write.fault, ==, write);
	g_assert_cmpint(walk.read.blame, ==, read_blame);
	g_assert_cmpint(walk.write.blame, ==, write_blame);
	g_assert_cmpint(walk.read.blame, <, (int) walk.n_steps);
}

static void
expect_fault(tables *t, uint64_t iova, vtd_fault fault, int blame)
{
	expect_faults(t, iova, fault, blame, fault, blame);
}

static void
test_sizes(void)
{
	static const unsigned shifts[] = { KIB_4, MIB_2, GIB_1 };

	for (unsigned levels = 3; levels <= 5; levels++) {
		g_autoptr(tables) t = tables_new(9 * levels + 12);
		uint64_t top = tables_device(t, SID, levels);
		uint64_t far = (1ull << (9 * levels + 12)) - (4ull << 30); /* near the top of the space */

		for (unsigned i = 0; i < 3; i++) {
			uint64_t iova = far + ((uint64_t) i << 30), gpa = (7ull + i) << 32,
				 inside = (1ull << shifts[i]) - 1;
			vtd_translation walk;

			tables_map(t, top, levels, iova, gpa, shifts[i], PTE_RW);
			expect_gpa(t, iova, gpa, shifts[i], "rw");
			expect_gpa(t, iova + inside, gpa + inside, shifts[i], "rw");
			walk = translate(t, iova);
			/* Root, context, and the paging entries down to the leaf. */
			g_assert_cmpuint(walk.n_steps, ==, 2 + levels - i);
			g_assert_cmphex(walk.steps[1].entry.v, ==, tables_context_at(t, SID));
			for (unsigned k = 2; k < walk.n_steps; k++) {
				unsigned level = levels + 2 - k;

				g_assert_cmpuint(walk.steps[k].level, ==, level);
				g_assert_cmphex(
					walk.steps[k].entry.v, ==, tables_entry(t, top, levels, iova, level));
				g_assert_cmphex(
					walk.steps[k].raw[0], ==, tables_peek(t, walk.steps[k].entry.v));
			}
		}
	}
}

static void
test_permissions(void)
{
	g_autoptr(tables) t = tables_new(39);
	uint64_t top = tables_device(t, SID, 3);
	uint64_t iova = 0x40000000, dir3, dir2;

	tables_map(t, top, 3, iova, 0x5000, KIB_4, PTE_RW);
	tables_map(t, top, 3, iova + 0x1000, 0x6000, KIB_4, PTE_R);
	tables_map(t, top, 3, iova + 0x2000, 0x7000, KIB_4, PTE_W);
	expect_gpa(t, iova + 0x1000, 0x6000, 12, "r");
	expect_gpa(t, iova + 0x2000, 0x7000, 12, "w");
	dir3 = tables_entry(t, top, 3, iova, 3);
	dir2 = tables_entry(t, top, 3, iova, 2);
	/* What a directory does not let through, no leaf below it does. */
	tables_poke(t, dir3, tables_peek(t, dir3) & ~PTE_W);
	expect_gpa(t, iova, 0x5000, 12, "r");
	g_assert_cmpint(translate(t, iova).write.fault, ==, VTD_FAULT_WRITE);
	g_assert_cmpint(translate(t, iova).write.blame, ==, 2);
	expect_faults(t, iova + 0x2000, VTD_FAULT_READ, 4, VTD_FAULT_WRITE, 2);
	tables_poke(t, dir2, (tables_peek(t, dir2) & ~PTE_R) | PTE_W);
	expect_faults(t, iova, VTD_FAULT_READ, 3, VTD_FAULT_WRITE, 2);
}

static void
test_not_present(void)
{
	for (unsigned levels = 3; levels <= 4; levels++)
		for (unsigned level = 1; level <= levels; level++) {
			g_autoptr(tables) t = tables_new(48);
			uint64_t top = tables_device(t, SID, levels), iova = 0x12345000;
			int blame = (int) (2 + levels - level);
			uint64_t entry;

			tables_map(t, top, levels, iova, 0x9000, KIB_4, PTE_RW);
			entry = tables_entry(t, top, levels, iova, level);
			/* An address in an entry that is not present means nothing, nor do reserved bits. */
			tables_poke(t, entry, (tables_peek(t, entry) & ~PTE_RW) | PTE_SNP);
			expect_faults(t, iova, VTD_FAULT_READ, blame, VTD_FAULT_WRITE, blame);
			tables_poke(t, entry, 0);
			expect_faults(t, iova, VTD_FAULT_READ, blame, VTD_FAULT_WRITE, blame);
		}
}

static void
test_reserved(void)
{
	for (unsigned level = 1; level <= 4; level++) {
		g_autoptr(tables) t = tables_new(48);
		uint64_t top = tables_device(t, SID, 4), iova = 0x12345000, entry, good;
		int blame = (int) (6 - level);

		tables_map(t, top, 4, iova, 0x9000, KIB_4, PTE_RW);
		entry = tables_entry(t, top, 4, iova, level);
		good = tables_peek(t, entry);
		for (unsigned i = 0; i < 3; i++) {
			uint64_t bad = good | (i == 0 ? 1ull << 11 : i == 1 ? 1ull << 48 : 1ull << 62);

			tables_poke(t, entry, bad);
			expect_fault(t, iova, VTD_FAULT_PAGING_RESERVED, blame);
			/* Permission is looked at first. */
			tables_poke(t, entry, bad & ~PTE_R);
			expect_faults(t, iova, VTD_FAULT_READ, blame, VTD_FAULT_PAGING_RESERVED, blame);
			tables_poke(t, entry, bad & ~PTE_W);
			expect_faults(t, iova, VTD_FAULT_PAGING_RESERVED, blame, VTD_FAULT_WRITE, blame);
		}
	}
}

static void
test_beyond_width(void)
{
	static const struct {
		unsigned bits, levels, limit;
	} cases[] = { { 39, 3, 39 }, { 48, 3, 39 }, { 48, 4, 48 }, { 57, 5, 57 } };

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(tables) t = tables_new(cases[i].bits);
		uint64_t top = tables_device(t, SID, cases[i].levels);

		tables_map(t, top, cases[i].levels, 0, 0x9000, KIB_4, PTE_RW);
		expect_gpa(t, 0xfff, 0x9fff, 12, "rw");
		expect_fault(t, 1ull << cases[i].limit, VTD_FAULT_BEYOND_WIDTH, -1);
		expect_fault(t, 1ull << 63, VTD_FAULT_BEYOND_WIDTH, -1);
		expect_fault(t, UINT64_MAX, VTD_FAULT_BEYOND_WIDTH, -1);
		expect_faults(t, (1ull << cases[i].limit) - 1, VTD_FAULT_READ, 2, VTD_FAULT_WRITE, 2);
	}
}

/* Four levels in a unit of fewer bits: the unit's width holds. */
static void
test_narrow_unit(void)
{
	g_autoptr(tables) t = tables_new(39);
	uint64_t top;

	t->cap |= 4ull << 8; /* SAGAW says 48 as well */
	top = tables_device(t, SID, 4);
	tables_map(t, top, 4, 0, 0x9000, KIB_4, PTE_RW);
	expect_gpa(t, 0, 0x9000, 12, "rw");
	expect_fault(t, 1ull << 39, VTD_FAULT_BEYOND_WIDTH, -1);
}

static void
test_root_and_context(void)
{
	static const struct {
		uint64_t low, high;
		vtd_fault fault;
	} cases[] = {
		{ 0, 0, VTD_FAULT_CONTEXT_NOT_PRESENT }, { 0x10000000, 1, VTD_FAULT_CONTEXT_NOT_PRESENT },
		{ 0x10000001 | 1 << 4, 1, VTD_FAULT_CONTEXT_RESERVED },
		{ 0x10000001 | 1ull << 39, 1, VTD_FAULT_CONTEXT_RESERVED },
		{ 0x10000001, 1 | 1ull << 63, VTD_FAULT_CONTEXT_RESERVED },
		{ 0x10000001, 1 | 1 << 7, VTD_FAULT_CONTEXT_RESERVED },
		{ 0x10000001, 0, VTD_FAULT_CONTEXT_INVALID }, /* 30 bits: not in SAGAW */
		{ 0x10000001, 2, VTD_FAULT_CONTEXT_INVALID }, { 0x10000001, 5, VTD_FAULT_CONTEXT_INVALID },
		{ 0x10000001, 7, VTD_FAULT_CONTEXT_INVALID },
		{ 0x10000001 | 1 << 2, 1, VTD_FAULT_CONTEXT_INVALID }, /* no device-TLB */
		{ 0x10000001 | 3 << 2, 1, VTD_FAULT_CONTEXT_INVALID },
		{ 0x10000001 | 2 << 2, 2, VTD_FAULT_CONTEXT_INVALID }, /* the width counts even there */
	};
	g_autoptr(tables) t = tables_new(39);
	uint64_t root;

	expect_fault(t, 0, VTD_FAULT_ROOT_NOT_PRESENT, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		tables_context(t, SID, cases[i].low, cases[i].high);
		expect_fault(t, 0, cases[i].fault, 1);
	}
	root = tables_peek(t, t->root);
	tables_poke(t, t->root, root | 2);
	expect_fault(t, 0, VTD_FAULT_ROOT_RESERVED, 0);
	tables_poke(t, t->root, root | 1ull << 39);
	expect_fault(t, 0, VTD_FAULT_ROOT_RESERVED, 0);
	tables_poke(t, t->root, root);
	tables_poke(t, t->root + 8, 1);
	expect_fault(t, 0, VTD_FAULT_ROOT_RESERVED, 0);
}

static void
test_not_through_tables(void)
{
	g_autoptr(tables) t = tables_new(39);
	vtd_translation walk;

	tables_context(t, SID, 1 | 2 << 2, 1 | 5 << 8);
	walk = translate(t, 1ull << 40); /* no width counts there */
	g_assert_cmpint(walk.outcome, ==, VTD_PASS_THROUGH);
	g_assert_true(walk.read.allowed && walk.write.allowed);
	g_assert_cmphex(walk.gpa.v, ==, 1ull << 40);
	g_assert_cmpuint(walk.page_shift, ==, 0);
	t->ecap &= ~(1ull << 6); /* a unit that cannot */
	expect_fault(t, 0, VTD_FAULT_CONTEXT_INVALID, 1);
	t->gsts &= ~(1u << 31);
	walk = translate(t, 0x1234);
	g_assert_cmpint(walk.outcome, ==, VTD_DISABLED);
	g_assert_cmphex(walk.gpa.v, ==, 0x1234);
	g_assert_cmpuint(walk.n_steps, ==, 0);
}

/* A table outside of RAM: QEMU cannot read it, so we know what happens. One that only
 * we cannot read: we do not. */
static void
test_no_memory(void)
{
	static const vtd_fault faults[] = { VTD_FAULT_ROOT_ACCESS, VTD_FAULT_CONTEXT_ACCESS,
		VTD_FAULT_CONTEXT_INVALID, VTD_FAULT_PAGING_ENTRY_ACCESS, VTD_FAULT_PAGING_ENTRY_ACCESS };
	static const viommu_page_status statuses[] = { VIOMMU_PAGE_NOT_RAM, VIOMMU_PAGE_FAILED,
		VIOMMU_PAGE_NOT_CAPTURED };

	for (unsigned broken = 0; broken < G_N_ELEMENTS(faults); broken++)
		for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
			g_autoptr(tables) t = tables_new(39);
			uint64_t top = tables_device(t, SID, 3);
			vtd_translation walk;

			tables_map(t, top, 3, 0x1000, 0x9000, KIB_4, PTE_RW);
			tables_break(t, translate(t, 0x1000).steps[broken].table.v, statuses[i]);
			walk = translate(t, 0x1000);
			g_assert_cmpuint(walk.n_steps, ==, broken + 1);
			g_assert_cmpuint(walk.steps[broken].words, ==, 0);
			g_assert_cmpint(walk.steps[broken].status, ==, statuses[i]);
			g_assert_false(walk.read.allowed || walk.write.allowed);
			g_assert_cmpint(walk.outcome, ==, i == 0 ? VTD_FAULTS : VTD_UNREADABLE);
			g_assert_cmphex(walk.read.fault, ==, i == 0 ? faults[broken] : VTD_FAULT_NONE);
			g_assert_cmphex(walk.write.fault, ==, i == 0 ? faults[broken] : VTD_FAULT_NONE);
		}
}

/* The table's address is the entry's, at the edge of RAM and behind it. */
static void
test_edge_of_ram(void)
{
	g_autoptr(tables) t = tables_new(39);
	uint64_t top = tables_device(t, SID, 3);

	tables_map(t, top, 3, 0x40000000, 0x9000, KIB_4, PTE_RW);
	tables_poke(t, tables_entry(t, top, 3, 0, 3), (t->ram - 0x1000) | PTE_RW);
	expect_faults(t, 0, VTD_FAULT_READ, 3, VTD_FAULT_WRITE, 3);
	tables_poke(t, tables_entry(t, top, 3, 0, 3), t->ram | PTE_RW);
	expect_fault(t, 0, VTD_FAULT_PAGING_ENTRY_ACCESS, 3);
	/* A page outside of RAM is translated all the same: it may be a BAR. */
	tables_map(t, top, 3, 0x40001000, t->ram + 0x1000, KIB_4, PTE_RW);
	expect_gpa(t, 0x40001abc, t->ram + 0x1abc, 12, "rw");
	/* QEMU cannot tell this from an entry that it could not read. */
	tables_poke(t, tables_entry(t, top, 3, 0x40001000, 1), UINT64_MAX);
	expect_fault(t, 0x40001000, VTD_FAULT_PAGING_ENTRY_ACCESS, 4);
	tables_poke(t, tables_entry(t, top, 3, 0x40001000, 3), UINT64_MAX);
	expect_fault(t, 0x40001000, VTD_FAULT_CONTEXT_INVALID, 2);
}

static void
test_interrupt_range(void)
{
	g_autoptr(tables) t = tables_new(39);
	uint64_t top = tables_device(t, SID, 3);

	tables_map(t, top, 3, 0x1000, 0xfedff000, KIB_4, PTE_RW);
	tables_map(t, top, 3, 0x2000, 0xfee00000, KIB_4, PTE_RW);
	tables_map(t, top, 3, 0x3000, 0xfeeff000, KIB_4, PTE_RW);
	tables_map(t, top, 3, 0x4000, 0xfef00000, KIB_4, PTE_RW);
	tables_map(t, top, 3, 0x200000, 0xfee00000, MIB_2, PTE_RW);
	tables_map(t, top, 3, 0x40000000, 0xc0000000, GIB_1, PTE_RW);
	tables_map(t, top, 3, 0xfee00000, 0x9000, KIB_4, PTE_RW);
	expect_gpa(t, 0x1000, 0xfedff000, 12, "rw");
	expect_gpa(t, 0x4000, 0xfef00000, 12, "rw");
	expect_fault(t, 0x2000, VTD_FAULT_INTERRUPT, 4);
	expect_fault(t, 0x3000, VTD_FAULT_INTERRUPT, 4);
	/* All of a large page that touches it. */
	expect_fault(t, 0x3ff000, VTD_FAULT_INTERRUPT, 3);
	expect_fault(t, 0x40000000, VTD_FAULT_INTERRUPT, 2);
	/* Such an IOVA is no DMA at all. */
	g_assert_cmpint(translate(t, 0xfee00000).outcome, ==, VTD_INTERRUPT);
	g_assert_cmpint(translate(t, 0xfeefffff).outcome, ==, VTD_INTERRUPT);
	g_assert_cmpint(translate(t, 0xfedfffff).outcome, ==, VTD_FAULTS);
	g_assert_cmpint(translate(t, 0xfef00000).outcome, ==, VTD_FAULTS);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vtd-translate/sizes", test_sizes);
	g_test_add_func("/vtd-translate/permissions", test_permissions);
	g_test_add_func("/vtd-translate/not-present", test_not_present);
	g_test_add_func("/vtd-translate/reserved", test_reserved);
	g_test_add_func("/vtd-translate/beyond-width", test_beyond_width);
	g_test_add_func("/vtd-translate/narrow-unit", test_narrow_unit);
	g_test_add_func("/vtd-translate/root-and-context", test_root_and_context);
	g_test_add_func("/vtd-translate/not-through-tables", test_not_through_tables);
	g_test_add_func("/vtd-translate/no-memory", test_no_memory);
	g_test_add_func("/vtd-translate/edge-of-ram", test_edge_of_ram);
	g_test_add_func("/vtd-translate/interrupt-range", test_interrupt_range);
	return g_test_run();
}
