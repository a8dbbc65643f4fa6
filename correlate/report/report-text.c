/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The result for people: what was compared, every mapping with its verdict, then
 * each fault (report-text-faults.c). */
#include <inttypes.h>
#include <string.h>

#include "report/render.h"
#include "report/report-text.h"
#include "text/text.h"

#define MAX_MAPPINGS 40

viommu_tone
viommu_verdict_tone(viommu_verdict verdict)
{
	if (viommu_verdict_is_fault(verdict))
		return VIOMMU_BAD;
	return verdict == VIOMMU_MATCH ? VIOMMU_GOOD : VIOMMU_UNSURE;
}

static void
print_verdicts(FILE *out, const uint64_t pages[VIOMMU_VERDICTS], bool counts)
{
	bool first = true;

	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++) {
		if (!pages[v] || v == VIOMMU_GONE)
			continue;
		fprintf(out, "%s%s%s", first ? "" : ", ", viommu_tone_on(viommu_verdict_tone(v)), viommu_verdict_name(v));
		if (counts)
			fprintf(out, " %s", viommu_count_text(pages[v]).text);
		fprintf(out, "%s", viommu_tone_off(viommu_verdict_tone(v)));
		first = false;
	}
}

static void
print_mapping(FILE *out, const viommu_request *request, const viommu_mapping *m)
{
	char gpa[48], links[VIOMMU_LINKS + 1] = "";

	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		links[i] = viommu_link_state_sign(m->links[i]);

	if (!m->gpa_known)
		g_strlcpy(gpa, "not known", sizeof(gpa));
	else if (m->extents > 1)
		g_snprintf(gpa, sizeof(gpa), "0x%" PRIx64 " +%" PRIu64, m->gpa, m->extents - 1);
	else
		g_snprintf(gpa, sizeof(gpa), "0x%" PRIx64, m->gpa);
	fprintf(out, "  0x%012" PRIx64 "-0x%012" PRIx64 " %8s  %s  %-18s %-9s %s ", request->iova.first, request->iova.last,
		viommu_size_text(request->iova.last - request->iova.first + 1).text,
		request->prot_known ? viommu_prot_text(request->read, request->write).text : "??", gpa, viommu_mapping_page_sizes(m).text, links);
	print_verdicts(out, m->pages, m->state != VIOMMU_MAPPING_CLEAN);
	if (m->read_added)
		fprintf(out, " %s(as rw: see below)%s", viommu_tone_on(VIOMMU_FAINT), viommu_tone_off(VIOMMU_FAINT));
	if (m->other_page_size)
		fprintf(out, " %s(%s pages in L1)%s", viommu_tone_on(VIOMMU_FAINT),
			viommu_size_text(1ull << request->page_shift).text, viommu_tone_off(VIOMMU_FAINT));
	fputc('\n', out);
}

static void
print_mappings(FILE *out, const viommu_report *report, uint32_t target, guint first, guint end)
{
	const viommu_space *space = g_array_index(report->result->targets, viommu_target_result, target).space;
	viommu_span span = { first, end };
	g_auto(viommu_mappings) mappings = { 0 };
	uint64_t shown = 0;
	guint most = report->all ? G_MAXUINT : MAX_MAPPINGS;

	viommu_report_mappings(report->result, target, span, most, most, &mappings);
	if (!mappings.live)
		return;
	fprintf(out, "  %-29s %8s  %-4s%-18s %-9s %s %s\n", "IOVA", "size", "prot", " GPA", "pages", "12345", "verdict");
	for (guint i = 0; i < mappings.shown->len; i++) {
		const viommu_mapping *m = &g_array_index(mappings.shown, viommu_mapping, i);

		/* When there are many, only those are told that are not clean. */
		if (mappings.live > most && m->state == VIOMMU_MAPPING_CLEAN)
			continue;
		shown++;
		print_mapping(out, &g_array_index(space->requests, viommu_request, m->request), m);
	}
	if (mappings.live > shown)
		fprintf(out, "  … and %s more mappings%s; --all shows every one\n", viommu_count_text(mappings.live - shown).text,
			shown >= MAX_MAPPINGS ? "" : " that match");
}

static void
print_target(FILE *out, const viommu_report *report, uint32_t index, guint first, guint end)
{
	const viommu_target_result *target = &g_array_index(report->result->targets, viommu_target_result, index);
	g_autofree char *label = viommu_report_target_label(report, target);
	g_autofree char *backend = viommu_escape(*target->space->backend ? target->space->backend : "unknown backend");

	fprintf(out, "\n%s%s%s  space %" PRId64 " (%s)\n  ", viommu_tone_on(VIOMMU_STRONG), label,
		viommu_tone_off(VIOMMU_STRONG), target->space->id, backend);
	if (target->any_device)
		fprintf(out, target->space->attached ? "no device is attached at this moment"
						     : "the record does not say which device: looked for in the tables of every one; "
						       "pages left behind (stale) are not looked for");
	else if (target->bypassed)
		fprintf(out, "not behind the vIOMMU (bypass_iommu)");
	else
		viommu_render_device(out, &target->device);
	if (!target->any_device && target->sid.v != target->device.sid.v)
		fprintf(out, "; its DMA carries the source id %s", viommu_bdf_text(target->device.sid).text);
	fputc('\n', out);
	if (target->same_as != index) {
		fprintf(out, "  the same table as %s, judged there\n",
			viommu_bdf_text(g_array_index(report->result->targets, viommu_target_result, target->same_as).sid)
				.text);
		return;
	}
	print_mappings(out, report, index, first, end);
	if (target->space->failed)
		fprintf(out, "  %s map requests failed in L1 and were never mapped\n",
			viommu_count_text(target->space->failed).text);
	if (target->not_in_record)
		fprintf(out, "  %s more pages are in the table; the record does not claim to know all mappings\n",
			viommu_count_text(target->not_in_record).text);
}

