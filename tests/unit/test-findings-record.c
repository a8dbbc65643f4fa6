/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found in records, and in verdicts. */
#include "found.h"
#include "scene.h"

#define IOVA 0x40000000ull

static viommu_findings *
look(scene *s)
{
	viommu_findings *ret = viommu_findings_new();
	GError *error = NULL;

	scene_judge(s);
	viommu_find_result(ret, s->result, s->snapshot, &error);
	g_assert_no_error(error);
	return ret;
}

/* L1 saw other registers than those of the scene: its record is of another guest. */
#define ANOTHER "record-of-another-iommu"

static void
test_clean(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	scene_both(s, IOVA, 0x5000, 0x4000);
	f = look(s);
	found_codes(f, ANOTHER);
	found_says(f, ANOTHER, "header of the record: L1 saw CAP 0xd2008c222f0686 (CM = 1)");
}

static void
test_same_view(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = viommu_findings_new();

	scene_both(s, IOVA, 0x5000, 0x1000);
	scene_judge(s);
	found_register(s->snapshot, 0x08, 8, 0xd2008c222f0686);
	found_register(s->snapshot, 0x10, 8, 0xf00f4a);
	g_assert_true(viommu_find_result(f, s->result, s->snapshot, NULL));
	found_codes(f, "");
	found_says(f, "caching-mode-on", "header of the record: L1 saw CM = 1 as well");
}

static void
test_beyond_width(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	scene_ask(s, 1ull << 39, 0x5000, 0x1000, "rw");
	record_event(s->text, "map", "\"space\":1,\"iova\":\"0x10000000000\",\"size\":\"0x1000\",\"errno\":22,\"error\":\"EINVAL\"");
	record_event(s->text, "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"errno\":22,\"error\":\"EINVAL\"");
	f = look(s);
	found_says(f, "iova-beyond-width",
		"event 3 of the record: L1's kernel refused a map up to IOVA 0x10000000fff, and CAP.MGAW is 39 bits");
	found_codes(f, "iova-beyond-width " ANOTHER);
	found_says(f, "iova-beyond-width", "device 00:04.0, IOVA 0x8000000000-0x8000000fff: L1 asked for it, and the device's tables have 39 bits");
}

static void
test_stale(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	scene_both(s, IOVA, 0x5000, 0x2000);
	record_unmap(s->text, 1, IOVA, 0x2000);
	f = look(s);
	found_codes(f, "mapping-stale " ANOTHER);
	found_says(f, "mapping-stale", "L1 unmapped it; the table has GPA 0x5000, rw");
}

/* The verdict's entry is named as viommu doctor names it. */
static void
test_reserved(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	scene_ask(s, IOVA, 0x5000, 0x2000, "rw");
	scene_have(s, IOVA, 0x5000, 0x1000, PTE_RW | PTE_SNP);
	scene_have(s, IOVA + 0x1000, 0x6000, 0x1000, PTE_RW | 1ull << 45);
	f = look(s);
	found_says(f, "snoop-bit", "00:04.0, IOVA 0x40000000, level 1");
	g_assert_cmpuint(viommu_findings_count(f, "snoop-bit"), ==, 1);
}

static void
test_refused(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	scene_both(s, IOVA, 0x5000, 0x1000);
	record_event(s->text, "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"errno\":28,\"error\":\"ENOSPC\"");
	record_event(s->text, "map", "\"space\":1,\"iova\":\"0x2000\",\"size\":\"0x1000\",\"errno\":28,\"error\":\"ENOSPC\"");
	record_event(s->text, "map", "\"space\":1,\"iova\":\"0x3000\",\"size\":\"0x1000\",\"errno\":17,\"error\":\"EEXIST\"");
	f = look(s);
	found_codes(f, "dma-entry-limit map-exists " ANOTHER);
	found_says(f, "dma-entry-limit", "event 3 of the record: 2 map requests of space 1 failed with ENOSPC; 1 succeeded");
	found_says(f, "map-exists", "event 5 of the record: 1 map requests");
}

static void
test_overlap(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(scene) lost = scene_new(true);
	g_autoptr(viommu_findings) f = NULL, none = NULL;

	scene_ask(s, IOVA, 0x5000, 0x2000, "rw");
	scene_ask(s, IOVA + 0x1000, 0x9000, 0x1000, "rw");
	f = look(s);
	found_codes(f, "map-overlaps " ANOTHER);
	found_says(f, "map-overlaps", "event 3 of the record: 1 maps of space 1");
	scene_ask(lost, IOVA, 0x5000, 0x2000, "rw");
	record_event(lost->text, "lost", "\"count\":1,\"reason\":\"a test\"");
	scene_ask(lost, IOVA + 0x1000, 0x9000, 0x1000, "rw");
	none = look(lost);
	found_codes(none, ANOTHER);
}

