/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L1's table and the host's IOMMU are read one after the other, and L1 goes on meanwhile: an
 * IOVA that is used again between the two differs although nothing is wrong.  That nothing came
 * in between is what the record can tell: read before both and again after both, it has to say the
 * same of the page.
 */
#include "join/doubt.h"

#include <string.h>

#include "join/result.h"
#include "record/record-same.h"

static const struct {
	const char *name, *text;
} doubts[VIOMMU_DOUBTS] = {
	[VIOMMU_DOUBT_NONE] = { "none", NULL },
	[VIOMMU_DOUBT_OTHERWISE] = { "otherwise", "the host's IOMMU was seen to differ in one of two looks only: it may not have been done yet" },
	[VIOMMU_DOUBT_CHANGED] = { "changed",
		"the host's IOMMU was seen to differ, and L1 mapped or unmapped it while both were read: what was seen is of two moments" },
	[VIOMMU_DOUBT_UNREAD] = { "unread",
		"the host's IOMMU was seen to differ; the record cannot be read again to see what L1 did while both were read (give it as a "
		"file)" },
	[VIOMMU_DOUBT_ENDED] = { "ended",
		"the host's IOMMU was seen to differ; the record has ended, and does not tell what L1 did since: this proves a fault only "
		"while the record goes on, or when the host's side was saved at the same moment, too" },
	[VIOMMU_DOUBT_LOST] = { "lost", "the host's IOMMU was seen to differ, and the record lost events while both were read" },
	[VIOMMU_DOUBT_SILENT] = { "silent",
		"the host's IOMMU was seen to differ; the record has no mark that tells of the time while both were read: its writer is busy, "
		"or is no more" },
};

const char *
viommu_doubt_name(viommu_doubt doubt)
{
	return doubts[doubt].name;
}

const char *
viommu_doubt_text(viommu_doubt doubt)
{
	return doubts[doubt].text;
}

viommu_doubt
viommu_doubt_of_name(const char *name)
{
	viommu_doubt ret = VIOMMU_DOUBTS;

	while (--ret > VIOMMU_DOUBT_NONE && g_strcmp0(doubts[ret].name, name) != 0)
		;
	return ret;
}

viommu_doubt
viommu_doubt_of_status(const viommu_link_status *status)
{
	viommu_doubt ret = VIOMMU_DOUBTS;

	while (--ret > VIOMMU_DOUBT_NONE && doubts[ret].text != status->note)
		;
	return ret;
}

static const viommu_link_status *
shadow_of(const viommu_result *result, const viommu_run *run)
{
	return &viommu_run_chain(result, run)->links[VIOMMU_LINK_SHADOW];
}

bool
viommu_result_shadow_differs(const viommu_result *self)
{
	for (guint i = 0; i < self->chains->len && i < self->chain_pages->len; i++) {
		const viommu_chain_pages *pages = &g_array_index(self->chain_pages, viommu_chain_pages, i);

		if (g_array_index(self->chains, viommu_chain, i).links[VIOMMU_LINK_SHADOW].state == VIOMMU_LINK_BROKEN &&
			pages->mapped + pages->gone)
			return true;
	}
	return false;
}

void
viommu_run_put_doubt(viommu_result *self, GArray *runs, const viommu_run *run, uint64_t first, uint64_t last, viommu_doubt doubt)
{
	viommu_chain chain = *viommu_run_chain(self, run);
	viommu_run *part;

	viommu_run_put_part(runs, run, first, last, false);
	if (doubt == VIOMMU_DOUBT_NONE)
		return;
	chain.links[VIOMMU_LINK_SHADOW] = (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, doubts[doubt].text };
	part = &g_array_index(runs, viommu_run, runs->len - 1);
	part->chain = viommu_result_chain(self, &chain);
}

/* ---- what the records tell --------------------------------------------------------------- */

/* Of one target. */
typedef struct {
	viommu_doubt doubt; /* of all of it */
	const viommu_space *before, *after;
} witness;

