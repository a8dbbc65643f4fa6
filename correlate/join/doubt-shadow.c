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
	[VIOMMU_DOUBT_EARLIER] = { "earlier",
		"the host's IOMMU was seen to differ from L1's table as it was saved; what the record says L1 has there since does not show "
		"that it still was so when the host's was read" },
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

/* Of each record, once it was asked of. */
typedef struct {
	const viommu_record_times *times;
	viommu_readings **readings; /* by its place; NULL: not asked yet, or not to be */
} witnesses;

static void
witnesses_init(witnesses *self, const viommu_record_times *times)
{
	self->times = times;
	self->readings = g_new0(viommu_readings *, times->judged->len + 1);
}

static void
witnesses_clear(witnesses *self)
{
	for (guint i = 0; i < self->times->judged->len; i++)
		viommu_readings_free(self->readings[i]);
	g_free(self->readings);
}

/* Of one target. */
typedef struct {
	viommu_doubt doubt; /* of all of it */
	const viommu_readings *readings; /* NULL: there is nothing to be asked */
	int64_t space;
} witness;

/* Why a record tells nothing of what came in between. */
static viommu_doubt
mute(const viommu_record *before, const viommu_record *after)
{
	if (!after)
		return VIOMMU_DOUBT_SILENT;
	if (after->ended)
		return VIOMMU_DOUBT_ENDED;
	if (after->losses != before->losses || after->lost != before->lost)
		return VIOMMU_DOUBT_LOST;
	/* Another record, or the trace was not on yet. */
	return g_strcmp0(before->session, after->session) != 0 || (after->looks_back && !before->looks_back) ? VIOMMU_DOUBT_CHANGED
													     : VIOMMU_DOUBT_NONE;
}

static witness
witness_of(witnesses *self, const viommu_target_result *target)
{
	const viommu_record_times *times = self->times;
	witness ret = { .space = target->space->id };
	guint i = 0;

	if (times->still)
		return ret;
	if (!times->after || !g_ptr_array_find((GPtrArray *) times->judged, target->record, &i) || i >= times->before->len ||
		i >= times->after->len) {
		ret.doubt = VIOMMU_DOUBT_UNREAD;
		return ret;
	}
	ret.doubt = mute(g_ptr_array_index(times->before, i), g_ptr_array_index(times->after, i));
	if (ret.doubt)
		return ret;
	if (!self->readings[i])
		self->readings[i] = viommu_readings_new(g_ptr_array_index(times->before, i), g_ptr_array_index(times->after, i));
	ret.readings = self->readings[i];
	if (!viommu_readings_same_devices(ret.readings, ret.space))
		ret.doubt = VIOMMU_DOUBT_CHANGED;
	return ret;
}

static viommu_doubt
ask(const witness *w, uint64_t first, uint64_t *last)
{
	if (w->doubt || !w->readings)
		return w->doubt;
	return viommu_readings_same(w->readings, w->space, first, last) ? VIOMMU_DOUBT_NONE : VIOMMU_DOUBT_CHANGED;
}

/* ---- what the earlier look saw ------------------------------------------------------------- */

/* The runs of one target of the earlier look, and how far they were gone through. */
typedef struct {
	const viommu_result *result;
	guint at;
	uint32_t target; /* G_MAXUINT32: the earlier look has none */
} earlier_runs;

/* Of each target the place of its first run, + 1. */
static GHashTable *
first_runs(const viommu_result *result)
{
	GHashTable *ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	uint32_t target = G_MAXUINT32;

	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (run->target == target)
			continue;
		target = run->target;
		g_hash_table_insert(ret, viommu_target_key(&g_array_index(result->targets, viommu_target_result, target)), GUINT_TO_POINTER(i + 1));
	}
	return ret;
}

/* Those of the same device and space of the same record. */
static earlier_runs
earlier_of(const viommu_result *earlier, GHashTable *firsts, const viommu_target_result *target)
{
	g_autofree char *key = viommu_target_key(target);
	guint first = GPOINTER_TO_UINT(g_hash_table_lookup(firsts, key));
	earlier_runs ret = { .result = earlier, .target = G_MAXUINT32, .at = earlier->runs->len };

	if (first) {
		ret.at = first - 1;
		ret.target = g_array_index(earlier->runs, viommu_run, ret.at).target;
	}
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

/* What the record has of it tells, whatever was saved before, that the host ought to have it, or not. */
static bool
is_implied(const viommu_result *self, const viommu_run *run)
{
	if (run->verdict == VIOMMU_MATCH)
		return true; /* mapped, and to the page that the table has */
	return run->verdict == VIOMMU_GONE &&
		(run->has_expected || g_array_index(self->targets, viommu_target_result, run->target).space->complete);
}

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
	g_autoptr(GHashTable) firsts = first_runs(earlier);
	uint32_t target = G_MAXUINT32;
	earlier_runs before = { 0 };
	witnesses all;
	witness word = { 0 }, one;
	uint64_t ret = 0;

	witnesses_init(&all, records);
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
			before = earlier_of(earlier, firsts, of);
			word = witness_of(&all, of);
		}
		one = word;
		if (!one.doubt && records->saved && !is_implied(self, &run))
			one.doubt = VIOMMU_DOUBT_EARLIER;
		ret += cut_run(self, &run, &one, &before, runs);
	}
	witnesses_clear(&all);
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

/* Cuts one run; returns its pages that are in flux. */
static uint64_t
cut_flux(const viommu_run *run, const witness *word, GArray *runs)
{
	uint64_t ret = 0, first = run->iova.first, last;

	do {
		bool changed;

		last = run->iova.last;
		changed = ask(word, first, &last) != VIOMMU_DOUBT_NONE;
		ret += changed ? ((last - first) >> VIOMMU_PAGE_SHIFT) + 1 : 0;
		if (runs)
			viommu_run_put_part(runs, run, first, last, changed);
		first = last + 1;
	} while (last != run->iova.last);
	return ret;
}

uint64_t
viommu_result_doubt_trace(viommu_result *self, const viommu_record_times *records, bool apply)
{
	GArray *runs = apply ? g_array_new(FALSE, FALSE, sizeof(viommu_run)) : NULL;
	uint32_t target = G_MAXUINT32;
	witnesses all;
	witness word = { 0 };
	uint64_t ret = 0;

	witnesses_init(&all, records);
	for (guint i = 0; i < self->runs->len; i++) {
		const viommu_run run = g_array_index(self->runs, viommu_run, i);

		if (!is_of_trace(self, &run)) {
			if (runs)
				g_array_append_val(runs, run);
			continue;
		}
		if (run.target != target) {
			target = run.target;
			word = witness_of(&all, &g_array_index(self->targets, viommu_target_result, target));
		}
		ret += cut_flux(&run, &word, runs);
	}
	witnesses_clear(&all);
	if (runs)
		viommu_result_replace_runs(self, runs);
	return ret;
}
