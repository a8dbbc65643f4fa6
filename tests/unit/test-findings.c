/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of findings and the catalogue; what is found is in test-findings-*.c. */
#include <string.h>

#include "found.h"
#include "helpers.h"

static const viommu_finding_group *
group_of(GPtrArray *groups, guint i)
{
	return g_ptr_array_index(groups, i);
}

static void
test_empty(void)
{
	g_autoptr(viommu_findings) list = viommu_findings_new();
	g_autoptr(GPtrArray) groups = viommu_findings_groups(list);

	g_assert_cmpuint(groups->len, ==, 0);
	g_assert_cmpuint(viommu_findings_count(list, NULL), ==, 0);
	g_assert_cmpuint(viommu_findings_at_least(list, VIOMMU_SEVERITY_NOTE), ==, 0);
}

/* The worst first; of one severity in the catalogue's order, whatever came first. */
static void
test_order(void)
{
	g_autoptr(viommu_findings) list = viommu_findings_new();
	g_autoptr(GPtrArray) groups = NULL;
	static const char *const wanted[] = { "mapping-stale", "table-loop", "translation-off", "pass-through",
		"caching-mode-off" };

	for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
		viommu_findings_add(list, wanted[(i + 3) % G_N_ELEMENTS(wanted)], "here", "seen");
	groups = viommu_findings_groups(list);
	g_assert_cmpuint(groups->len, ==, G_N_ELEMENTS(wanted));
	for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
		g_assert_cmpstr(group_of(groups, (guint) i)->kind->code, ==, wanted[i]);
	g_assert_cmpuint(viommu_findings_at_least(list, VIOMMU_SEVERITY_SECURITY), ==, 1);
	g_assert_cmpuint(viommu_findings_at_least(list, VIOMMU_SEVERITY_FAULT), ==, 2);
	g_assert_cmpuint(viommu_findings_at_least(list, VIOMMU_SEVERITY_WARNING), ==, 4);
	g_assert_cmpuint(viommu_findings_at_least(list, VIOMMU_SEVERITY_NOTE), ==, 5);
}

/* Some are kept, all are counted, and what was said is not said again. */
static void
test_many(void)
{
	g_autoptr(viommu_findings) list = viommu_findings_new();
	g_autoptr(viommu_findings) other = viommu_findings_new();
	g_autoptr(GPtrArray) groups = NULL;

	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < VIOMMU_FINDINGS_KEPT; i++)
			viommu_findings_add(list, "reserved-bit", "here", "number %u", i);
	g_assert_cmpuint(viommu_findings_count(list, "reserved-bit"), ==, VIOMMU_FINDINGS_KEPT);
	for (unsigned i = 0; i < 100000; i++)
		viommu_findings_add(list, "reserved-bit", "there", "number %u", i);
	g_assert_cmpuint(viommu_findings_count(list, NULL), ==, VIOMMU_FINDINGS_KEPT + 100000);
	groups = viommu_findings_groups(list);
	g_assert_cmpuint(group_of(groups, 0)->list->len, ==, VIOMMU_FINDINGS_KEPT);
	viommu_findings_add(other, "table-loop", "here", "seen");
	viommu_findings_merge(other, list);
	viommu_findings_merge(other, other);
	g_assert_cmpuint(viommu_findings_count(other, "table-loop"), ==, 1);
	g_assert_cmpuint(viommu_findings_count(other, "reserved-bit"), >=, VIOMMU_FINDINGS_KEPT + 100000);
}

/* What only one of two looks saw is dropped. */
static void
test_keep(void)
{
	g_autoptr(viommu_findings) list = viommu_findings_new();
	g_autoptr(viommu_findings) other = viommu_findings_new();

	viommu_findings_add(list, "table-loop", "here", "seen");
	viommu_findings_add(list, "table-loop", "there", "seen");
	viommu_findings_add(list, "queue-stalled", "here", "seen");
	viommu_findings_add(other, "table-loop", "there", "seen");
	viommu_findings_add(other, "table-loop", "there", "other");
	viommu_findings_keep(list, other);
	g_assert_cmpuint(viommu_findings_count(list, NULL), ==, 1);
	found_says(list, "table-loop", "there: seen");
	/* It can come again. */
	viommu_findings_add(list, "queue-stalled", "here", "seen");
	g_assert_cmpuint(viommu_findings_count(list, "queue-stalled"), ==, 1);
}

