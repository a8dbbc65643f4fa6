/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-md-parts.h"

#include <inttypes.h>
#include <stdlib.h>

#include "report/report-bounds.h"
#include "report/report-first.h"
#include "report/report-md.h"
#include "report/report-parts.h"

/* A tracker takes a megabyte: these make some 200 KB at most. */
#define MAX_MAPPINGS 500
#define MAX_FAULTS 20
#define MAX_TARGETS 64

static void
print_range(FILE *out, const viommu_run *run)
{
	fprintf(out, "IOVA `0x%" PRIx64 "-0x%" PRIx64 "` (%s)", run->iova.first, run->iova.last,
		viommu_size_text(run->iova.last - run->iova.first + 1).text);
}

void
viommu_md_first_fault(FILE *out, const viommu_report *report, const viommu_run *run)
{
	viommu_link broken = viommu_chain_first_broken(viommu_run_chain(report->result, run));
	g_autoptr(GArray) facts = viommu_report_first_facts(report, run);

	fputs("\n - What: ", out);
	if (broken < VIOMMU_LINKS)
		fprintf(out, "link %u of 5, **%s**, is broken: %s\n", broken + 1, viommu_link_name(broken),
			broken == VIOMMU_LINK_TABLE ? viommu_verdict_meaning(run->verdict) : viommu_link_broken_text(broken));
	else
		fprintf(out, "**%s**: %s\n", viommu_verdict_name(run->verdict), viommu_verdict_meaning(run->verdict));
	for (guint i = 0; i < facts->len; i++) {
		const viommu_fact *fact = &g_array_index(facts, viommu_fact, i);

		fprintf(out, " - %s: ", fact->name);
		viommu_md_code(out, fact->value);
		fputc('\n', out);
	}
}

static void
print_links(FILE *out, const viommu_report *report, const viommu_run *run)
{
	const viommu_chain *chain = viommu_run_chain(report->result, run);
	static const char *const who[VIOMMU_LINKS] = { "an L1 program or driver asks", "L1's kernel writes its VT-d tables",
		"L1 tells the vIOMMU", "QEMU tells vfio and vhost", "the host's IOMMU maps the page" };

	fputs("\n| # | link | state | what was seen | who does it |\n|---|---|---|---|---|\n", out);
	for (unsigned i = 0; i < VIOMMU_LINKS; i++) {
		const viommu_link_status *status = &chain->links[i];
		g_autofree char *note = viommu_report_shown(status->note);
		bool broken = status->state == VIOMMU_LINK_BROKEN;

		fprintf(out, "| %u | %s | %s%s%s | ", i + 1, viommu_link_name((viommu_link) i), broken ? "**" : "",
			viommu_link_state_name(status->state), broken ? "**" : "");
		viommu_md_prose(out, note);
		fprintf(out, " | %s |\n", who[i]);
	}
}

static void
print_walk(FILE *out, const viommu_report *report, const viommu_run *run)
{
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	viommu_report_text_run(memory, report, run);
	fclose(memory);
	viommu_md_block(out, text + 1, 0); /* behind its first newline */
	free(text);
}

void
viommu_md_story(FILE *out, const viommu_report *report)
{
	const viommu_run *run = viommu_report_first_fault(report->result);

	if (!run) {
		fputs("\nNo mapping was found broken.\n", out);
		return;
	}
	fputs("\nThe chain of the first broken mapping, ", out);
	print_range(out, run);
	fputs(":\n", out);
	print_links(out, report, run);
	fputs("\nIts walk, with the entries as they stand in L1's memory:\n\n", out);
	print_walk(out, report, run);
}

static void
print_refs(FILE *out, const char *refs)
{
	g_auto(GStrv) lines = g_strsplit(refs ? refs : "", "\n", -1);

	for (char **line = lines; *line; line++)
		if (**line) {
			fputs("   - see: ", out);
			viommu_md_prose(out, *line);
			fputc('\n', out);
		}
}

