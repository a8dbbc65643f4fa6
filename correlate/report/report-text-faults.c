/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is not as it should be, for people: each fault with the walk that proves it, and
 * one line for each further run of the same story. */
#include <inttypes.h>
#include <string.h>

#include "report/render.h"
#include "report/report-bounds.h"
#include "report/report-text.h"
#include "text/text.h"

#define MAX_FAULTS 10
#define MAX_ALSO 8

static void
print_pages(FILE *out, const viommu_run *run)
{
	fprintf(out, "IOVA 0x%" PRIx64 "-0x%" PRIx64 " (%s)", run->iova.first, run->iova.last,
		viommu_size_text(run->iova.last - run->iova.first + 1).text);
}

/* What L1 asked for and what the table has, for the first page of a run. */
static void
print_sides(FILE *out, const viommu_run *run, const viommu_request *request)
{
	if (run->has_expected) {
		fprintf(out, "  %-13s ", viommu_run_asked_words(run));
		if (run->expected.gpa_known)
			fprintf(out, "GPA 0x%" PRIx64, run->expected.gpa.v);
		else
			fprintf(out, "a GPA that is not known");
		fprintf(out, ", %s (event %" PRIu64 " of the record)\n",
			run->expected.prot_known ? viommu_prot_text(run->expected.read, run->expected.write).text
						 : "permissions not known",
			request->seq);
	}
	if (run->has_observed)
		fprintf(out, "  %-13s GPA 0x%" PRIx64 ", %s, %s page\n", "the table has", run->gpa.v,
			viommu_prot_text(run->read, run->write).text, viommu_size_text(1ull << run->page_shift).text);
}

/* The links behind the table that are broken. */
static void
print_broken(FILE *out, const viommu_chain *chain)
{
	for (unsigned i = VIOMMU_LINK_INVALIDATION; i < VIOMMU_LINKS; i++) {
		g_autofree char *note = viommu_report_shown(chain->links[i].note);

		if (chain->links[i].state == VIOMMU_LINK_BROKEN)
			fprintf(out, "  %slink %u (%s) is broken%s: %s\n", viommu_tone_on(VIOMMU_BAD), i + 1,
				viommu_link_name((viommu_link) i), viommu_tone_off(VIOMMU_BAD), note);
	}
}

static const viommu_request *
request_of(const viommu_report *report, const viommu_run *run)
{
	const viommu_target_result *target = &g_array_index(report->result->targets, viommu_target_result, run->target);

	return run->has_expected ? &g_array_index(target->space->requests, viommu_request, run->expected.request) : NULL;
}

static void
print_fault(FILE *out, const viommu_report *report, const viommu_run *run, const vtd_unit *unit)
{
	const viommu_target_result *target = &g_array_index(report->result->targets, viommu_target_result, run->target);
	viommu_tone tone = viommu_verdict_tone(run->verdict);

	if (viommu_run_is_fault(report->result, run))
		tone = VIOMMU_BAD;
	fprintf(out, "\n%s%s%s  %s  ", viommu_tone_on(tone), viommu_verdict_name(run->verdict), viommu_tone_off(tone),
		target->any_device ? "any device" : viommu_bdf_text(target->sid).text);
	print_pages(out, run);
	fprintf(out, "\n  %s\n", viommu_verdict_meaning(run->verdict));
	print_broken(out, viommu_run_chain(report->result, run));
	if (run->note) {
		g_autofree char *note = viommu_report_shown(run->note);
		fprintf(out, "  %s\n", note);
	}
	print_sides(out, run, request_of(report, run));
	if (run->evidence)
		viommu_render_steps(out, unit, run->evidence->steps, run->evidence->n_steps,
			viommu_verdict_is_fault(run->verdict) ? (int) run->evidence->n_steps - 1 : -1);
}

void
viommu_report_text_run(FILE *out, const viommu_report *report, const viommu_run *run)
{
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
	print_fault(out, report, run, &unit);
}

/* Faults of one kind in one mapping are told once. */
static bool
same_story(const viommu_run *a, const viommu_run *b)
{
	return a->target == b->target && a->verdict == b->verdict && a->note == b->note && a->chain == b->chain &&
		a->has_expected == b->has_expected && (!a->has_expected || a->expected.request == b->expected.request);
}

/* One line for a further run of the story before it. */
static void
print_also(FILE *out, const viommu_run *run)
{
	const vtd_translation *walk = run->evidence;
	const vtd_step *last = walk && walk->n_steps ? &walk->steps[walk->n_steps - 1] : NULL;

	fprintf(out, "  also ");
	print_pages(out, run);
	if (run->has_expected && run->expected.gpa_known)
		fprintf(out, ", asked for GPA 0x%" PRIx64, run->expected.gpa.v);
	if (last && last->words)
		fprintf(out, ", %s entry at GPA 0x%" PRIx64 ": 0x%016" PRIx64, vtd_step_name(last), last->entry.v,
			last->raw[0]);
	fputc('\n', out);
}

/* The runs that are to be told: those that were chosen, or all that are not as they should be. */
typedef struct {
	const viommu_result *result;
	const GArray *chosen;
	guint next;
} teller;

static const viommu_run *
next_run(teller *t)
{
	if (t->chosen)
		return t->next < t->chosen->len
			? &g_array_index(t->result->runs, viommu_run, g_array_index(t->chosen, guint, t->next++))
			: NULL;
	while (t->result->remarkable && t->next < t->result->runs->len) {
		const viommu_run *run = &g_array_index(t->result->runs, viommu_run, t->next++);

		if (viommu_run_rank(t->result, run) != VIOMMU_RANK_GOOD)
			return run;
	}
	return NULL;
}

/* Of how many stories there is room for each rank: what is wrong first. */
static void
count_stories(const viommu_report *report, teller t, uint64_t left[VIOMMU_RANKS])
{
	const viommu_run *run, *story = NULL;
	uint64_t room = report->all ? UINT64_MAX : MAX_FAULTS;

	memset(left, 0, VIOMMU_RANKS * sizeof(*left));
	while ((run = next_run(&t))) {
		left[viommu_run_rank(t.result, run)] += !story || !same_story(story, run);
		story = run;
	}
	for (unsigned i = 0; i < VIOMMU_RANKS; i++) {
		left[i] = MIN(left[i], room);
		room -= left[i];
	}
}

void
viommu_report_text_faults(FILE *out, const viommu_report *report, const GArray *chosen)
{
	teller t = { report->result, chosen, 0 };
	const viommu_run *run, *story = NULL;
	uint64_t left[VIOMMU_RANKS], in_story = 0, hidden = 0;
	bool shown = false;
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
	count_stories(report, t, left);
	while ((run = next_run(&t))) {
		viommu_rank rank = viommu_run_rank(t.result, run);
		bool further = story && same_story(story, run);

		story = run;
		if (!further) {
			shown = left[rank] > 0;
			left[rank] -= shown;
		}
		in_story = further ? in_story + 1 : 0;
		if (!shown || (!report->all && in_story > MAX_ALSO))
			hidden++;
		else if (further)
			print_also(out, run);
		else
			print_fault(out, report, run, &unit);
	}
	if (hidden)
		fprintf(out, "\n… and %s more runs of pages; --all shows every one\n", viommu_count_text(hidden).text);
}
