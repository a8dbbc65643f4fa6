/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-cases.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/report-bounds.h"
#include "report/report-parts.h"

/* A failure's evidence is for people: after so many they look elsewhere. */
#define MAX_EVIDENCE 200
#define MAX_SUITES 1000

static void
case_free(gpointer data)
{
	viommu_case *self = data;

	g_free(self->name);
	g_free(self->message);
	g_free(self->evidence);
	g_free(self);
}

static void
suite_free(gpointer data)
{
	viommu_suite *self = data;

	g_free(self->name);
	g_ptr_array_unref(self->cases);
	g_free(self);
}

typedef struct {
	const viommu_report *report;
	viommu_suite *suite;
	guint with_evidence[VIOMMU_CASE_STATES];
	uint64_t room[VIOMMU_CASE_STATES]; /* how many cases of the suite there still can be */
	uint64_t left_out[VIOMMU_CASE_STATES];
} builder;

/* Skipped is what nobody knows, unless the command line said that this is a fault too. */
static viommu_case_state
state_of_run(const viommu_report *report, const viommu_run *run)
{
	if (viommu_run_is_fault(report->result, run))
		return VIOMMU_CASE_FAILED;
	return run->verdict == VIOMMU_MATCH || run->verdict == VIOMMU_GONE ? VIOMMU_CASE_PASSED : VIOMMU_CASE_SKIPPED;
}

static char *
evidence_of(builder *self, viommu_case_state state, const viommu_run *run)
{
	char *text = NULL;
	g_autofree char *ret = NULL;
	size_t len;
	FILE *out;

	if (self->with_evidence[state] >= MAX_EVIDENCE && !self->report->all)
		return g_strdup("the walks of further failures are left out; --all shows them");
	self->with_evidence[state]++;
	out = open_memstream(&text, &len);
	viommu_report_text_run(out, self->report, run);
	fclose(out);
	ret = g_strdup(text);
	free(text);
	return g_strstrip(g_steal_pointer(&ret));
}

/* What is wrong first. */
static char *
message_of(const builder *self, const viommu_run *run, const char *share)
{
	viommu_link broken = viommu_chain_first_broken(viommu_run_chain(self->report->result, run));
	g_autofree char *note = run->note ? viommu_report_shown(run->note) : NULL;

	if (broken > VIOMMU_LINK_TABLE && broken < VIOMMU_LINKS)
		return g_strdup_printf("%sIOVA 0x%" PRIx64 "-0x%" PRIx64 ": link %u (%s) is broken: %s", share, run->iova.first,
			run->iova.last, broken + 1, viommu_link_name(broken), viommu_link_broken_text(broken));
	return g_strdup_printf("%sIOVA 0x%" PRIx64 "-0x%" PRIx64 ": %s: %s%s%s", share, run->iova.first, run->iova.last,
		viommu_verdict_name(run->verdict), viommu_verdict_meaning(run->verdict), note ? "; " : "", note ? note : "");
}

/* Takes name. run: what is not as it should be, NULL when all is; share: how much of it,
 * when there is more than that run. */
static void
add(builder *self, char *name, viommu_case_state state, const viommu_run *run, const char *share)
{
	viommu_case *item;

	self->suite->of[state]++;
	if (!self->room[state]) {
		self->left_out[state]++;
		g_free(name);
		return;
	}
	self->room[state]--;
	item = g_new0(viommu_case, 1);
	item->name = name;
	item->state = state;
	if (state != VIOMMU_CASE_PASSED && run) {
		item->message = message_of(self, run, share);
		item->evidence = evidence_of(self, state, run);
	}
	g_ptr_array_add(self->suite->cases, item);
}

static void
add_mapping(builder *self, const viommu_request *request, const viommu_mapping *m)
{
	const viommu_run *run =
		m->first_bad == G_MAXUINT ? NULL : &g_array_index(self->report->result->runs, viommu_run, m->first_bad);
	viommu_case_state state = m->state == VIOMMU_MAPPING_CLEAN ? VIOMMU_CASE_PASSED
		: m->state == VIOMMU_MAPPING_OPEN                   ? VIOMMU_CASE_SKIPPED
								    : VIOMMU_CASE_FAILED;
	g_autofree char *share = m->extents > 1 ? g_strdup_printf("%s of %s pages match; first ",
		viommu_count_text(m->pages[VIOMMU_MATCH]).text, viommu_count_text(m->total).text) : g_strdup("");

	add(self,
		g_strdup_printf("IOVA 0x%" PRIx64 "-0x%" PRIx64 " %s (event %" PRIu64 ")", request->iova.first, request->iova.last,
			request->prot_known ? viommu_prot_text(request->read, request->write).text : "??", request->seq),
		state, run, share);
}

static void
add_left_out(builder *self)
{
	static const char *const words[VIOMMU_CASE_STATES] = { "that match", "that failed", "that could not be verified" };

	for (unsigned i = 0; i < VIOMMU_CASE_STATES; i++) {
		viommu_case *item;

		if (!self->left_out[i])
			continue;
		item = g_new0(viommu_case, 1);
		item->name = g_strdup_printf("%s more %s, left out (--all has them)", viommu_count_text(self->left_out[i]).text, words[i]);
		item->state = (viommu_case_state) i;
		if (i != VIOMMU_CASE_PASSED)
			item->message = g_strdup("left out of this report");
		self->suite->of[i] -= self->left_out[i] - 1;
		g_ptr_array_add(self->suite->cases, item);
	}
}

