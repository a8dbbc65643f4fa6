/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts that hang on the state of a device, of the tables as a whole, or of the record. */
#include <string.h>

#include "helpers.h"
#include "scene.h"

#define IOVA 0x40000000ull

/* All that L1 asked for has this verdict, and the note says why. */
static void
expect_all(scene *s, viommu_verdict verdict, const char *note)
{
	scene_judge(s);
	g_assert_cmpuint(s->result->pages[verdict], ==, 3);
	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		g_assert_cmpuint(s->result->pages[v], ==, v == verdict ? 3 : 0);
	for (guint i = 0; i < s->result->runs->len; i++) {
		g_assert_false(scene_run(s, i)->has_observed);
		if (!note)
			g_assert_null(scene_run(s, i)->note);
		else if (!scene_run(s, i)->note || !strstr(scene_run(s, i)->note, note))
			g_error("the note \"%s\" has no \"%s\"", scene_run(s, i)->note, note);
	}
}

/* Three pages that are there; and one that is nobody's. */
static scene *
good_scene(void)
{
	scene *s = scene_new(true);

	scene_both(s, IOVA, 0x5000, 0x2000);
	scene_both(s, 0x7ffffff000, 0x9000, 0x1000); /* the last page that there is */
	return s;
}

static void
test_no_context(void)
{
	g_autoptr(scene) s = good_scene();
	uint64_t context = tables_context_at(s->t, SCENE_SID), low = tables_peek(s->t, context);

	tables_poke(s->t, context, low & ~1ull);
	expect_all(s, VIOMMU_NO_CONTEXT, "the context entry is not present");
	tables_poke(s->t, context, low | 1 << 4);
	expect_all(s, VIOMMU_NO_CONTEXT, "a reserved bit is set in the context entry");
	tables_poke(s->t, context, low | 3 << 2);
	expect_all(s, VIOMMU_NO_CONTEXT, "programmed wrongly");
	tables_poke(s->t, context, low);
	tables_poke(s->t, s->t->root, 0);
	expect_all(s, VIOMMU_NO_CONTEXT, "the root entry is not present");
	s->t->rtaddr = s->t->ram;
	expect_all(s, VIOMMU_NO_CONTEXT, "the root entry cannot be read");
}

static void
test_not_translated(void)
{
	g_autoptr(scene) s = good_scene();

	s->t->gsts &= ~(1u << 31);
	expect_all(s, VIOMMU_TRANSLATION_OFF, NULL);
	s->t->gsts |= 1u << 31;
	tables_context(s->t, SCENE_SID, 1 | 2 << 2, 1);
	expect_all(s, VIOMMU_PASSED_THROUGH, NULL);
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 3);
}

/* What only we cannot read is open; what QEMU cannot read either is not. */
static void
test_unreadable(void)
{
	static const viommu_page_status open_question[] = { VIOMMU_PAGE_FAILED, VIOMMU_PAGE_NOT_CAPTURED };
	static const char *const notes[] = { "could not be read", "not in the snapshot" };

	for (gsize i = 0; i < G_N_ELEMENTS(open_question); i++) {
		g_autoptr(scene) context = good_scene(), top = good_scene();

		tables_break(
			context->t, tables_context_at(context->t, SCENE_SID) & PTE_ADDRESS, open_question[i]);
		expect_all(context, VIOMMU_UNVERIFIED, "could not be read");
		tables_break(top->t, top->top, open_question[i]);
		expect_all(top, VIOMMU_UNVERIFIED, notes[i]);
		g_assert_nonnull(strstr(scene_run(top, 0)->note, "the top table at GPA 0x1"));
		g_assert_cmpuint(viommu_result_faults(top->result), ==, 0);
	}
	{
		g_autoptr(scene) s = good_scene();
		uint64_t context = tables_context_at(s->t, SCENE_SID);

		tables_poke(s->t, context, s->t->ram | 1);
		expect_all(s, VIOMMU_MISSING, "the top table at GPA 0x400000000 is not in L1's RAM");
	}
}