/* Each with its runs, which stand in the order of the targets. */
static void
print_targets(FILE *out, const viommu_report *report)
{
	const GArray *runs = report->result->runs;
	guint end = 0;

	for (guint i = 0; i < report->result->targets->len; i++) {
		guint first = end;

		while (end < runs->len && g_array_index(runs, viommu_run, end).target == i)
			end++;
		print_target(out, report, i, first, end);
	}
}

static void
print_remarks(FILE *out, const viommu_result *result)
{
	if (result->read_added)
		fprintf(out, "\nas rw: L1 asked for write only on %s pages, and the table gives read too; Linux does so since 5.13\n"
			     "(eea53c581688 \"Remove WO permissions on second-level paging entries\"): not a fault\n",
			viommu_count_text(result->read_added).text);
}

static void
print_record(FILE *out, const viommu_record *record)
{
	g_autofree char *path = viommu_report_shown(record->path);
	g_autofree char *program = viommu_report_shown(record->program);
	g_autofree char *kernel = viommu_report_shown(record->kernel);

	fprintf(out, "record  %s: %s events by %s\n", path, viommu_count_text(record->events).text, program);
	fprintf(out, "L1      %s\n", kernel);
	if (record->cut)
		fprintf(out, "        the last line of the record is not whole and was left out\n");
	if (!record->settled)
		fprintf(out, "        %s" VIOMMU_UNSETTLED_TEXT "%s\n", viommu_tone_on(VIOMMU_UNSURE), viommu_tone_off(VIOMMU_UNSURE));
	else if (record->looks_back && record->lost_behind)
		fprintf(out, "        %s\n", record->lost_behind);
	if (record->lost_reason) {
		g_autofree char *reason = viommu_escape(record->lost_reason);
		fprintf(out, "        %sat least %s events are lost%s: %s\n", viommu_tone_on(VIOMMU_UNSURE),
			viommu_count_text(record->lost).text, viommu_tone_off(VIOMMU_UNSURE), reason);
	}
}

static void
print_records(FILE *out, const viommu_report *report)
{
	const viommu_result *result = report->result;
	const viommu_record *last = NULL;

	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, i);

		if (target->record != last)
			print_record(out, target->record);
		last = target->record;
	}
}

static void
print_caveat(FILE *out, const viommu_report *report)
{
	const viommu_finding *caveat = viommu_report_caveat(report->findings);
	g_autofree char *seen = caveat ? viommu_report_shown(caveat->seen) : NULL;

	if (caveat)
		fprintf(out, "\n%s%s%s: " VIOMMU_CAVEAT_TEXT "\n  %s\n", viommu_tone_on(VIOMMU_BAD), caveat->kind->code,
			viommu_tone_off(VIOMMU_BAD), seen);
}

void
viommu_report_text_headline(FILE *out, const viommu_headline *line)
{
	viommu_tone tone = line->state == VIOMMU_HEADLINE_FAULT ? VIOMMU_BAD
		: line->state == VIOMMU_HEADLINE_OK             ? VIOMMU_GOOD
								: VIOMMU_UNSURE;

	fprintf(out, "%s%s%s: %s", viommu_tone_on(tone), line->word, viommu_tone_off(tone), line->sentence);
}

static void
print_summary(FILE *out, const viommu_report *report)
{
	g_auto(viommu_headline) line = { 0 };

	viommu_headline_of(report->result, &line);
	fputc('\n', out);
	if (viommu_report_caveat(report->findings))
		fprintf(out, "%sAttention%s: " VIOMMU_CAVEAT_TEXT " (see above)\n", viommu_tone_on(VIOMMU_BAD), viommu_tone_off(VIOMMU_BAD));
	viommu_report_text_headline(out, &line);
	fprintf(out, " (");
	print_verdicts(out, report->result->pages, true);
	fprintf(out, "%s)\n", line.pages ? "" : "0 pages");
	if (line.state == VIOMMU_HEADLINE_OK && report->exit_status == 3)
		fputs("With --strict the exit status is 3 all the same: L1 may have asked for more than a record has (see what is said of it "
		      "above)\n", out);
	if (report->result->reads > 1 && !viommu_snapshot_info(report->snapshot)->paused)
		fprintf(out, "A guest that runs moves: the tables were read %u times before this was said.\n",
			report->result->reads);
}

void
viommu_report_text(FILE *out, const viommu_report *report)
{
	const viommu_machine *machine = viommu_snapshot_machine(report->snapshot);
	g_autofree char *redacted = NULL;
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
	viommu_render_machine(out, machine, &unit, viommu_snapshot_info(report->snapshot), NULL);
	print_records(out, report);
	print_caveat(out, report);
	print_targets(out, report);
	viommu_report_text_faults(out, report, NULL);
	print_remarks(out, report->result);
	viommu_report_text_chain(out, report);
	if (report->findings)
		viommu_findings_text(out, report->findings, VIOMMU_SEVERITIES);
	print_summary(out, report);
	redacted = viommu_report_redacted(report);
	if (redacted)
		fprintf(out, "Private texts were replaced by placeholders: %s (--no-redact keeps them).\n", redacted);
}