/* Two rounds: what does not match comes first. */
static void
add_mappings(builder *self, const viommu_space *space, const viommu_mappings *mappings, bool clean)
{
	static const viommu_case_state states[] = { [VIOMMU_MAPPING_CLEAN] = VIOMMU_CASE_PASSED,
		[VIOMMU_MAPPING_OPEN] = VIOMMU_CASE_SKIPPED, [VIOMMU_MAPPING_BROKEN] = VIOMMU_CASE_FAILED };
	uint64_t more[VIOMMU_MAPPING_STATES];

	memcpy(more, mappings->of, sizeof(more));
	for (guint i = 0; i < mappings->shown->len; i++) {
		const viommu_mapping *m = &g_array_index(mappings->shown, viommu_mapping, i);

		more[m->state]--;
		if ((m->state == VIOMMU_MAPPING_CLEAN) == clean)
			add_mapping(self, &g_array_index(space->requests, viommu_request, m->request), m);
	}
	for (unsigned i = VIOMMU_MAPPING_CLEAN; i < VIOMMU_MAPPING_STATES; i++)
		if ((i == VIOMMU_MAPPING_CLEAN) == clean) {
			self->suite->of[states[i]] += more[i];
			self->left_out[states[i]] += more[i];
		}
}

/* The run is no part of a mapping that is told as a case. */
static bool
stands_alone(const viommu_run *run)
{
	return !run->has_expected || run->verdict == VIOMMU_STALE || run->verdict == VIOMMU_GONE;
}

/* What failed has its places before anything else has one. */
static void
make_room(builder *self, const viommu_mappings *mappings, viommu_span span)
{
	const viommu_result *result = self->report->result;
	uint64_t wanted[VIOMMU_CASE_STATES] = { [VIOMMU_CASE_FAILED] = mappings->of[VIOMMU_MAPPING_BROKEN],
		[VIOMMU_CASE_SKIPPED] = mappings->of[VIOMMU_MAPPING_OPEN] };
	uint64_t left = self->report->all ? UINT64_MAX : VIOMMU_CASES;

	for (guint i = span.first; result->remarkable && i < span.end; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		wanted[state_of_run(self->report, run)] += stands_alone(run);
	}
	self->room[VIOMMU_CASE_FAILED] = MIN(wanted[VIOMMU_CASE_FAILED], left);
	left -= self->room[VIOMMU_CASE_FAILED];
	self->room[VIOMMU_CASE_SKIPPED] = MIN(wanted[VIOMMU_CASE_SKIPPED], left);
	self->room[VIOMMU_CASE_PASSED] = left - self->room[VIOMMU_CASE_SKIPPED];
}

static void
add_target(builder *self, uint32_t index, viommu_span span)
{
	const viommu_result *result = self->report->result;
	const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, index);
	g_auto(viommu_mappings) mappings = { 0 };
	guint most = self->report->all ? G_MAXUINT : VIOMMU_CASES;

	viommu_report_mappings(result, index, span, most, most, &mappings);
	make_room(self, &mappings, span);
	add_mappings(self, target->space, &mappings, false);
	for (guint i = span.first; result->remarkable && i < span.end; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		viommu_case_state state = state_of_run(self->report, run);

		if (stands_alone(run) && state != VIOMMU_CASE_PASSED)
			add(self, g_strdup_printf("IOVA 0x%" PRIx64 "-0x%" PRIx64 " not mapped in L1", run->iova.first, run->iova.last),
				state, run, "");
	}
	add_mappings(self, target->space, &mappings, true);
	add_left_out(self);
}

static viommu_suite *
left_out(const viommu_table_bounds *tables)
{
	static const viommu_case_state states[VIOMMU_RANKS] = { [VIOMMU_RANK_FAULT] = VIOMMU_CASE_FAILED,
		[VIOMMU_RANK_OPEN] = VIOMMU_CASE_SKIPPED, [VIOMMU_RANK_GOOD] = VIOMMU_CASE_PASSED };
	g_autofree char *text = viommu_table_bounds_text(tables);
	viommu_suite *ret = g_new0(viommu_suite, 1);
	viommu_case *item = g_new0(viommu_case, 1);

	ret->name = g_strdup("more tables");
	ret->cases = g_ptr_array_new_with_free_func(case_free);
	item->name = g_strdup_printf("%s (--all has them)", text);
	item->state = states[tables->worst];
	if (item->state != VIOMMU_CASE_PASSED)
		item->message = g_strdup("left out of this report");
	ret->of[item->state] = 1;
	g_ptr_array_add(ret->cases, item);
	return ret;
}

GPtrArray *
viommu_report_suites(const viommu_report *report)
{
	g_autoptr(GPtrArray) ret = g_ptr_array_new_with_free_func(suite_free);
	g_autoptr(GArray) spans = viommu_report_spans(report->result);
	g_autoptr(GPtrArray) devices = viommu_report_sharers(report->result, 16);
	g_auto(viommu_table_bounds) tables = { 0 };
	builder self = { .report = report };

	viommu_table_bounds_of(report->result, report->all ? UINT64_MAX : MAX_SUITES, &tables);
	for (guint k = 0; k < tables.listed->len; k++) {
		guint i = g_array_index(tables.listed, guint, k);
		const viommu_target_result *target = &g_array_index(report->result->targets, viommu_target_result, i);
		g_autofree char *backend = viommu_escape(*target->space->backend ? target->space->backend : "unknown backend");
		self.suite = g_new0(viommu_suite, 1);
		self.suite->name = g_strdup_printf("%s space %" PRId64 " (%s)", (const char *) g_ptr_array_index(devices, i), target->space->id, backend);
		self.suite->cases = g_ptr_array_new_with_free_func(case_free);
		memset(self.left_out, 0, sizeof(self.left_out));
		g_ptr_array_add(ret, self.suite);
		add_target(&self, i, g_array_index(spans, viommu_span, i));
	}
	if (tables.left_out)
		g_ptr_array_add(ret, left_out(&tables));
	return g_steal_pointer(&ret);
}