static bool
has_device(const viommu_space *space, const viommu_target_result *target)
{
	return space && (target->any_device || g_hash_table_contains(space->known, GUINT_TO_POINTER(target->sid.v)));
}

static witness
witness_of(const viommu_target_result *target, const viommu_record_times *records)
{
	witness ret = { 0 };
	const viommu_record *before, *after;
	guint i = 0;

	if (!records->after || !g_ptr_array_find((GPtrArray *) records->judged, target->record, &i) || i >= records->before->len ||
		i >= records->after->len) {
		ret.doubt = VIOMMU_DOUBT_UNREAD;
		return ret;
	}
	before = g_ptr_array_index(records->before, i);
	after = g_ptr_array_index(records->after, i);
	if (!after) {
		ret.doubt = VIOMMU_DOUBT_SILENT;
		return ret;
	}
	ret.before = viommu_record_space(before, target->space->id);
	ret.after = viommu_record_space(after, target->space->id);
	if (after->ended)
		ret.doubt = VIOMMU_DOUBT_ENDED;
	else if (after->looks_back && !before->looks_back) /* it was not tracing yet */
		ret.doubt = VIOMMU_DOUBT_CHANGED;
	else if (after->lost != before->lost || !after->lost_reason != !before->lost_reason)
		ret.doubt = VIOMMU_DOUBT_LOST;
	else if (g_strcmp0(before->session, after->session) != 0 || !has_device(ret.before, target) || !has_device(ret.after, target))
		ret.doubt = VIOMMU_DOUBT_CHANGED;
	return ret;
}

static viommu_doubt
ask(const witness *w, uint64_t first, uint64_t *last)
{
	if (w->doubt)
		return w->doubt;
	return viommu_space_same(w->before, w->after, first, last) ? VIOMMU_DOUBT_NONE : VIOMMU_DOUBT_CHANGED;
}

/* ---- what the earlier look saw ------------------------------------------------------------- */

/* The runs of one target of the earlier look, and how far they were gone through. */
typedef struct {
	const viommu_result *result;
	guint at;
	uint32_t target; /* G_MAXUINT32: the earlier look has none */
} earlier_runs;

/* The target of the same device and space of the same record. */
static earlier_runs
earlier_of(const viommu_result *earlier, const viommu_target_result *target)
{
	earlier_runs ret = { .result = earlier, .target = G_MAXUINT32 };

	for (guint i = 0; i < earlier->targets->len && ret.target == G_MAXUINT32; i++) {
		const viommu_target_result *other = &g_array_index(earlier->targets, viommu_target_result, i);

		if (other->sid.v == target->sid.v && other->any_device == target->any_device && other->space->id == target->space->id &&
			g_strcmp0(other->record->path, target->record->path) == 0 && g_strcmp0(other->record->session, target->record->session) == 0)
			ret.target = i;
	}
	while (ret.at < earlier->runs->len && g_array_index(earlier->runs, viommu_run, ret.at).target != ret.target)
		ret.at++;
	return ret;
}

