/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What viommu-probe doctor found in L1, as lines for people. */
#include <string.h>

#include "report/report-facts.h"

/* A tracker takes a megabyte in all, and a record may be hostile. */
#define MAX_CHECKS_TEXT (64u << 10)

static void
put(GString *out, const char *indent, const json_t *text)
{
	g_autofree char *shown = viommu_report_shown(json_string_value(text));

	g_string_append_printf(out, "%s%s", indent, shown);
}

static void
put_check(GString *out, const json_t *check)
{
	const json_t *fix = json_object_get(check, "fix"), *line;
	g_autofree char *verdict = viommu_report_shown(json_string_value(json_object_get(check, "verdict")));
	size_t i;

	g_string_append_printf(out, "%-4s  ", verdict);
	put(out, "", json_object_get(check, "section"));
	put(out, ": ", json_object_get(check, "name"));
	put(out, ": ", json_object_get(check, "seen"));
	json_array_foreach (json_object_get(check, "more"), i, line)
		put(out, "\n      ", line);
	if (fix)
		put(out, "\n      fix: ", fix);
	g_string_append_c(out, '\n');
}

char *
viommu_checks_summary(const json_t *checks)
{
	static const char *const verdicts[] = { "FAIL", "warn", "ok", "skip" };
	unsigned counts[G_N_ELEMENTS(verdicts) + 1] = { 0 };
	GString *ret = g_string_new(NULL);
	const json_t *check;
	size_t i;

	json_array_foreach (checks, i, check) {
		const char *verdict = json_string_value(json_object_get(check, "verdict"));
		gsize k = 0;

		while (k < G_N_ELEMENTS(verdicts) && strcmp(verdict, verdicts[k]) != 0)
			k++;
		counts[k]++;
	}
	for (gsize k = 0; k < G_N_ELEMENTS(verdicts); k++)
		g_string_append_printf(ret, "%s%u %s", k ? ", " : "", counts[k], verdicts[k]);
	return g_string_free(ret, FALSE);
}

static char *
checks_text(const json_t *checks)
{
	g_autoptr(GString) ret = g_string_new(NULL);
	const json_t *check;
	size_t i;

	json_array_foreach (checks, i, check) {
		gsize before = ret->len;

		put_check(ret, check);
		if (ret->len <= MAX_CHECKS_TEXT)
			continue;
		g_string_truncate(ret, before);
		g_string_append_printf(ret, "… and %zu more checks, left out\n", json_array_size(checks) - i);
		break;
	}
	return g_string_free(g_steal_pointer(&ret), FALSE);
}

GPtrArray *
viommu_report_checks(const viommu_report *report)
{
	GPtrArray *ret = g_ptr_array_new_with_free_func(g_free);
	const viommu_record *last = NULL;

	for (guint i = 0; i < report->result->targets->len; i++) {
		const viommu_record *record = g_array_index(report->result->targets, viommu_target_result, i).record;

		if (record != last)
			g_ptr_array_add(ret, record->checks ? checks_text(record->checks) : NULL);
		last = record;
	}
	return ret;
}
