/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAP version 13: what verify found, for CI systems. Diagnostics are YAML blocks in which
 * every text is a string of JSON, which YAML has as well. */
#include "report/report-cases.h"
#include "report/report-parts.h"

/* '#' begins a directive, and '\' is what escapes it. */
static void
print_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '#' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void
print_string(FILE *out, const char *name, const char *text)
{
	json_t *value = json_string(text);

	fprintf(out, "  %s: ", name);
	json_dumpf(value, out, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	fputc('\n', out);
	json_decref(value);
}

static void
print_lines(FILE *out, const char *name, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	fprintf(out, "  %s:\n", name);
	for (char **line = lines; *line; line++) {
		json_t *value = json_string(*line);

		fputs("    - ", out);
		json_dumpf(value, out, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		fputc('\n', out);
		json_decref(value);
	}
}

static void
print_case(FILE *out, guint number, const viommu_suite *suite, const viommu_case *item)
{
	fprintf(out, "%s %u - ", item->state == VIOMMU_CASE_FAILED ? "not ok" : "ok", number);
	print_text(out, suite->name);
	fputs(": ", out);
	print_text(out, item->name);
	if (item->state == VIOMMU_CASE_SKIPPED) {
		fputs(" # SKIP ", out);
		print_text(out, item->message ? item->message : "unverified");
	}
	fputc('\n', out);
	if (item->state != VIOMMU_CASE_FAILED)
		return;
	fputs("  ---\n", out);
	print_string(out, "message", item->message);
	print_string(out, "severity", "fail");
	if (item->evidence)
		print_lines(out, "evidence", item->evidence);
	fputs("  ...\n", out);
}

void
viommu_report_tap(FILE *out, const viommu_report *report)
{
	g_autoptr(GPtrArray) suites = viommu_report_suites(report);
	g_auto(viommu_headline) line = { 0 };
	g_autofree char *redacted = NULL;
	guint total = 0, number = 0;

	viommu_headline_of(report->result, &line);
	for (guint i = 0; i < suites->len; i++)
		total += ((const viommu_suite *) g_ptr_array_index(suites, i))->cases->len;
	fprintf(out, "TAP version 13\n1..%u%s\n# %s: ", total, total ? "" : " # SKIP nothing is mapped", line.word);
	print_text(out, line.sentence);
	fputc('\n', out);
	for (guint i = 0; i < suites->len; i++) {
		const viommu_suite *suite = g_ptr_array_index(suites, i);

		for (guint k = 0; k < suite->cases->len; k++)
			print_case(out, ++number, suite, g_ptr_array_index(suite->cases, k));
	}
	redacted = viommu_report_redacted(report);
	if (redacted)
		fprintf(out, "# replaced by placeholders: %s\n", redacted);
}
