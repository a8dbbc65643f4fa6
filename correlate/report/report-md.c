/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The result as a bug report, in the order of QEMU's bug template: the verdict first, long
 * tables folded. */
#include "report/report-md.h"

#include <stdlib.h>

#include "report/report-facts.h"
#include "report/report-first.h"
#include "report/report-md-parts.h"
#include "report/report-parts.h"
#include "report/report-steps.h"
#include "report/report.h"

static void
print_versions(FILE *out, const viommu_report *report, bool in_list)
{
	g_autoptr(GArray) versions = viommu_report_versions(report);

	fputs(in_list ? " - Versions: " : "\nVersions: ", out);
	for (guint i = 0; i < versions->len; i++) {
		const viommu_fact *fact = &g_array_index(versions, viommu_fact, i);

		fprintf(out, "%s%s ", i ? ", " : "", fact->name);
		viommu_md_code(out, fact->value);
	}
	fputc('\n', out);
}

static void
print_verdict(FILE *out, const viommu_report *report)
{
	const viommu_run *run = viommu_report_first_fault(report->result);
	const viommu_finding *caveat = viommu_report_caveat(report->findings);
	g_auto(viommu_headline) line = { 0 };
	bool first = true;

	if (caveat) {
		g_autofree char *seen = viommu_report_shown(caveat->seen);

		fprintf(out, "**Attention: " VIOMMU_CAVEAT_TEXT "** (`%s`): ", caveat->kind->code);
		viommu_md_prose(out, seen);
		fputs("\n\n", out);
	}
	viommu_headline_of(report->result, &line);
	fprintf(out, "**%s: %s** (", line.word, line.sentence);
	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		if (report->result->pages[v] && v != VIOMMU_GONE) {
			fprintf(out, "%s%s %s", first ? "" : ", ", viommu_verdict_name(v), viommu_count_text(report->result->pages[v]).text);
			first = false;
		}
	fprintf(out, "%s).\n", first ? "0 pages" : "");
	if (run)
		viommu_md_first_fault(out, report, run);
	print_versions(out, report, run != NULL);
	fputs("\nEvery page that L1 (the guest) mapped for DMA was looked up in the tables of QEMU's `intel-iommu`.\n", out);
}

static void
print_facts(FILE *out, const GArray *facts)
{
	for (guint i = 0; i < facts->len; i++) {
		const viommu_fact *fact = &g_array_index(facts, viommu_fact, i);

		fprintf(out, " - %s: ", fact->name);
		if (fact->known)
			viommu_md_code(out, fact->value);
		else
			fputs(fact->value, out);
		fputc('\n', out);
	}
}

static void
print_host(FILE *out, const viommu_report *report)
{
	g_autoptr(GArray) host = viommu_report_host_facts(report);
	g_autoptr(GArray) iommu = viommu_report_iommu_facts(report);
	g_autofree char *command = viommu_report_command_line(report);

	fputs("\n## Host environment\n\n", out);
	print_facts(out, host);
	if (command) {
		fputs(" - QEMU command line:\n\n", out);
		viommu_md_block(out, command, 3);
		fputc('\n', out);
	} else {
		fputs(" - QEMU command line: not known (please add it)\n", out);
	}
	print_facts(out, iommu);
}

static void
print_guest(FILE *out, const viommu_report *report)
{
	g_autoptr(GPtrArray) guests = viommu_report_guest_facts(report);
	g_autoptr(GPtrArray) checks = viommu_report_checks(report);

	fputs("\n## Emulated/Virtualized environment\n\n", out);
	for (guint i = 0; i < guests->len; i++) {
		if (i)
			fputs("\nAnother record:\n\n", out);
		print_facts(out, g_ptr_array_index(guests, i));
		if (g_ptr_array_index(checks, i)) {
			viommu_md_fold(out, "What viommu-probe doctor found in L1");
			viommu_md_block(out, g_ptr_array_index(checks, i), 0);
			viommu_md_unfold(out);
		}
	}
}

static void
print_steps(FILE *out, const viommu_report *report)
{
	g_autoptr(GPtrArray) steps = viommu_report_steps(report);
	g_autofree char *replay = viommu_report_replay(report);

	fputs("\n## Steps to reproduce\n\n", out);
	for (guint i = 0; i < steps->len; i++)
		fprintf(out, "%u. %s\n", i + 1, (const char *) g_ptr_array_index(steps, i));
	fprintf(out, "\n%s\n", replay);
}

static void
print_more(FILE *out, const viommu_report *report)
{
	g_autofree char *registers = viommu_report_registers(report);

	fputs("\n## Additional information\n", out);
	viommu_md_mappings(out, report);
	viommu_md_further_faults(out, report);
	viommu_md_chain(out, report);
	viommu_md_fold(out, "Registers of the vIOMMU that are not 0");
	viommu_md_block(out, registers, 0);
	viommu_md_unfold(out);
}

void
viommu_report_markdown(FILE *out, const viommu_report *report)
{
	g_autofree char *redacted = NULL;

	print_verdict(out, report);
	print_host(out, report);
	print_guest(out, report);
	fputs("\n## Description of problem\n", out);
	viommu_md_story(out, report);
	viommu_md_findings(out, report);
	print_steps(out, report);
	print_more(out, report);
	redacted = viommu_report_redacted(report);
	if (redacted)
		fprintf(out, "\nPrivate texts were replaced by placeholders like `<path-1>`, the same text by the same one: %s "
			     "(`--no-redact` keeps them).\n", redacted);
}