static void
map_at(scene *s, uint64_t iova, uint64_t vaddr, uint64_t gpa, uint64_t size)
{
	record_event(s->text, "map",
		"\"space\":1,\"iova\":\"0x%" G_GINT64_MODIFIER "x\",\"size\":\"0x%" G_GINT64_MODIFIER
		"x\",\"prot\":\"rw\",\"vaddr\":\"0x%" G_GINT64_MODIFIER "x\",\"extents\":[{\"gpa\":\"0x%" G_GINT64_MODIFIER
		"x\",\"size\":\"0x%" G_GINT64_MODIFIER "x\"}]",
		iova, size, vaddr, gpa, size);
}

/* The program's page at one address is another one at the second map. */
static void
test_replaced(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	map_at(s, IOVA, 0x7f0000000000, 0x5000, 0x4000);
	map_at(s, IOVA + 0x10000, 0x7f0000002000, 0x9000, 0x1000);
	map_at(s, IOVA + 0x20000, 0x7f0000003000, 0x8000, 0x1000); /* the same page: mapped twice, and right */
	f = look(s);
	found_codes(f, "memory-replaced-while-mapped " ANOTHER);
	g_assert_cmpuint(viommu_findings_count(f, "memory-replaced-while-mapped"), ==, 1);
	found_says(f, "memory-replaced-while-mapped",
		"event 3 of the record: the program's page at 0x7f0000002000 is GPA 0x9000 now; IOVA 0x40002000 (event 2) still maps "
		"GPA 0x7000");
}

/* The longest of several is what a later one is held against. */
static void
test_replaced_behind(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	map_at(s, IOVA, 0x7f0000000000, 0x5000, 0x1000);
	map_at(s, IOVA + 0x10000, 0x7f0000001000, 0x10000, 0x4000);
	map_at(s, IOVA + 0x20000, 0x7f0000003000, 0x20000, 0x1000);
	f = look(s);
	g_assert_cmpuint(viommu_findings_count(f, "memory-replaced-while-mapped"), ==, 1);
	found_says(f, "memory-replaced-while-mapped", "0x7f0000003000 is GPA 0x20000 now; IOVA 0x40012000 (event 3)");
}

/* Unmapped in between, it is no story. */
static void
test_not_replaced(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	map_at(s, IOVA, 0x7f0000000000, 0x5000, 0x1000);
	record_unmap(s->text, 1, IOVA, 0x1000);
	map_at(s, IOVA, 0x7f0000000000, 0x9000, 0x1000);
	map_at(s, IOVA + 0x10000, 0, 0xa000, 0x1000);
	map_at(s, IOVA + 0x20000, 0xfffffffffffff000, 0xb000, 0x2000);
	f = look(s);
	found_codes(f, ANOTHER);
}

/* Nothing of many pages is there: the record may be of another guest, or not of now. */
static void
test_not_held(void)
{
	static const struct {
		uint64_t asked, there;
		const char *codes;
	} cases[] = {
		{ 0x10000, 0, "record-not-held " ANOTHER },
		{ 0xf000, 0, ANOTHER },           /* a few can be faults */
		{ 0x20000, 0x1000, ANOTHER },     /* one is there */
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(scene) s = scene_new(true);
		g_autoptr(viommu_findings) f = NULL;

		scene_ask(s, IOVA, 0x5000, cases[i].asked, "rw");
		if (cases[i].there)
			scene_both(s, IOVA + 0x1000000, 0x100000, cases[i].there);
		f = look(s);
		found_codes(f, cases[i].codes);
		if (i == 0)
			found_says(f, "record-not-held",
				"space 1 of the record: of all that it has mapped, 16 pages, not one is in the table");
	}
}

static void
test_not_held_no_ram(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(viommu_findings) f = NULL;

	scene_ask(s, IOVA, 0x5000, 0x8000, "rw");
	scene_ask(s, IOVA + 0x10000, 0x700000000000, 0x8000, "rw");
	f = look(s);
	found_says(f, "record-not-held", "not one is in the table; event 3 has GPA 0x700000000000, where this guest has no RAM");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/findings/record/clean", test_clean);
	g_test_add_func("/findings/record/same-view", test_same_view);
	g_test_add_func("/findings/record/beyond-width", test_beyond_width);
	g_test_add_func("/findings/record/stale", test_stale);
	g_test_add_func("/findings/record/reserved", test_reserved);
	g_test_add_func("/findings/record/refused", test_refused);
	g_test_add_func("/findings/record/overlap", test_overlap);
	g_test_add_func("/findings/record/replaced", test_replaced);
	g_test_add_func("/findings/record/replaced-behind", test_replaced_behind);
	g_test_add_func("/findings/record/not-replaced", test_not_replaced);
	g_test_add_func("/findings/record/not-held", test_not_held);
	g_test_add_func("/findings/record/not-held/no-ram", test_not_held_no_ram);
	return g_test_run();
}