static void
print_group(FILE *out, const viommu_finding_group *group)
{
	const viommu_finding_kind *kind = group->kind;

	fprintf(out, "\n - **%s** `%s`: ", viommu_severity_name(kind->severity), kind->code);
	viommu_md_prose(out, kind->title);
	fputc('\n', out);
	for (guint i = 0; i < group->list->len; i++) {
		const viommu_finding *item = g_ptr_array_index(group->list, i);
		g_autofree char *where = viommu_report_shown(item->where);
		g_autofree char *seen = viommu_report_shown(item->seen);

		fputs("   - ", out);
		viommu_md_code(out, where);
		fputs(": ", out);
		viommu_md_prose(out, seen);
		fputc('\n', out);
	}
	if (group->count > group->list->len)
		fprintf(out, "   - … and %s more\n", viommu_count_text(group->count - group->list->len).text);
	if (kind->severity >= VIOMMU_SEVERITY_WARNING) {
		fputs("   - means: ", out);
		viommu_md_prose(out, kind->meaning);
		fputs("\n   - to do: ", out);
		viommu_md_prose(out, kind->todo);
		fputc('\n', out);
	}
	print_refs(out, kind->refs);
}

void
viommu_md_findings(FILE *out, const viommu_report *report)
{
	g_autoptr(GPtrArray) groups = report->findings ? viommu_findings_groups(report->findings) : NULL;

	if (!groups || !groups->len)
		return;
	fputs("\n### Findings\n", out);
	for (guint i = 0; i < groups->len; i++)
		print_group(out, g_ptr_array_index(groups, i));
}

static void
print_verdicts(FILE *out, const viommu_mapping *m)
{
	bool first = true;

	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		if (m->pages[v]) {
			fprintf(out, "%s%s %s", first ? "" : ", ", viommu_verdict_name(v), viommu_count_text(m->pages[v]).text);
			first = false;
		}
}

static void
print_mapping(FILE *out, const viommu_request *request, const viommu_mapping *m)
{
	char links[VIOMMU_LINKS + 1] = "";

	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		links[i] = viommu_link_state_sign(m->links[i]);
	fprintf(out, "| `0x%" PRIx64 "-0x%" PRIx64 "` | %s | `%s` | ", request->iova.first, request->iova.last,
		viommu_size_text(request->iova.last - request->iova.first + 1).text,
		request->prot_known ? viommu_prot_text(request->read, request->write).text : "??");
	if (!m->gpa_known)
		fputs("not known", out);
	else
		fprintf(out, "`0x%" PRIx64 "`", m->gpa);
	if (m->extents > 1)
		fprintf(out, " +%" PRIu64, m->extents - 1);
	fprintf(out, " | %s | `%s` | ", viommu_mapping_page_sizes(m).text, links);
	print_verdicts(out, m);
	fputs(" |\n", out);
}

/* Rows of the tables of all devices. */
typedef struct {
	uint64_t broken, other;
} md_rows;

/* What is broken has its rows before anything else has one. */
static md_rows
find_room(const viommu_report *report, const viommu_table_bounds *tables, const GArray *spans)
{
	uint64_t broken = 0;

	if (report->all)
		return (md_rows){ UINT64_MAX, UINT64_MAX };
	for (guint k = 0; k < tables->listed->len; k++) {
		guint i = g_array_index(tables->listed, guint, k);
		g_auto(viommu_mappings) mappings = { 0 };

		viommu_report_mappings(report->result, i, g_array_index(spans, viommu_span, i), 0, 0, &mappings);
		broken += mappings.of[VIOMMU_MAPPING_BROKEN];
	}
	broken = MIN(broken, MAX_MAPPINGS);
	return (md_rows){ broken, MAX_MAPPINGS - broken };
}

static void
print_target(FILE *out, const viommu_report *report, uint32_t index, viommu_span span, md_rows *room)
{
	const viommu_target_result *target = &g_array_index(report->result->targets, viommu_target_result, index);
	const viommu_space *space = target->space;
	g_auto(viommu_mappings) mappings = { 0 };
	uint64_t shown = 0;
	guint most = report->all ? G_MAXUINT : MAX_MAPPINGS;

	viommu_report_mappings(report->result, index, span, most, most, &mappings);
	fputs("\n| IOVA | size | prot | GPA (+ further pieces) | page size | 12345 | verdict |\n|---|---|---|---|---|---|---|\n", out);
	for (unsigned clean = 0; clean < 2; clean++)
		for (guint i = 0; i < mappings.shown->len; i++) {
			const viommu_mapping *m = &g_array_index(mappings.shown, viommu_mapping, i);
			uint64_t *left = m->state == VIOMMU_MAPPING_BROKEN ? &room->broken : &room->other;

			if ((m->state == VIOMMU_MAPPING_CLEAN) != clean || !*left)
				continue;
			--*left;
			print_mapping(out, &g_array_index(space->requests, viommu_request, m->request), m);
			shown++;
		}
	if (mappings.live > shown)
		fprintf(out, "\n… and %s more mappings, left out (`--all` has them)\n", viommu_count_text(mappings.live - shown).text);
	if (target->not_in_record)
		fprintf(out, "\n%s more pages are in the table; the record does not claim to know all mappings\n",
			viommu_count_text(target->not_in_record).text);
}