/* One table below: only what it holds is open. */
static void
test_unreadable_part(void)
{
	g_autoptr(scene) s = good_scene();
	uint64_t entry = tables_entry(s->t, s->top, 3, IOVA, 2);

	tables_break(s->t, tables_peek(s->t, entry) & PTE_ADDRESS, VIOMMU_PAGE_FAILED);
	scene_expect(s, "unverified 40000000-40001fff want 5000 rw\n"
			"match 7ffffff000-7fffffffff want 9000 rw have 9000 rw 12\n");
	g_assert_nonnull(strstr(scene_run(s, 0)->note, "named by the level-2 entry"));
	tables_poke(s->t, entry, s->t->ram | PTE_RW);
	scene_expect(s, "missing 40000000-40001fff want 5000 rw\n"
			"match 7ffffff000-7fffffffff want 9000 rw have 9000 rw 12\n");
	tables_poke(s->t, entry, s->top | PTE_RW);
	scene_expect(s, "unverified 40000000-40001fff want 5000 rw\n"
			"match 7ffffff000-7fffffffff want 9000 rw have 9000 rw 12\n");
	g_assert_nonnull(strstr(scene_run(s, 0)->note, "loop"));
}

static void
test_gpa_unknown(void)
{
	g_autoptr(scene) s = scene_new(true);

	record_map_unknown(s->text, 1, IOVA, 0x4000, "rw", "no CAP_SYS_ADMIN");
	scene_have(s, IOVA, 0x5000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x1000, 0x99000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x2000, 0x7000, 0x1000, PTE_R);
	/* That it is not there at all, or with other permissions, can be told. */
	scene_expect(s, "unverified 40000000-40000fff want ? rw have 5000 rw 12\n"
			"unverified 40001000-40001fff want ? rw have 99000 rw 12\n"
			"wrong-permission 40002000-40002fff want ? rw have 7000 r 12\n"
			"missing 40003000-40003fff want ? rw\n");
	g_assert_cmpstr(scene_run(s, 0)->note, ==, "no CAP_SYS_ADMIN");
}

/* When events are lost, only what is there proves something. */
static void
test_lost(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_both(s, IOVA, 0x5000, 0x6000);
	record_unmap(s->text, 1, IOVA + 0x1000, 0x1000);                /* stale */
	scene_have(s, IOVA + 0x2000, 0, 0x1000, 0);                     /* missing */
	scene_have(s, IOVA + 0x3000, 0x99000, 0x1000, PTE_RW);          /* wrong address */
	scene_have(s, IOVA + 0x4000, 0x9000, 0x1000, PTE_R);            /* wrong permission */
	scene_have(s, IOVA + 0x5000, 0xa000, 0x1000, PTE_RW | PTE_SNP); /* reserved bit */
	scene_have(s, IOVA + 0x6000, 0xb000, 0x1000, PTE_RW);           /* unexpected */
	scene_judge(s);
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 6);
	record_event(s->text, "lost", "\"count\":1,\"reason\":\"overrun\"");
	scene_judge(s);
	g_assert_cmpuint(s->result->pages[VIOMMU_MATCH], ==, 1);
	g_assert_cmpuint(
		s->result->pages[VIOMMU_RESERVED_BIT], ==, 1); /* the entry is wrong, whoever asked */
	g_assert_cmpuint(s->result->pages[VIOMMU_UNVERIFIED], ==, 5);
	g_assert_cmpstr(scene_run(s, 1)->note, ==, "the record has lost events (overrun)");
}

