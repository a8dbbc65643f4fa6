/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether something may be missing behind the end of a record. */
#include <string.h>

#include "helpers.h"
#include "records.h"

/* A mark is the end of what happened until a call begins. */
static void
test_rest(void)
{
	static const struct {
		const char *event, *members;
		bool settled;
	} steps[] = {
		{ "mark", "\"name\":\"rest\"", true },
		{ "busy", "\"key\":\"unknown\"", false },
		{ "mark", "\"name\":\"rest\"", true },
		{ "unmap", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\"", false },
		{ "end", "\"reason\":\"exit\"", true },
	};
	g_autoptr(record_text) t = record_text_new();

	record_map(t, 1, 0x1000, 0x10000, 0x1000, "rw");
	for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
		g_autoptr(viommu_record) record = NULL;

		record_event(t, steps[i].event, "%s", steps[i].members);
		record = record_good(t, NULL);
		g_assert_cmpint(record->settled, ==, steps[i].settled);
	}
}

/* A mark of a trace speaks for what was before it: of tables that are younger, more is needed. */
static void
test_rest_of_trace(void)
{
	static const struct {
		const char *event, *members;
		bool settled, behind;
	} steps[] = {
		{ "mark", "\"name\":\"begun\",\"until_ns\":5", true, true },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"gpa_unknown\":\"-\"", false,
			true },
		{ "mark", "\"name\":\"traced\",\"until_ns\":9", true, true },
		{ "mark", "\"name\":\"rest\"", true, false }, /* one that speaks for now */
		{ "mark", "\"name\":\"traced\",\"until_ns\":9", true, true },
		{ "end", "\"reason\":\"exit\"", true, true }, /* of the trace, not of what L1 does */
	};
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record_player) player = viommu_record_player_new("-", NULL);
	const viommu_record *record = viommu_record_player_record(player);
	gsize fed = 0, rests = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
		record_event(t, steps[i].event, "%s", steps[i].members);
		g_assert_true(
			viommu_record_player_feed(player, t->text->str + fed, t->text->len - fed, NULL));
		fed = t->text->len;
		rests += strcmp(steps[i].event, "map") != 0;
		g_assert_cmpuint(record->rests, ==, rests);
		/* Whether somebody has it open makes no difference: it is one that has marks. */
		for (int open = 0; open < 2; open++) {
			viommu_record_player_settle(player, open);
			g_assert_cmpint(record->settled, ==, steps[i].settled);
			g_assert_cmpint(record->lost_behind != NULL, ==, steps[i].behind);
		}
		viommu_record_player_assume(player, true);
		g_assert_true(record->settled && !record->lost_behind);
		viommu_record_player_settle(player, false);
		viommu_record_player_assume(player, false);
		g_assert_true(record->settled == steps[i].settled && record->lost_behind);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/record/rest", test_rest);
	g_test_add_func("/record/rest-of-trace", test_rest_of_trace);
	return g_test_run();
}