/* Each look keeps a few of many: what they kept may have nothing in common. */
static void
test_keep_of_many(void)
{
	g_autoptr(viommu_findings) list = viommu_findings_new();
	g_autoptr(viommu_findings) other = viommu_findings_new();

	for (unsigned i = 0; i < 100; i++) {
		viommu_findings_add(list, "reserved-bit", "here", "number %u", i);
		viommu_findings_add(other, "reserved-bit", "here", "number %u", 99 - i);
	}
	/* Here all are kept, and none is in both: what was seen moves. */
	viommu_findings_add(list, "queue-stalled", "here", "after 1 ms");
	viommu_findings_add(other, "queue-stalled", "here", "after 2 ms");
	viommu_findings_add(list, "table-loop", "here", "seen");
	viommu_findings_keep(list, other);
	g_assert_cmpuint(viommu_findings_count(list, "reserved-bit"), ==, 100);
	found_says(list, "reserved-bit", "here: number 0");
	g_assert_cmpuint(viommu_findings_count(list, "queue-stalled"), ==, 0);
	g_assert_cmpuint(viommu_findings_count(list, "table-loop"), ==, 0);
}

/* It is enough that one of them has more than it keeps. */
static void
test_keep_of_few_and_many(void)
{
	g_autoptr(viommu_findings) few = viommu_findings_new();
	g_autoptr(viommu_findings) many = viommu_findings_new();

	for (unsigned i = 0; i < 100; i++)
		viommu_findings_add(many, "reserved-bit", "here", "number %u", i);
	viommu_findings_add(few, "reserved-bit", "here", "number 99");
	viommu_findings_keep(few, many);
	g_assert_cmpuint(viommu_findings_count(few, "reserved-bit"), ==, 1);
	viommu_findings_keep(many, few);
	g_assert_cmpuint(viommu_findings_count(many, "reserved-bit"), ==, 100);
}

/* Text of L1's and QEMU's is safe to print, and not without end. */
static void
test_hostile(void)
{
	g_autoptr(viommu_findings) list = viommu_findings_new();
	g_autofree char *endless = g_strnfill(1 << 20, 'x');
	g_autoptr(GPtrArray) groups = NULL;
	const viommu_finding *item;
	json_t *json;

	viommu_findings_add(list, "qemu-aw-bits", "\033[31mlog\n", "a\rb\xff%s", "%n");
	viommu_findings_add(list, "qemu-aw-bits", endless, "%s", endless);
	groups = viommu_findings_groups(list);
	item = g_ptr_array_index(group_of(groups, 0)->list, 0);
	for (const char *c = item->where; *c; c++)
		g_assert_true(*c >= ' ' && *c < 0x7f);
	for (const char *c = item->seen; *c; c++)
		g_assert_true(*c >= ' ' && *c < 0x7f);
	g_assert_nonnull(strstr(item->seen, "%n"));
	item = g_ptr_array_index(group_of(groups, 0)->list, 1);
	g_assert_cmpuint(strlen(item->where) + strlen(item->seen), <, 4096);
	json = viommu_findings_json(list, true);
	g_assert_nonnull(json);
	g_assert_cmpuint(json_array_size(json), ==, 1);
	json_decref(json);
}

static void
test_unknown_code(void)
{
	if (g_test_subprocess()) {
		g_autoptr(viommu_findings) list = viommu_findings_new();

		viommu_findings_add(list, "no-such-code", "here", "seen");
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
	g_test_trap_assert_failed();
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/findings/empty", test_empty);
	g_test_add_func("/findings/order", test_order);
	g_test_add_func("/findings/many", test_many);
	g_test_add_func("/findings/keep", test_keep);
	g_test_add_func("/findings/keep-of-many", test_keep_of_many);
	g_test_add_func("/findings/keep-of-few-and-many", test_keep_of_few_and_many);
	g_test_add_func("/findings/hostile", test_hostile);
	g_test_add_func("/findings/unknown-code", test_unknown_code);
	return g_test_run();
}
