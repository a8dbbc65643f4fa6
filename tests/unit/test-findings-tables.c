/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found in paging entries. */
#include "find/find.h"
#include "found.h"

#define SID 0x20
#define IOVA 0x40000000ull

typedef struct {
	tables *t;
	uint64_t top;
} guest;

static guest
guest_new(void)
{
	guest ret = { .t = tables_new(48) };

	ret.top = tables_device(ret.t, SID, 4);
	tables_map(ret.t, ret.top, 4, IOVA, 0x5000, KIB_4, PTE_RW);
	return ret;
}

/* Looks, and frees the guest. */
static viommu_findings *
look(guest g)
{
	g_autoptr(viommu_snapshot) s = tables_snapshot(g.t);
	viommu_findings *ret = found_in(s);

	tables_free(g.t);
	return ret;
}

static void
test_reserved(void)
{
	guest g = guest_new();
	g_autoptr(viommu_findings) f = NULL;

	tables_map(g.t, g.top, 4, IOVA + 0x1000, 0x6000, KIB_4, PTE_RW | 1ull << 50);
	tables_map(g.t, g.top, 4, IOVA + 0x2000, 0x7000, KIB_4, PTE_RW | PTE_SNP | PTE_TM);
	f = look(g);
	found_codes(f, "reserved-bit");
	found_says(f, "reserved-bit", "00:04.0, IOVA 0x40001000, level 1: reserved bits 0x4000000000000 are set");
	found_says(f, "reserved-bit", "(bit 62 is TM");
	g_assert_cmpuint(viommu_findings_count(f, "reserved-bit"), ==, 2);
}

static void
test_snoop(void)
{
	guest g = guest_new(), allowed = guest_new();
	g_autoptr(viommu_findings) f = NULL, none = NULL;

	tables_map(g.t, g.top, 4, IOVA + 0x1000, 0x6000, KIB_4, PTE_RW | PTE_SNP);
	f = look(g);
	found_codes(f, "snoop-bit");
	found_says(f, "snoop-bit", "0x0000000000006803: 00:04.0, IOVA 0x40001000, level 1: SNP (bit 11) is set");
	tables_map(allowed.t, allowed.top, 4, IOVA + 0x1000, 0x6000, KIB_4, PTE_RW | PTE_SNP);
	allowed.t->ecap |= 1u << 7;
	none = look(allowed);
	found_codes(none, "");
}

static void
test_loop(void)
{
	guest g = guest_new();
	g_autoptr(viommu_findings) f = NULL;

	tables_poke(g.t, tables_entry(g.t, g.top, 4, IOVA, 2), (tables_entry(g.t, g.top, 4, IOVA, 2) & PTE_ADDRESS) | PTE_RW);
	f = look(g);
	found_codes(f, "table-loop");
	found_says(f, "table-loop", "level 2: it names a table that leads to it");
}

static void
test_two_places(void)
{
	guest g = guest_new();
	g_autoptr(viommu_findings) f = NULL;
	uint64_t entry;

	tables_map(g.t, g.top, 4, IOVA + 0x200000, 0x6000, KIB_4, PTE_RW);
	entry = tables_entry(g.t, g.top, 4, IOVA + 0x200000, 2);
	tables_poke(g.t, entry, tables_peek(g.t, tables_entry(g.t, g.top, 4, IOVA, 2)));
	f = look(g);
	found_codes(f, "table-in-two-places");
	found_says(f, "table-in-two-places", "00:04.0, IOVA 0x40200000: the table at GPA");
	found_says(f, "table-in-two-places", "is in use at IOVA 0x40000000 of 00:04.0 too");
}

static void
test_unreadable(void)
{
	static const struct {
		viommu_page_status status;
		const char *code;
	} cases[] = { { VIOMMU_PAGE_NOT_RAM, "table-outside-ram" }, { VIOMMU_PAGE_FAILED, "table-unread" },
		{ VIOMMU_PAGE_NOT_CAPTURED, "table-unread" } };

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		guest g = guest_new();
		g_autoptr(viommu_findings) f = NULL;

		tables_break(g.t, tables_entry(g.t, g.top, 4, IOVA, 1) & PTE_ADDRESS, cases[i].status);
		f = look(g);
		found_codes(f, cases[i].code);
		found_says(f, cases[i].code, "00:04.0, IOVA 0x40000000-0x401fffff, named at level 2");
	}
}

/* What a budget does not reach is said. */
static void
test_unfinished(void)
{
	guest g = guest_new();
	g_autoptr(viommu_findings) f = viommu_findings_new();
	g_autoptr(viommu_snapshot) s = tables_snapshot(g.t);
	const vtd_budget budget = { .tables = 2, .runs = 100 };

	g_assert_true(viommu_find_tables_within(f, s, budget, NULL));
	found_codes(f, "walk-unfinished");
	found_says(f, "walk-unfinished", "device 00:04.0, IOVA 0x40000000-0x");
	tables_free(g.t);
}