/* Did it see the same there?  first rises from call to call. */
static viommu_doubt
seen_before(earlier_runs *self, const viommu_link_status *status, uint64_t first, uint64_t *last)
{
	const GArray *runs = self->result->runs;
	const viommu_run *run;

	while (self->at < runs->len && g_array_index(runs, viommu_run, self->at).target == self->target &&
		g_array_index(runs, viommu_run, self->at).iova.last < first)
		self->at++;
	run = self->at < runs->len ? &g_array_index(runs, viommu_run, self->at) : NULL;
	if (!run || run->target != self->target)
		return VIOMMU_DOUBT_OTHERWISE;
	if (run->iova.first > first) {
		*last = MIN(*last, run->iova.first - 1);
		return VIOMMU_DOUBT_OTHERWISE;
	}
	*last = MIN(*last, run->iova.last);
	return shadow_of(self->result, run)->state == VIOMMU_LINK_BROKEN && shadow_of(self->result, run)->note == status->note
		? VIOMMU_DOUBT_NONE
		: VIOMMU_DOUBT_OTHERWISE;
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Cuts one run; returns its doubtful pages. runs may be NULL: they are only counted. */
static uint64_t
cut_run(viommu_result *self, const viommu_run *run, const witness *records, earlier_runs *before, GArray *runs)
{
	const viommu_link_status status = *shadow_of(self, run);
	viommu_doubt before_that = VIOMMU_DOUBT_NONE;
	uint64_t ret = 0, at = run->iova.first, from = at;

	for (bool end = false; !end; ) {
		uint64_t last = run->iova.last;
		viommu_doubt doubt = ask(records, at, &last);

		if (doubt == VIOMMU_DOUBT_NONE)
			doubt = seen_before(before, &status, at, &last);
		if (doubt)
			ret += ((last - at) >> VIOMMU_PAGE_SHIFT) + 1;
		if (runs && at != from && doubt != before_that) {
			viommu_run_put_doubt(self, runs, run, from, at - 1, before_that);
			from = at;
		}
		before_that = doubt;
		end = last == run->iova.last;
		at = last + 1;
	}
	if (runs)
		viommu_run_put_doubt(self, runs, run, from, run->iova.last, before_that);
	return ret;
}

uint64_t
viommu_result_doubt_shadow(viommu_result *self, const viommu_result *earlier, const viommu_record_times *records, bool apply)
{
	GArray *runs = apply ? g_array_new(FALSE, FALSE, sizeof(viommu_run)) : NULL;
	uint32_t target = G_MAXUINT32;
	earlier_runs before = { 0 };
	witness word = { 0 };
	uint64_t ret = 0;

	for (guint i = 0; i < self->runs->len; i++) {
		const viommu_run run = g_array_index(self->runs, viommu_run, i);

		if (shadow_of(self, &run)->state != VIOMMU_LINK_BROKEN) {
			if (runs)
				g_array_append_val(runs, run);
			continue;
		}
		if (run.target != target) {
			const viommu_target_result *of = &g_array_index(self->targets, viommu_target_result, run.target);

			target = run.target;
			before = earlier_of(earlier, of);
			word = witness_of(of, records);
		}
		ret += cut_run(self, &run, &word, &before, runs);
	}
	if (runs)
		viommu_result_replace_runs(self, runs);
	return ret;
}

/* ---- traces ---------------------------------------------------------------------------------- */

/* A fault that hangs on what a trace tells. */
static bool
is_of_trace(const viommu_result *self, const viommu_run *run)
{
	return g_array_index(self->targets, viommu_target_result, run->target).record->caught_up && viommu_verdict_is_fault(run->verdict) &&
		run->verdict != VIOMMU_RESERVED_BIT;
}

uint64_t
viommu_result_doubt_trace(viommu_result *self, const viommu_record_times *records, bool apply)
{
	GArray *runs = apply ? g_array_new(FALSE, FALSE, sizeof(viommu_run)) : NULL;
	uint32_t target = G_MAXUINT32;
	witness word = { 0 };
	uint64_t ret = 0;

	for (guint i = 0; i < self->runs->len; i++) {
		const viommu_run run = g_array_index(self->runs, viommu_run, i);
		bool asked = is_of_trace(self, &run);
		uint64_t first = run.iova.first, last;

		if (run.target != target) {
			target = run.target;
			word = witness_of(&g_array_index(self->targets, viommu_target_result, target), records);
		}
		do {
			bool changed;

			last = run.iova.last;
			changed = asked && ask(&word, first, &last) != VIOMMU_DOUBT_NONE;
			ret += changed ? ((last - first) >> VIOMMU_PAGE_SHIFT) + 1 : 0;
			if (runs)
				viommu_run_put_part(runs, &run, first, last, changed);
			first = last + 1;
		} while (last != run.iova.last);
	}
	if (runs)
		viommu_result_replace_runs(self, runs);
	return ret;
}
