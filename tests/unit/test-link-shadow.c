/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Link 5: L1's table against shadows that are made here. */
#include <string.h>

#include <viommu/finding.h>

#include "helpers.h"
#include "shadow-scene.h"

#define IOVA 0x40000000ull
#define HPA 0x700000000ull /* where the page of GPA 0 stands, unless said otherwise */

/* "verdict first-last" of link 5, neighbours with one answer as one, those that are
 * unmapped with "gone"; one a line. */
static void
expect(scene *s, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);
	guint n;

	scene_judge(s);
	n = s->result->runs->len;
	for (guint i = 0; i < n; i++) {
		const viommu_run *run = scene_run(s, i);
		const viommu_link_status *status = shadow_scene_status(s, i);
		viommu_shadow_verdict verdict = viommu_shadow_verdict_of(status);
		uint64_t first = run->iova.first;

		g_assert_nonnull(status->note);
		g_assert_cmpint(status->state == VIOMMU_LINK_BROKEN, ==, verdict > VIOMMU_SHADOW_FOLLOWS);
		g_assert_cmpint(status->state == VIOMMU_LINK_OK, ==, verdict == VIOMMU_SHADOW_FOLLOWS);
		while (i + 1 < n && scene_run(s, i + 1)->iova.first == scene_run(s, i)->iova.last + 1 &&
			(scene_run(s, i + 1)->verdict == VIOMMU_GONE) == (run->verdict == VIOMMU_GONE) &&
			shadow_scene_status(s, i + 1)->note == status->note)
			i++;
		g_string_append_printf(text, "%s%s %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x\n",
			run->verdict == VIOMMU_GONE ? "gone " : "", shadow_words[verdict], first, scene_run(s, i)->iova.last);
	}
	g_assert_cmpstr(text->str, ==, wanted);
}

static void
expect_note(const scene *s, guint i, const char *part)
{
	if (!strstr(shadow_scene_status(s, i)->note, part))
		g_error("the note \"%s\" has no \"%s\"", shadow_scene_status(s, i)->note, part);
}

