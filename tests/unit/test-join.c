/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every verdict on a mapping and its pages, made on purpose (test-join-state.c: verdicts
 * on whole devices and records). */
#include <string.h>

#include "scene.h"

#define IOVA 0x40000000ull

static void
test_match(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_both(s, IOVA, 0x5000, 0x4000);
	scene_both(s, IOVA + 0x10000, 0x9000, 0x1000);
	scene_ask(s, IOVA + 0x20000, 0x20000, 0x1000, "r");
	scene_have(s, IOVA + 0x20000, 0x20000, 0x1000, PTE_R);
	scene_expect(s, "match 40000000-40003fff want 5000 rw have 5000 rw 12\n"
			"match 40010000-40010fff want 9000 rw have 9000 rw 12\n"
			"match 40020000-40020fff want 20000 r have 20000 r 12\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 0);
	g_assert_cmpuint(s->result->pages[VIOMMU_MATCH], ==, 6);
}

/* The record's request in parts, the table's in others: still one mapping. */
static void
test_match_scattered(void)
{
	g_autoptr(scene) s = scene_new(true);

	record_event(s->text, "map",
		"\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x3000\",\"prot\":\"rw\",\"extents\":[{"
		"\"gpa\":\"0x5000\",\"size\":"
		"\"0x1000\"},{\"gpa\":\"0x6000\",\"size\":\"0x1000\"},{\"gpa\":\"0x1000\",\"size\":"
		"\"0x1000\"}]");
	scene_have(s, IOVA, 0x5000, 0x2000, PTE_RW);
	scene_have(s, IOVA + 0x2000, 0x1000, 0x1000, PTE_RW);
	scene_expect(s, "match 40000000-40001fff want 5000 rw have 5000 rw 12\n"
			"match 40002000-40002fff want 1000 rw have 1000 rw 12\n");
}

static void
test_page_size(void)
{
	g_autoptr(scene) s = scene_new(true);

	/* The record does not say; says the same; says another. */
	scene_ask(s, IOVA, 0x200000, 0x200000, "rw");
	tables_map(s->t, s->top, 3, IOVA, 0x200000, MIB_2, PTE_RW);
	record_event(s->text, "map",
		"\"space\":1,\"iova\":\"0x40200000\",\"size\":\"0x200000\",\"prot\":\"rw\",\"page_size\":"
		"\"0x200000\",\"extents\":[{\"gpa\":\"0x400000\",\"size\":\"0x200000\"}]");
	tables_map(s->t, s->top, 3, IOVA + 0x200000, 0x400000, MIB_2, PTE_RW);
	record_event(s->text, "map",
		"\"space\":1,\"iova\":\"0x40400000\",\"size\":\"0x200000\",\"prot\":\"rw\",\"page_size\":"
		"\"0x200000\",\"extents\":[{\"gpa\":\"0x800000\",\"size\":\"0x200000\"}]");
	scene_have(s, IOVA + 0x400000, 0x800000, 0x200000, PTE_RW);
	scene_expect(s, "match 40000000-401fffff want 200000 rw have 200000 rw 21\n"
			"match 40200000-403fffff want 400000 rw have 400000 rw 21\n"
			"match 40400000-405fffff want 800000 rw have 800000 rw 12 size\n");
}

/* Asked for write only: read comes with it on newer kernels, and is no fault. */
static void
test_write_only(void)
{
	g_autoptr(scene) s = scene_new(true);

	for (unsigned i = 0; i < 3; i++)
		scene_ask(s, IOVA + i * 0x1000, 0x5000 + i * 0x1000, 0x1000, "w");
	scene_have(s, IOVA, 0x5000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x1000, 0x6000, 0x1000, PTE_W);
	scene_have(s, IOVA + 0x2000, 0x7000, 0x1000, PTE_R);
	scene_expect(s, "match 40000000-40000fff want 5000 w have 5000 rw 12 read\n"
			"match 40001000-40001fff want 6000 w have 6000 w 12\n"
			"wrong-permission 40002000-40002fff want 7000 w have 7000 r 12\n");
}

static void
test_missing(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_ask(s, 0, 0x1000, 0x1000, "rw");
	scene_ask(s, IOVA, 0x5000, 0x4000, "rw");
	scene_have(s, IOVA + 0x1000, 0x6000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x2000, 0x7000, 0x1000, 0); /* an entry that lets nothing through */
	scene_ask(s, IOVA + 0x40000000, 0x9000, 0x1000, "rw");
	scene_expect(s, "missing 0-fff want 1000 rw\n"
			"missing 40000000-40000fff want 5000 rw\n"
			"match 40001000-40001fff want 6000 rw have 6000 rw 12\n"
			"missing 40002000-40003fff want 7000 rw\n"
			"missing 80000000-80000fff want 9000 rw\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 5);
	/* The evidence is the walk to the first page. */
	g_assert_cmpuint(scene_run(s, 3)->evidence->n_steps, ==, 5);
	g_assert_cmphex(scene_run(s, 3)->evidence->steps[4].entry.v, ==,
		tables_entry(s->t, s->top, 3, IOVA + 0x2000, 1));
	g_assert_cmphex(scene_run(s, 3)->evidence->steps[4].raw[0], ==, 0x7000);
}

/* A directory entry is gone, and with it all below. */
static void
test_missing_directory(void)
{
	g_autoptr(scene) s = scene_new(true);
	uint64_t entry;

	scene_both(s, IOVA, 0x100000, 0x400000);
	entry = tables_entry(s->t, s->top, 3, IOVA + 0x200000, 2);
	tables_poke(s->t, entry, 0);
	scene_expect(s, "match 40000000-401fffff want 100000 rw have 100000 rw 12\n"
			"missing 40200000-403fffff want 300000 rw\n");
	g_assert_cmpuint(scene_run(s, 1)->evidence->n_steps, ==, 4);
	g_assert_cmphex(scene_run(s, 1)->evidence->steps[3].entry.v, ==, entry);
}

static void
test_wrong_address(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_both(s, IOVA, 0x5000, 0x3000);
	scene_have(s, IOVA + 0x1000, 0x99000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x2000, 0x9a000, 0x1000, PTE_R); /* the address counts first */
	scene_expect(s, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"wrong-address 40001000-40001fff want 6000 rw have 99000 rw 12\n"
			"wrong-address 40002000-40002fff want 7000 rw have 9a000 r 12\n");
	/* A large page that is shifted by one small one. */
	tables_map(s->t, s->top, 3, IOVA + 0x200000, 0x400000, MIB_2, PTE_RW);
	scene_ask(s, IOVA + 0x201000, 0x402000, 0x2000, "rw");
	scene_judge(s);
	g_assert_cmpuint(s->result->pages[VIOMMU_WRONG_ADDRESS], ==, 4);
	g_assert_cmphex(scene_run(s, 4)->gpa.v, ==, 0x401000);
}

static void
test_wrong_permission(void)
{
	g_autoptr(scene) s = scene_new(true);
	static const char *const asked[] = { "r", "w", "rw" };
	unsigned page = 0;

	/* All pairs, those of directories included: what counts is what comes out. */
	for (unsigned a = 0; a < 3; a++)
		for (uint64_t had = 1; had < 4; had++, page++) {
			scene_ask(s, IOVA + page * 0x1000, 0x5000, 0x1000, asked[a]);
			scene_have(s, IOVA + page * 0x1000, 0x5000, 0x1000, had);
		}
	scene_expect(s, "match 40000000-40000fff want 5000 r have 5000 r 12\n"
			"wrong-permission 40001000-40001fff want 5000 r have 5000 w 12\n"
			"wrong-permission 40002000-40002fff want 5000 r have 5000 rw 12\n"
			"wrong-permission 40003000-40003fff want 5000 w have 5000 r 12\n"
			"match 40004000-40004fff want 5000 w have 5000 w 12\n"
			"match 40005000-40005fff want 5000 w have 5000 rw 12 read\n"
			"wrong-permission 40006000-40006fff want 5000 rw have 5000 r 12\n"
			"wrong-permission 40007000-40007fff want 5000 rw have 5000 w 12\n"
			"match 40008000-40008fff want 5000 rw have 5000 rw 12\n");
	{
		g_autoptr(scene) directory = scene_new(true);
		uint64_t entry;

		scene_both(directory, IOVA, 0x5000, 0x1000);
		entry = tables_entry(directory->t, directory->top, 3, IOVA, 2);
		tables_poke(directory->t, entry, tables_peek(directory->t, entry) & ~PTE_W);
		scene_expect(directory, "wrong-permission 40000000-40000fff want 5000 rw have 5000 r 12\n");
	}
}

/* The writer of the record could not see the permissions. */
static void
test_permission_unknown(void)
{
	g_autoptr(scene) s = scene_new(true);

	record_event(s->text, "map",
		"\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x2000\",\"extents\":[{\"gpa\":\"0x5000\","
		"\"size\":\"0x2000\"}]");
	scene_have(s, IOVA, 0x5000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x1000, 0x6000, 0x1000, PTE_R);
	scene_expect(s, "match 40000000-40000fff want 5000  have 5000 rw 12\n"
			"match 40001000-40001fff want 6000  have 6000 r 12\n");
}

static void
test_stale(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_both(s, IOVA, 0x5000, 0x4000);
	record_unmap(s->text, 1, IOVA + 0x1000, 0x2000);
	scene_expect(s, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"stale 40001000-40002fff want 6000 rw have 6000 rw 12\n"
			"match 40003000-40003fff want 8000 rw have 8000 rw 12\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 2);
	/* Half of it goes. */
	scene_have(s, IOVA + 0x1000, 0, 0x1000, 0);
	scene_expect(s, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"stale 40002000-40002fff want 7000 rw have 7000 rw 12\n"
			"match 40003000-40003fff want 8000 rw have 8000 rw 12\n");
	/* Mapped anew, elsewhere: a mapping like any other. */
	scene_ask(s, IOVA + 0x1000, 0x99000, 0x2000, "rw");
	scene_have(s, IOVA + 0x1000, 0x99000, 0x2000, PTE_RW);
	scene_expect(s, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"match 40001000-40002fff want 99000 rw have 99000 rw 12\n"
			"match 40003000-40003fff want 8000 rw have 8000 rw 12\n");
}

static void
test_unexpected(void)
{
	g_autoptr(scene) s = scene_new(true), partial = scene_new(false);

	for (unsigned i = 0; i < 2; i++) {
		scene *which = i ? partial : s;

		scene_have(which, 0, 0x1000, 0x1000, PTE_R);
		scene_both(which, IOVA, 0x5000, 0x1000);
		scene_have(which, IOVA + 0x1000, 0x6000, 0x1000, PTE_RW);
		tables_map(which->t, which->top, 3, 0x80000000, 0x40000000, GIB_1, PTE_RW);
	}
	scene_expect(s, "unexpected 0-fff have 1000 r 12\n"
			"match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"unexpected 40001000-40001fff have 6000 rw 12\n"
			"unexpected 80000000-bfffffff have 40000000 rw 30\n");
	g_assert_cmpuint(s->result->pages[VIOMMU_UNEXPECTED], ==, 2 + (1 << 18));
	/* A record that does not know all mappings: no fault, but counted. */
	scene_expect(partial, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n");
	g_assert_cmpuint(scene_target(partial, 0)->not_in_record, ==, 2 + (1 << 18));
	g_assert_cmpuint(viommu_result_faults(partial->result), ==, 0);
}

/* Unmapped and mapped again by somebody whom an incomplete record does not see. */
static void
test_stale_or_not(void)
{
	g_autoptr(scene) s = scene_new(false);

	scene_both(s, IOVA, 0x5000, 0x2000);
	record_unmap(s->text, 1, IOVA, 0x2000);
	scene_have(s, IOVA + 0x1000, 0x99000, 0x1000, PTE_RW);
	scene_expect(s, "stale 40000000-40000fff want 5000 rw have 5000 rw 12\n");
	g_assert_cmpuint(scene_target(s, 0)->not_in_record, ==, 1);
	record_map_unknown(s->text, 1, IOVA + 0x2000, 0x1000, "rw", "why");
	record_unmap(s->text, 1, IOVA + 0x2000, 0x1000);
	scene_have(s, IOVA + 0x2000, 0x7000, 0x1000, PTE_RW);
	scene_judge(s);
	g_assert_cmpuint(s->result->pages[VIOMMU_STALE], ==, 1);
	g_assert_cmpuint(scene_target(s, 0)->not_in_record, ==, 2);
}

static void
test_reserved_bit(void)
{
	g_autoptr(scene) s = scene_new(true);
	uint64_t entry;

	scene_both(s, IOVA, 0x5000, 0x3000);
	scene_have(s, IOVA + 0x1000, 0x6000, 0x1000, PTE_RW | PTE_SNP);
	scene_have(
		s, IOVA + 0x3000, 0x6000, 0x1000, PTE_RW | PTE_SNP); /* nobody asked, nothing comes through */
	scene_expect(s, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"reserved-bit 40001000-40001fff want 6000 rw have 6000 rw 12\n"
			"match 40002000-40002fff want 7000 rw have 7000 rw 12\n");
	/* In a directory: what it names is a table and no page. */
	entry = tables_entry(s->t, s->top, 3, IOVA, 2);
	tables_poke(s->t, entry, tables_peek(s->t, entry) | PTE_SNP);
	scene_expect(s, "reserved-bit 40000000-40002fff want 5000 rw\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 3);
}

static void
test_beyond_width(void)
{
	g_autoptr(scene) s = scene_new(true);
	uint64_t limit = 1ull << 39;

	scene_ask(s, limit - 0x1000, 0x5000, 0x3000, "rw");
	scene_ask(s, 0xfffffffffffff000, 0x9000, 0x1000, "rw");
	scene_have(s, limit - 0x1000, 0x5000, 0x1000, PTE_RW);
	scene_expect(s, "match 7ffffff000-7fffffffff want 5000 rw have 5000 rw 12\n"
			"beyond-width 8000000000-8000001fff want 6000 rw\n"
			"beyond-width fffffffffffff000-ffffffffffffffff want 9000 rw\n");
}

static void
test_interrupt_page(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_both(s, IOVA, 0xfee00000, 0x1000);
	scene_have(s, IOVA + 0x1000, 0xfee01000, 0x1000, PTE_RW); /* refused, and so nothing unexpected */
	scene_expect(s, "missing 40000000-40000fff want fee00000 rw have fee00000 rw 12\n");
	g_assert_nonnull(strstr(scene_run(s, 0)->note, "interrupt"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/join/match", test_match);
	g_test_add_func("/join/match-scattered", test_match_scattered);
	g_test_add_func("/join/page-size", test_page_size);
	g_test_add_func("/join/write-only", test_write_only);
	g_test_add_func("/join/missing", test_missing);
	g_test_add_func("/join/missing-directory", test_missing_directory);
	g_test_add_func("/join/wrong-address", test_wrong_address);
	g_test_add_func("/join/wrong-permission", test_wrong_permission);
	g_test_add_func("/join/permission-unknown", test_permission_unknown);
	g_test_add_func("/join/stale", test_stale);
	g_test_add_func("/join/unexpected", test_unexpected);
	g_test_add_func("/join/stale-or-not", test_stale_or_not);
	g_test_add_func("/join/reserved-bit", test_reserved_bit);
	g_test_add_func("/join/beyond-width", test_beyond_width);
	g_test_add_func("/join/interrupt-page", test_interrupt_page);
	return g_test_run();
}