/* A record whose end is missing. */
static void
test_unsettled(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify) viommu_record_free);
	g_autoptr(viommu_snapshot) snapshot = NULL;
	g_autoptr(viommu_result) result = NULL;

	scene_both(s, IOVA, 0x5000, 0x1000);
	scene_ask(s, IOVA + 0x1000, 0x6000, 0x1000, "rw");
	g_ptr_array_add(records, record_good(s->text, NULL));
	snapshot = tables_snapshot(s->t);
	result = viommu_verify(records, snapshot, NULL, NULL);
	g_assert_cmpuint(result->pages[VIOMMU_MATCH], ==, 1);
	g_assert_cmpuint(result->pages[VIOMMU_UNVERIFIED], ==, 1);
	g_assert_cmpuint(viommu_result_faults(result), ==, 0);
}

static void
test_shared_table(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_both(s, IOVA, 0x5000, 0x1000);
	scene_ask(s, IOVA + 0x1000, 0x6000, 0x1000, "rw");
	record_attach(s->text, 1, "0000:00:05.0", true);
	tables_context(s->t, 0x28, s->top | 1, 1 | 7u << 8);
	scene_expect(s, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"missing 40001000-40001fff want 6000 rw\n");
	g_assert_cmpuint(s->result->targets->len, ==, 2);
	g_assert_cmpuint(scene_target(s, 0)->same_as, ==, 0);
	g_assert_cmpuint(scene_target(s, 1)->same_as, ==, 0);
	/* A table of its own: judged on its own. */
	tables_device(s->t, 0x28, 3);
	scene_expect(s, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"missing 40001000-40001fff want 6000 rw\n"
			"missing 40000000-40000fff want 5000 rw\n"
			"missing 40001000-40001fff want 6000 rw\n");
	g_assert_cmpuint(scene_target(s, 1)->same_as, ==, 1);
	g_assert_cmpuint(scene_target(s, 1)->pages[VIOMMU_MISSING], ==, 2);
	/* The same address, but fewer levels: another table. */
	tables_context(s->t, 0x28, 1 | 2 << 2, 1);
	scene_judge(s);
	g_assert_cmpuint(scene_target(s, 1)->pages[VIOMMU_PASSED_THROUGH], ==, 2);
}