static void
test_follows(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();
	viommu_shadow *shadow = shadow_scene_shadow(s, 0);

	scene_both(s, IOVA, 0x5000, 0x4000);
	shadow_scene_stands(s, 0x5000, HPA, 0x1000);
	shadow_scene_stands(s, 0x6000, HPA + 0x9000, 0x3000);
	shadow_scene_maps(shadow, IOVA, HPA, 0x1000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x1000, HPA + 0x9000, 0x3000, "rw");
	expect(s, "follows 40000000-40003fff\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 0);
}

/* One page each of what can be wrong. */
static void
test_faults(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();
	viommu_shadow *shadow = shadow_scene_shadow(s, 0);

	scene_both(s, IOVA, 0x5000, 0x8000);
	shadow_scene_stands(s, 0x5000, HPA, 0x8000);
	shadow_scene_maps(shadow, 0x1000, HPA, 0x1000, "rw");
	shadow_scene_maps(shadow, IOVA - 0x1000, HPA - 0x1000, 0x2000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x2000, HPA + 0x2000, 0x1000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x3000, HPA + 0x4000, 0x1000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x4000, HPA + 0x4000, 0x1000, "r");
	shadow_scene_maps(shadow, IOVA + 0x5000, HPA + 0x5000, 0x3000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x8000, HPA + 0x8000, 0x1000, "rw");
	shadow_scene_maps(shadow, UINT64_MAX - 0xfff, HPA, 0x1000, "rw");
	expect(s, "gone stale 1000-1fff\n"
		  "gone stale 3ffff000-3fffffff\n"
		  "follows 40000000-40000fff\n"
		  "missing 40001000-40001fff\n"
		  "follows 40002000-40002fff\n"
		  "wrong-page 40003000-40003fff\n"
		  "wrong-permission 40004000-40004fff\n"
		  "follows 40005000-40007fff\n"
		  "gone stale 40008000-40008fff\n"
		  "gone stale fffffffffffff000-ffffffffffffffff\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 7);
}

/* A snapshot that is older than the record, and than what the host's IOMMU was seen to have: by a
 * record that may lack something nobody knows. */
static void
test_moments(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();
	viommu_shadow *shadow = shadow_scene_shadow(s, 0);

	scene_both(s, IOVA, 0x5000, 0x4000);
	shadow_scene_stands(s, 0x5000, HPA, 0x8000);
	shadow_scene_maps(shadow, IOVA, HPA, 0x1000, "rw");
	record_unmap(s->text, 1, IOVA + 0x1000, 0x1000);
	record_unmap(s->text, 1, IOVA + 0x3000, 0x1000);
	scene_ask(s, IOVA + 0x3000, 0xa000, 0x1000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x3000, HPA + 0x5000, 0x1000, "rw");
	expect(s, "follows 40000000-40000fff\n"
		  "missing 40001000-40002fff\n"
		  "wrong-page 40003000-40003fff\n");
	record_event(s->text, "lost", "\"count\":3,\"reason\":\"so\"");
	expect(s, "follows 40000000-40000fff\n"
		  "unverified 40001000-40001fff\n"
		  "missing 40002000-40002fff\n"
		  "wrong-page 40003000-40003fff\n");
	expect_note(s, 1, "may have been read before");
}

/* What the findings say, with the numbers. */
static void
test_findings(void)
{
	static const struct {
		const char *code, *where, *seen;
	} wanted[] = {
		{ "shadow-missing", "device 00:04.0, IOVA 0x40001000-0x40001fff",
			"L1's table has GPA 0x6000 (domain 7); the test has nothing there for the host's device 0000:03:00.0" },
		{ "shadow-wrong-page", "device 00:04.0, IOVA 0x40000000-0x40000fff",
			"L1's table has GPA 0x5000, which stands at the host's address 0x700000000; the test has 0x700800000 for the "
			"host's device 0000:03:00.0" },
		{ "shadow-wrong-permission", "device 00:04.0, IOVA 0x40002000-0x40002fff",
			"L1's table gives rw, the test gives r- to the host's device 0000:03:00.0 (GPA 0x7000, the host's address "
			"0x700002000)" },
		{ "shadow-stale", "device 00:04.0, IOVA 0x50000000-0x50001fff",
			"L1's table has nothing (domain 7); the test has the host's address 0x700009000 for the host's device "
			"0000:03:00.0" },
	};
	g_autoptr(shadow_scene) s = shadow_scene_new();
	g_autoptr(viommu_findings) findings = viommu_findings_new();
	g_autoptr(GError) error = NULL;

	scene_both(s, IOVA, 0x5000, 0x3000);
	shadow_scene_stands(s, 0x5000, HPA, 0x3000);
	shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA, HPA + 0x800000, 0x1000, "rw");
	shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA + 0x2000, HPA + 0x2000, 0x1000, "r");
	shadow_scene_maps(shadow_scene_shadow(s, 0), 0x50000000, HPA + 0x9000, 0x2000, "rw");
	scene_judge(s);
	g_assert_true(viommu_find_result(findings, s->result, s->snapshot, &error));
	for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
		g_autoptr(GPtrArray) groups = viommu_findings_groups(findings);
		bool found = false;

		for (guint k = 0; k < groups->len; k++) {
			const viommu_finding_group *group = g_ptr_array_index(groups, k);
			const viommu_finding *item = g_ptr_array_index(group->list, 0);

			if (strcmp(group->kind->code, wanted[i].code) != 0)
				continue;
			g_assert_cmpuint(group->count, ==, 1);
			g_assert_cmpstr(item->where, ==, wanted[i].where);
			g_assert_cmpstr(item->seen, ==, wanted[i].seen);
			found = true;
		}
		g_assert_true(found);
	}
}

/* The entry is gone from L1's table, and L1 thinks that it is there: stale all the same. */
static void
test_cleared(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();

	scene_both(s, IOVA, 0x5000, 0x3000);
	scene_have(s, IOVA + 0x1000, 0, 0x1000, 0);
	shadow_scene_stands(s, 0x5000, HPA, 0x3000);
	shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA, HPA, 0x3000, "rw");
	expect(s, "follows 40000000-40000fff\nstale 40001000-40001fff\nfollows 40002000-40002fff\n");
}

/* Needs no record that knows every mapping. What the table has is nothing stale. */
static void
test_incomplete_record(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();

	record_text_free(s->text);
	s->text = record_text_new();
	record_attach(s->text, 1, "0000:00:04.0", false);
	scene_both(s, IOVA, 0x5000, 0x1000);
	scene_have(s, 0x1000, 0x9000, 0x1000, PTE_RW); /* asked for by somebody else */
	shadow_scene_stands(s, 0x5000, HPA, 0x1000);
	shadow_scene_maps(shadow_scene_shadow(s, 0), 0x1000, HPA + 0x20000, 0x2000, "rw");
	shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA, HPA, 0x2000, "rw");
	expect(s, "gone stale 2000-2fff\nfollows 40000000-40000fff\ngone stale 40001000-40001fff\n");
}