static void
test_interrupt_range(void)
{
	guest g = guest_new();
	g_autoptr(viommu_findings) f = NULL;

	tables_map(g.t, g.top, 4, IOVA + 0x1000, 0xfee00000, KIB_4, PTE_RW);
	f = look(g);
	found_codes(f, "interrupt-range-mapped");
	found_says(f, "interrupt-range-mapped", "IOVA 0x40001000: it overlaps 0xfee00000-0xfeefffff");
}

static void
test_supervisor(void)
{
	guest g = { .t = tables_new(48) };
	g_autoptr(viommu_findings) f = NULL;
	g_autoptr(viommu_snapshot) s = NULL;
	uint64_t words[8] = { 1 | 2 << 2 | 1 << 6, 9 };

	tables_scalable(g.t);
	words[2] = tables_page(g.t);
	tables_map_first(g.t, words[2], 4, IOVA, 0x5000, KIB_4, FPTE_P | FPTE_W, 0);
	tables_pasid(g.t, SID, 0, words);
	s = tables_snapshot(g.t);
	g_free(found_machine(s)->version);
	found_machine(s)->version = g_strdup("10.0.2");
	f = found_in(s);
	found_codes(f, "supervisor-page");
	found_says(f, "supervisor-page", "00:04.0, IOVA 0x40000000: U/S = 0");
	tables_free(g.t);
}

/* RAM with the hole of a PC: below 4 GiB from 2 GiB on, and above 6 GiB. */
static void
test_outside_ram(void)
{
	guest g = guest_new();
	g_autoptr(viommu_snapshot) s = NULL;
	g_autoptr(viommu_findings) f = NULL;
	viommu_ram_region low = { .gpa = { 0x100000, 0x7fffffff }, .name = "pc.ram" };
	viommu_ram_region high = { .gpa = { 1ull << 32, (6ull << 30) - 1 }, .name = "pc.ram" };

	tables_map(g.t, g.top, 4, 0xa0000, 0xa0000, KIB_4, PTE_RW); /* the ISA bridge's */
	tables_map(g.t, g.top, 4, IOVA + 0x3000, 0xa1000, KIB_4, PTE_RW);
	tables_map(g.t, g.top, 4, IOVA + 0x1000, 0x80000000, KIB_4, PTE_RW);
	tables_map(g.t, g.top, 4, IOVA + 0x2000, 6ull << 30, KIB_4, PTE_RW);
	tables_map(g.t, g.top, 4, 1ull << 32, 5ull << 30, GIB_1, PTE_RW); /* all of it is RAM */
	s = tables_snapshot(g.t);
	g_array_index(found_machine(s)->ram, viommu_ram_region, 0).gpa.last = 0x9ffff;
	g_array_append_val(found_machine(s)->ram, low);
	g_array_append_val(found_machine(s)->ram, high);
	f = found_in(s);
	found_codes(f, "gpa-in-mmio-hole gpa-outside-ram");
	found_says(f, "gpa-in-mmio-hole", "IOVA 0x40001000-0x40001fff: no RAM at GPA 0x80000000");
	found_says(f, "gpa-outside-ram", "IOVA 0x40002000-0x40002fff: no RAM at GPA 0x180000000");
	found_says(f, "gpa-in-mmio-hole", "IOVA 0x40003000-0x40003fff: no RAM at GPA 0xa1000");
	g_assert_cmpuint(viommu_findings_count(f, "gpa-in-mmio-hole"), ==, 2);
	tables_free(g.t);
}

static void
test_twice(void)
{
	guest g = guest_new();
	g_autoptr(viommu_findings) f = NULL;

	tables_map_pages(g.t, g.top, 4, IOVA + 0x10000, 0x4000, 0x3000, PTE_RW);
	tables_map_pages(g.t, g.top, 4, IOVA + 0x20000, 0x6000, 0x2000, PTE_RW);
	f = look(g);
	found_codes(f, "gpa-mapped-twice");
	found_says(f, "gpa-mapped-twice", "device 00:04.0: 2 pages more than once, the first at GPA 0x5000");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/findings/tables/reserved", test_reserved);
	g_test_add_func("/findings/tables/snoop", test_snoop);
	g_test_add_func("/findings/tables/loop", test_loop);
	g_test_add_func("/findings/tables/two-places", test_two_places);
	g_test_add_func("/findings/tables/unreadable", test_unreadable);
	g_test_add_func("/findings/tables/unfinished", test_unfinished);
	g_test_add_func("/findings/tables/interrupt-range", test_interrupt_range);
	g_test_add_func("/findings/tables/supervisor", test_supervisor);
	g_test_add_func("/findings/tables/outside-ram", test_outside_ram);
	g_test_add_func("/findings/tables/twice", test_twice);
	return g_test_run();
}