static void
test_two_spaces(void)
{
	g_autoptr(scene) s = scene_new(true);
	uint64_t other = tables_device(s->t, 0x28, 3);

	scene_both(s, IOVA, 0x5000, 0x1000);
	record_attach(s->text, 2, "0000:00:05.0", false);
	record_map(s->text, 2, IOVA, 0x7000, 0x1000, "rw");
	tables_map(s->t, other, 3, IOVA, 0x7000, KIB_4, PTE_RW);
	tables_map(s->t, other, 3, 0, 0x7000, KIB_4, PTE_RW);
	tables_map(s->t, s->top, 3, 0, 0x7000, KIB_4, PTE_RW);
	scene_expect(s, "unexpected 0-fff have 7000 rw 12\n"
			"match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"match 40000000-40000fff want 7000 rw have 7000 rw 12\n");
	g_assert_cmpint(scene_target(s, 1)->space->id, ==, 2);
	g_assert_cmpuint(scene_target(s, 1)->not_in_record, ==, 1);
}

/* Detached: its mappings are nobody's, and the table of that device is not looked at. */
static void
test_detached(void)
{
	g_autoptr(scene) s = good_scene();

	record_event(s->text, "detach", "\"space\":1,\"device\":\"0000:00:04.0\"");
	expect_all(s, VIOMMU_UNVERIFIED, "no device is attached");
}

/* A record that never says which device: found in any table, or in none. */
static void
test_any_device(void)
{
	g_autoptr(scene) s = scene_new(true);
	uint64_t other = tables_device(s->t, 0x28, 3);

	record_text_free(s->text);
	s->text = record_text_new();
	scene_both(s, IOVA, 0x5000, 0x1000);
	scene_ask(s, IOVA + 0x1000, 0x6000, 0x1000, "rw");
	tables_map(s->t, other, 3, IOVA + 0x1000, 0x6000, KIB_4, PTE_RW);
	tables_map(s->t, other, 3, IOVA, 0x99000, KIB_4, PTE_RW); /* elsewhere: another device's business */
	scene_ask(s, IOVA + 0x2000, 0x7000, 0x1000, "rw");
	record_map_unknown(s->text, 1, IOVA + 0x3000, 0x1000, "rw", "why");
	scene_have(s, IOVA + 0x3000, 0x8000, 0x1000, PTE_RW);
	record_map_unknown(s->text, 1, IOVA + 0x4000, 0x1000, "rw", "why");
	scene_judge(s);
	g_assert_cmpuint(s->result->pages[VIOMMU_MATCH], ==, 2);
	/* In no table at all is missing, known GPA or not; somewhere, with a GPA that is not known, is open. */
	g_assert_cmpuint(s->result->pages[VIOMMU_MISSING], ==, 2);
	g_assert_cmpuint(s->result->pages[VIOMMU_UNVERIFIED], ==, 1);
	/* Something could not be read: absence proves nothing. */
	tables_break(s->t, other, VIOMMU_PAGE_FAILED);
	scene_judge(s);
	g_assert_cmpuint(s->result->pages[VIOMMU_MATCH], ==, 1);
	g_assert_cmpuint(s->result->pages[VIOMMU_UNVERIFIED], ==, 4);
	s->t->gsts = 0;
	scene_judge(s);
	g_assert_cmpuint(s->result->pages[VIOMMU_TRANSLATION_OFF], ==, 5);
}

static void
test_nothing(void)
{
	g_autoptr(scene) s = scene_new(true);
	g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify) viommu_record_free);
	g_autoptr(record_text) empty = record_text_new();
	g_autoptr(viommu_snapshot) snapshot = tables_snapshot(s->t);
	g_autoptr(GError) error = NULL;

	/* A device, and nothing mapped: good. */
	scene_expect(s, "");
	g_assert_cmpuint(s->result->targets->len, ==, 1);
	/* No device, nothing mapped: nothing was verified, and that is said. */
	g_ptr_array_add(records, record_good(empty, NULL));
	g_assert_null(viommu_verify(records, snapshot, NULL, &error));
	unit_error(&error, VIOMMU_ERROR_INPUT, "nothing to verify");
}

/* Several records at once: each is judged. */
static void
test_two_records(void)
{
	g_autoptr(scene) s = scene_new(false);
	g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify) viommu_record_free);
	g_autoptr(viommu_snapshot) snapshot = NULL;
	g_autoptr(viommu_result) result = NULL;

	scene_both(s, IOVA, 0x5000, 0x1000);
	record_end(s->text);
	g_ptr_array_add(records, record_good(s->text, NULL));
	scene_ask(s, IOVA + 0x1000, 0x6000, 0x1000, "rw");
	record_end(s->text);
	g_ptr_array_add(records, record_good(s->text, NULL));
	snapshot = tables_snapshot(s->t);
	result = viommu_verify(records, snapshot, NULL, NULL);
	g_assert_cmpuint(result->targets->len, ==, 2);
	g_assert_cmpuint(result->pages[VIOMMU_MATCH], ==, 2);
	g_assert_cmpuint(result->pages[VIOMMU_MISSING], ==, 1);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/join-state/no-context", test_no_context);
	g_test_add_func("/join-state/not-translated", test_not_translated);
	g_test_add_func("/join-state/unreadable", test_unreadable);
	g_test_add_func("/join-state/unreadable-part", test_unreadable_part);
	g_test_add_func("/join-state/gpa-unknown", test_gpa_unknown);
	g_test_add_func("/join-state/lost", test_lost);
	g_test_add_func("/join-state/unsettled", test_unsettled);
	g_test_add_func("/join-state/shared-table", test_shared_table);
	g_test_add_func("/join-state/two-spaces", test_two_spaces);
	g_test_add_func("/join-state/detached", test_detached);
	g_test_add_func("/join-state/any-device", test_any_device);
	g_test_add_func("/join-state/nothing", test_nothing);
	g_test_add_func("/join-state/two-records", test_two_records);
	return g_test_run();
}
