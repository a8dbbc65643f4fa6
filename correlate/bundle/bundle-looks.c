/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A result that came of several looks at a live guest: what a replay of the last one alone
 * cannot tell.  Pages that were in flux are told again as such, and not as the faults that
 * they were at the last look; and where the host's IOMMU was not proven to differ, that.
 */
#include <string.h>

#include <viommu/json.h>

#include "bundle/bundle-replay.h"
#include "join/doubt.h"
#include "join/result.h"
#include "text/text.h"

#define MAX_PICKS (100 * 1000 * 1000)

static guint
record_index(const GPtrArray *records, const viommu_record *record)
{
	guint ret = 0;

	g_ptr_array_find((GPtrArray *) records, record, &ret);
	return ret;
}

/* A new object. */
static json_t *
range_json(const viommu_result *result, uint32_t of, viommu_iova_range range, const GPtrArray *records)
{
	const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, of);

	return json_pack("{s:i, s:I, s:i, s:o, s:o}", "record", (int) record_index(records, target->record), "space",
		(json_int_t) target->space->id, "source_id", target->any_device ? -1 : (int) target->sid.v, "first",
		viommu_json_hex(range.first), "last", viommu_json_hex(range.last));
}

/* IOVAs of one target with one doubt, and between them none whose link 5 is broken. */
typedef struct {
	viommu_doubt doubt; /* VIOMMU_DOUBT_NONE: there is none */
	uint32_t target;
	viommu_iova_range range;
} unproven;

static void
put_unproven(json_t *list, const viommu_result *result, unproven *self, const GPtrArray *records)
{
	json_t *range = self->doubt ? range_json(result, self->target, self->range, records) : NULL;

	if (!range)
		return;
	json_object_set_new(range, "why", json_string(viommu_doubt_name(self->doubt)));
	json_array_append_new(list, range);
	self->doubt = VIOMMU_DOUBT_NONE;
}

json_t *
viommu_replay_looks_json(const viommu_result *result, const GPtrArray *records)
{
	json_t *in_flux = json_array(), *list = json_array();
	unproven open = { 0 };

	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		const viommu_link_status *status = &viommu_run_chain(result, run)->links[VIOMMU_LINK_SHADOW];
		viommu_doubt doubt = viommu_doubt_of_status(status);

		if (run->verdict == VIOMMU_IN_FLUX)
			json_array_append_new(in_flux, range_json(result, run->target, run->iova, records));
		if (status->state == VIOMMU_LINK_BROKEN || (doubt && (doubt != open.doubt || run->target != open.target)))
			put_unproven(list, result, &open, records);
		if (doubt && !open.doubt)
			open = (unproven){ doubt, run->target, run->iova };
		else if (doubt)
			open.range.last = run->iova.last;
	}
	put_unproven(list, result, &open, records);
	return json_pack("{s:i, s:o, s:o}", "reads", (int) result->reads, "in_flux", in_flux, "shadow_unproven", list);
}

static bool
is_of(const json_t *item, const viommu_target_result *target, const GPtrArray *records)
{
	return json_integer_value(json_object_get(item, "record")) == (json_int_t) record_index(records, target->record) &&
		json_integer_value(json_object_get(item, "space")) == target->space->id &&
		json_integer_value(json_object_get(item, "source_id")) == (target->any_device ? -1 : target->sid.v);
}

/* A stretch of one of the two lists. */
typedef struct {
	viommu_iova_range range;
	viommu_doubt doubt; /* VIOMMU_DOUBT_NONE: it was in flux */
} stretch;

static int
cmp_stretch(const void *a, const void *b)
{
	const stretch *x = a, *y = b;

	return x->range.first < y->range.first ? -1 : x->range.first > y->range.first;
}