static void
test_permissions(void)
{
	static const struct {
		uint64_t table;
		const char *shadow, *wanted;
	} cases[] = {
		{ PTE_RW, "rw", "follows" },
		{ PTE_R, "r", "follows" },
		{ PTE_W, "rw", "follows" }, /* QEMU asks for read with every mapping */
		{ PTE_W, "w", "follows" },
		{ PTE_R, "rw", "wrong-permission" },
		{ PTE_RW, "r", "wrong-permission" },
		{ PTE_RW, "w", "wrong-permission" },
		{ PTE_R, "w", "wrong-permission" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(shadow_scene) s = shadow_scene_new();
		g_autofree char *wanted = g_strdup_printf("%s 40000000-40000fff\n", cases[i].wanted);

		scene_ask(s, IOVA, 0x5000, 0x1000, "rw");
		scene_have(s, IOVA, 0x5000, 0x1000, cases[i].table);
		shadow_scene_stands(s, 0x5000, HPA, 0x1000);
		shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA, HPA, 0x1000, cases[i].shadow);
		expect(s, wanted);
	}
	{
		g_autoptr(shadow_scene) s = shadow_scene_new();
		viommu_shadow_piece piece = { .iova = { IOVA, IOVA + 0xfff }, .hpa = { HPA }, .hpa_known = true };

		scene_both(s, IOVA, 0x5000, 0x1000);
		shadow_scene_stands(s, 0x5000, HPA, 0x1000);
		viommu_shadow_add(shadow_scene_shadow(s, 0), &piece);
		expect(s, "follows 40000000-40000fff\n");
		expect_note(s, 0, "with which permissions was not seen");
	}
}

/* The pages of L0 are not known: presence and absence still are. */
static void
test_no_backing(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();

	scene_both(s, IOVA, 0x5000, 0x3000);
	shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA + 0x1000, HPA, 0x3000, "rw");
	expect(s, "missing 40000000-40000fff\nunverified 40001000-40002fff\ngone stale 40003000-40003fff\n");
	expect_note(s, 1, "--backing");
	shadow_scene_stands(s, 0x6000, HPA, 0x1000);
	expect(s, "missing 40000000-40000fff\nfollows 40001000-40001fff\nunverified 40002000-40002fff\n"
		  "gone stale 40003000-40003fff\n");
	expect_note(s, 2, "which page of the host stands behind L1's is not known");
}

/* Of the pages of one run only the outer ones are known. */
static void
test_backing_gap(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();

	scene_both(s, IOVA, 0x5000, 0x5000);
	shadow_scene_stands(s, 0x5000, HPA, 0x1000);
	shadow_scene_stands(s, 0x9000, HPA + 0x4000, 0x1000);
	shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA, HPA, 0x5000, "rw");
	expect(s, "follows 40000000-40000fff\nunverified 40001000-40003fff\nfollows 40004000-40004fff\n");
}

/* What the source cannot prove. */
static void
test_doubt(void)
{
	static const viommu_iova_range maybe = { IOVA + 0x1000, IOVA + 0x1fff };
	g_autoptr(shadow_scene) s = shadow_scene_new();
	viommu_shadow *shadow = shadow_scene_shadow(s, 0);
	viommu_shadow_piece piece = { .iova = { IOVA + 0x6000, IOVA + 0x6fff }, .unknown = "a reason" };

	scene_both(s, IOVA, 0x5000, 0x7000);
	shadow_scene_stands(s, 0x5000, HPA, 0x7000);
	shadow_scene_maps(shadow, IOVA + 0x3000, HPA + 0x3000, 0x1000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x4000, HPA, 0x1000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x5000, HPA + 0x5000, 0x1000, "r");
	viommu_shadow_add(shadow, &piece);
	shadow_scene_maps(shadow, IOVA + 0x7000, HPA, 0x1000, "rw");
	g_array_append_val(shadow->maybe, maybe);
	expect(s, "missing 40000000-40000fff\nunverified 40001000-40001fff\nmissing 40002000-40002fff\n"
		  "follows 40003000-40003fff\nwrong-page 40004000-40004fff\nwrong-permission 40005000-40005fff\n"
		  "unverified 40006000-40006fff\ngone stale 40007000-40007fff\n");
	expect_note(s, 1, "for a device that is not known");
	shadow->absence = "no proof of absence";
	expect(s, "unverified 40000000-40002fff\n"
		  "follows 40003000-40003fff\nwrong-page 40004000-40004fff\nwrong-permission 40005000-40005fff\n"
		  "unverified 40006000-40006fff\ngone stale 40007000-40007fff\n");
	shadow->presence = "no proof of presence";
	expect(s, "unverified 40000000-40002fff\nfollows 40003000-40003fff\nunverified 40004000-40005fff\n"
		  "unverified 40006000-40006fff\ngone unverified 40007000-40007fff\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 0);
	viommu_shadow_set_apart(shadow); /* of another moment: nor does what agrees prove anything */
	expect(s, "unverified 40000000-40006fff\ngone unverified 40007000-40007fff\n");
}

/* What is there on purpose and not L1's. */
static void
test_not_stale(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();

	scene_both(s, IOVA, 0x5000, 0x1000);
	shadow_scene_stands(s, 0x5000, HPA, 0x1000);
	shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA, HPA, 0x1000, "rw");
	shadow_scene_maps(shadow_scene_shadow(s, 0), 0x7b800000, 0x7b800000, 0x100000, "rw"); /* RMRR */
	shadow_scene_maps(shadow_scene_shadow(s, 0), 0xfedff000, HPA + 0x10000, 0x1000, "rw");
	shadow_scene_maps(shadow_scene_shadow(s, 0), 0xfee00000, HPA + 0x20000, 0x100000, "w");
	shadow_scene_maps(shadow_scene_shadow(s, 0), 0xfef00000, HPA + 0x30000, 0x1000, "rw");
	expect(s, "follows 40000000-40000fff\ngone unverified 7b800000-7b8fffff\ngone stale fedff000-fedfffff\n"
		  "gone stale fef00000-fef00fff\n");
	/* In one piece. */
	g_array_set_size(shadow_scene_shadow(s, 0)->pieces, 1);
	shadow_scene_maps(shadow_scene_shadow(s, 0), 0xfedff000, HPA, 0x102000, "rw");
	expect(s, "follows 40000000-40000fff\ngone stale fedff000-fedfffff\ngone unverified fee00000-feefffff\n"
		  "gone stale fef00000-fef00fff\n");
}

