/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JUnit XML in the form that Jenkins and GitLab read. */
#include <inttypes.h>

#include "report/report-cases.h"
#include "report/report-parts.h"

/* Text is through viommu_escape(), so that of what XML 1.0 has not at all only the last two
 * characters of the plane are left. */
static void
print_text(FILE *out, const char *text)
{
	for (; *text; text = g_utf8_next_char(text)) {
		gunichar c = g_utf8_get_char(text);

		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			fprintf(out, "&#%u;", c);
		else if (c == 0xfffe || c == 0xffff)
			fprintf(out, "\\u%04x", c);
		else
			fwrite(text, 1, (size_t) (g_utf8_next_char(text) - text), out);
	}
}

static void
print_attribute(FILE *out, const char *name, const char *text)
{
	fprintf(out, " %s=\"", name);
	print_text(out, text);
	fputc('"', out);
}

static void
print_property(FILE *out, const char *name, const char *text)
{
	fputs("      <property", out);
	print_attribute(out, "name", name);
	print_attribute(out, "value", text);
	fputs("/>\n", out);
}

static void
print_properties(FILE *out, const viommu_report *report)
{
	const viommu_machine *machine = viommu_snapshot_machine(report->snapshot);
	const viommu_capture_info *info = viommu_snapshot_info(report->snapshot);
	g_autofree char *version = viommu_escape(machine->version);
	g_autofree char *package = viommu_escape(machine->package);
	g_autofree char *time = viommu_escape(info->time);
	g_auto(viommu_headline) line = { 0 };
	g_autofree char *verdict = NULL;

	viommu_headline_of(report->result, &line);
	verdict = g_strdup_printf("%s: %s", line.word, line.sentence);
	fputs("    <properties>\n", out);
	print_property(out, "verdict", verdict);
	print_property(out, "qemu", version);
	print_property(out, "qemu-package", package);
	print_property(out, "captured", time);
	fputs("    </properties>\n", out);
}

static void
print_case(FILE *out, const viommu_suite *suite, const viommu_case *item)
{
	fputs("    <testcase", out);
	print_attribute(out, "classname", suite->name);
	print_attribute(out, "name", item->name);
	fputs(" time=\"0\"", out);
	if (item->state == VIOMMU_CASE_PASSED) {
		fputs("/>\n", out);
		return;
	}
	fputs(">\n      <", out);
	fputs(item->state == VIOMMU_CASE_FAILED ? "failure" : "skipped", out);
	print_attribute(out, "message", item->message);
	if (item->state == VIOMMU_CASE_FAILED) {
		fputs(" type=\"viommu\">", out);
		if (item->evidence)
			print_text(out, item->evidence);
		fputs("</failure>\n", out);
	} else {
		fputs("/>\n", out);
	}
	fputs("    </testcase>\n", out);
}

static void
print_counts(FILE *out, const uint64_t of[VIOMMU_CASE_STATES])
{
	fprintf(out, " tests=\"%" PRIu64 "\" failures=\"%" PRIu64 "\" errors=\"0\" skipped=\"%" PRIu64 "\" time=\"0\"",
		of[VIOMMU_CASE_PASSED] + of[VIOMMU_CASE_FAILED] + of[VIOMMU_CASE_SKIPPED], of[VIOMMU_CASE_FAILED],
		of[VIOMMU_CASE_SKIPPED]);
}

void
viommu_report_junit(FILE *out, const viommu_report *report)
{
	g_autoptr(GPtrArray) suites = viommu_report_suites(report);
	uint64_t of[VIOMMU_CASE_STATES] = { 0 };
	g_autofree char *redacted = NULL;

	for (guint i = 0; i < suites->len; i++)
		for (unsigned s = 0; s < VIOMMU_CASE_STATES; s++)
			of[s] += ((const viommu_suite *) g_ptr_array_index(suites, i))->of[s];
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"viommu " VIOMMU_VERSION "\"", out);
	print_counts(out, of);
	fputs(">\n", out);
	for (guint i = 0; i < suites->len; i++) {
		const viommu_suite *suite = g_ptr_array_index(suites, i);

		fputs("  <testsuite", out);
		print_attribute(out, "name", suite->name);
		print_counts(out, suite->of);
		fputs(">\n", out);
		print_properties(out, report);
		for (guint k = 0; k < suite->cases->len; k++)
			print_case(out, suite, g_ptr_array_index(suite->cases, k));
		fputs("  </testsuite>\n", out);
	}
	redacted = viommu_report_redacted(report);
	if (redacted)
		fprintf(out, "  <!-- replaced by placeholders: %s -->\n", redacted);
	fputs("</testsuites>\n", out);
}