/* Of one target, ascending. */
static GArray *
stretches_of(const json_t *list, const viommu_target_result *target, const GPtrArray *records)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(stretch));
	const json_t *item;
	size_t i;

	json_array_foreach ((json_t *) list, i, item) {
		stretch new = { .doubt = viommu_doubt_of_name(json_string_value(json_object_get(item, "why"))) };

		if (is_of(item, target, records) && viommu_json_get_hex(item, "first", &new.range.first) &&
			viommu_json_get_hex(item, "last", &new.range.last) && new.range.first <= new.range.last)
			g_array_append_val(ret, new);
	}
	g_array_sort(ret, cmp_stretch);
	return ret;
}

static void
put(viommu_result *result, GArray *runs, const viommu_run *run, uint64_t first, uint64_t last, const stretch *in)
{
	if (in && in->doubt)
		viommu_run_put_doubt(result, runs, run, first, last, in->doubt);
	else
		viommu_run_put_part(runs, run, first, last, in != NULL);
}

/* Appends what of a run lies in a stretch as that says, and the rest as it is.  *next: the first
 * stretch that can be of it, and of the run behind it. */
static void
cut(viommu_result *result, GArray *runs, const viommu_run *run, const GArray *stretches, guint *next)
{
	uint64_t at = run->iova.first;

	while (*next < stretches->len && g_array_index(stretches, stretch, *next).range.last < at)
		++*next;
	for (guint i = *next; i < stretches->len && g_array_index(stretches, stretch, i).range.first <= run->iova.last; i++) {
		const stretch *in = &g_array_index(stretches, stretch, i);
		uint64_t first = MAX(in->range.first, at), last = MIN(in->range.last, run->iova.last);

		if (first > last)
			continue;
		if (at < first)
			put(result, runs, run, at, first - 1, NULL);
		put(result, runs, run, first, last, in);
		if (last == run->iova.last)
			return;
		at = last + 1;
	}
	put(result, runs, run, at, run->iova.last, NULL);
}

/* wanted: which runs a stretch of the list can be about. */
static gboolean
replay_list(viommu_result *result, const json_t *list, const GPtrArray *records,
	bool (*wanted)(const viommu_result *result, const viommu_run *run), GError **error)
{
	GArray *runs;
	guint target = 0, next = 0;
	g_autoptr(GArray) stretches = NULL;

	if (json_array_size(list) == 0)
		return TRUE;
	/* Each target's stretches are picked out of all: hostile lists would make that long. */
	if (json_array_size(list) * result->targets->len > MAX_PICKS) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
			"it is not a usable bundle: its lists of what was not proven are too long for so many devices");
		return FALSE;
	}
	runs = g_array_new(FALSE, FALSE, sizeof(viommu_run));
	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run run = g_array_index(result->runs, viommu_run, i);

		if (!stretches || run.target != target) {
			g_clear_pointer(&stretches, g_array_unref);
			target = run.target;
			next = 0;
			stretches = stretches_of(list, &g_array_index(result->targets, viommu_target_result, target), records);
		}
		if (wanted(result, &run))
			cut(result, runs, &run, stretches, &next);
		else
			g_array_append_val(runs, run);
	}
	viommu_result_replace_runs(result, runs);
	return TRUE;
}

static bool
shadow_differs(const viommu_result *result, const viommu_run *run)
{
	return viommu_run_chain(result, run)->links[VIOMMU_LINK_SHADOW].state == VIOMMU_LINK_BROKEN;
}

gboolean
viommu_replay_looks(
	const viommu_bundle *bundle, viommu_result *result, const GPtrArray *records, bool other_shadow, GError **error)
{
	const json_t *looks = json_object_get(json_object_get(bundle->manifest, "verify"), "looks");
	json_int_t reads = json_integer_value(json_object_get(looks, "reads"));

	if (reads > 0 && reads < 1000)
		result->reads = (unsigned) reads;
	return (other_shadow || replay_list(result, json_object_get(looks, "shadow_unproven"), records, shadow_differs, error)) &&
		replay_list(result, json_object_get(looks, "in_flux"), records, viommu_run_is_fault, error);
}