static void
test_other_devices(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();
	viommu_shadow *shadow = shadow_scene_shadow(s, 0);

	scene_both(s, IOVA, 0x5000, 0x1000);
	shadow_scene_stands(s, 0x5000, HPA, 0x1000);
	s->t->driver = "edu";
	scene_judge(s);
	g_assert_cmpint(shadow_scene_status(s, 0)->state, ==, VIOMMU_LINK_NOT_NEEDED);
	s->t->driver = "virtio-net-pci";
	expect(s, "unverified 40000000-40000fff\n");
	s->t->driver = "vfio-pci";
	shadow->device.v++; /* somebody else's */
	expect(s, "unverified 40000000-40000fff\n");
	expect_note(s, 0, "--shadow");
	s->witnesses.shadows = NULL;
	expect(s, "unverified 40000000-40000fff\n");
	expect_note(s, 0, "--shadow");
	s->t->gsts &= ~(1u << 31);
	scene_judge(s);
	g_assert_cmpint(shadow_scene_status(s, 0)->state, ==, VIOMMU_LINK_NOT_NEEDED);
	viommu_shadow_free(shadow);
}

/* Two devices in one domain of L1's have a shadow each: the worse one counts. */
static void
test_shared(void)
{
	g_autoptr(shadow_scene) s = shadow_scene_new();
	viommu_shadow *other = viommu_shadow_new("another", (viommu_sid){ 0x28 }, "0000:03:00.1");

	s->t->second = 0x28;
	tables_context(s->t, 0x28, tables_peek(s->t, tables_context_at(s->t, SCENE_SID)),
		tables_peek(s->t, tables_context_at(s->t, SCENE_SID) + 8));
	record_attach(s->text, 1, "0000:00:05.0", true);
	scene_both(s, IOVA, 0x5000, 0x3000);
	shadow_scene_stands(s, 0x5000, HPA, 0x3000);
	shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA, HPA, 0x2000, "rw");
	expect(s, "unverified 40000000-40001fff\nmissing 40002000-40002fff\n");
	g_ptr_array_add((GPtrArray *) s->witnesses.shadows, other);
	shadow_scene_maps(other, IOVA + 0x1000, HPA + 0x1000, 0x2000, "rw");
	expect(s, "missing 40000000-40000fff\nfollows 40001000-40001fff\nmissing 40002000-40002fff\n");
	/* A second source for the second device, which knows no better, changes nothing. */
	other = viommu_shadow_new("a third", (viommu_sid){ 0x28 }, "0000:03:00.1");
	other->absence = "nothing is sure";
	g_ptr_array_add((GPtrArray *) s->witnesses.shadows, other);
	expect(s, "missing 40000000-40000fff\nfollows 40001000-40001fff\nmissing 40002000-40002fff\n");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/link-shadow/follows", test_follows);
	g_test_add_func("/link-shadow/faults", test_faults);
	g_test_add_func("/link-shadow/moments", test_moments);
	g_test_add_func("/link-shadow/findings", test_findings);
	g_test_add_func("/link-shadow/cleared", test_cleared);
	g_test_add_func("/link-shadow/incomplete-record", test_incomplete_record);
	g_test_add_func("/link-shadow/permissions", test_permissions);
	g_test_add_func("/link-shadow/no-backing", test_no_backing);
	g_test_add_func("/link-shadow/backing-gap", test_backing_gap);
	g_test_add_func("/link-shadow/doubt", test_doubt);
	g_test_add_func("/link-shadow/not-stale", test_not_stale);
	g_test_add_func("/link-shadow/other-devices", test_other_devices);
	g_test_add_func("/link-shadow/shared", test_shared);
	return g_test_run();
}