void
viommu_md_mappings(FILE *out, const viommu_report *report)
{
	g_autoptr(GArray) spans = viommu_report_spans(report->result);
	g_autoptr(GPtrArray) sharers = viommu_report_sharers(report->result, 16);
	g_auto(viommu_table_bounds) tables = { 0 };
	md_rows left;

	viommu_table_bounds_of(report->result, report->all ? UINT64_MAX : MAX_TARGETS, &tables);
	left = find_room(report, &tables, spans);
	viommu_md_fold(out, "Mappings of each device (column 12345: its five links; + ok, X broken, ? unverified, - not needed)");
	for (guint k = 0; k < tables.listed->len; k++) {
		guint i = g_array_index(tables.listed, guint, k);
		const viommu_target_result *target = &g_array_index(report->result->targets, viommu_target_result, i);
		g_autofree char *label = viommu_report_target_label(report, target);
		fputs("\n", out);
		viommu_md_code(out, label);
		fprintf(out, ", space %" PRId64 " (", target->space->id);
		{
			g_autofree char *backend = viommu_escape(*target->space->backend ? target->space->backend : "unknown backend");
			viommu_md_code(out, backend);
		}
		fprintf(out, "), devices on this table: %s\n", (const char *) g_ptr_array_index(sharers, i));
		print_target(out, report, i, g_array_index(spans, viommu_span, i), &left);
	}
	if (tables.left_out) {
		g_autofree char *text = viommu_table_bounds_text(&tables);

		fprintf(out, "\n… and %s (`--all` has them)\n", text);
	}
	viommu_md_unfold(out);
}

void
viommu_md_further_faults(FILE *out, const viommu_report *report)
{
	const viommu_run *first = viommu_report_first_fault(report->result);
	uint64_t more = 0, shown = 0;

	for (guint i = 0; report->result->remarkable && i < report->result->runs->len; i++) {
		const viommu_run *run = &g_array_index(report->result->runs, viommu_run, i);

		if (run == first || !viommu_run_is_fault(report->result, run))
			continue;
		if (shown >= MAX_FAULTS && !report->all) {
			more++;
			continue;
		}
		if (!shown++)
			viommu_md_fold(out, "The other faults, with their walks");
		print_walk(out, report, run);
		fputc('\n', out);
	}
	if (more)
		fprintf(out, "… and %s more runs of pages, left out (`--all` has them)\n", viommu_count_text(more).text);
	if (shown)
		viommu_md_unfold(out);
}

void
viommu_md_chain(FILE *out, const viommu_report *report)
{
	viommu_md_fold(out, "The five links, over all pages");
	fputs("| # | link | state | pages | unmapped pages | why |\n|---|---|---|---|---|---|\n", out);
	for (unsigned i = 0; i < VIOMMU_LINKS; i++) {
		g_autoptr(GArray) shares = viommu_report_all_shares(report->result, (viommu_link) i);

		for (guint k = 0; k < shares->len; k++) {
			const viommu_share *share = &g_array_index(shares, viommu_share, k);
			g_autofree char *note = viommu_report_shown(share->status.note);

			fprintf(out, "| %u | %s | %s | %s | %s | ", i + 1, viommu_link_name((viommu_link) i),
				viommu_link_state_name(share->status.state), viommu_count_text(share->pages).text,
				viommu_count_text(share->unmapped).text);
			viommu_md_prose(out, note);
			fputs(" |\n", out);
		}
	}
	viommu_md_unfold(out);
}
