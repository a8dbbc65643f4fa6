/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A result that came of several looks at a live guest: what a replay of the last one alone
 * cannot tell.  Pages that were in flux are told again as such, and not as the faults that
 * they were at the last look.
 */
#include <string.h>

#include <viommu/json.h>

#include "bundle/bundle-replay.h"
#include "join/result.h"
#include "text/text.h"

static guint
record_index(const GPtrArray *records, const viommu_record *record)
{
	guint ret = 0;

	g_ptr_array_find((GPtrArray *) records, record, &ret);
	return ret;
}

json_t *
viommu_replay_looks_json(const viommu_result *result, const GPtrArray *records)
{
	json_t *in_flux = json_array();

	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, run->target);

		if (run->verdict == VIOMMU_IN_FLUX)
			json_array_append_new(in_flux, json_pack("{s:i, s:I, s:i, s:o, s:o}", "record",
				(int) record_index(records, target->record), "space", (json_int_t) target->space->id, "source_id",
				target->any_device ? -1 : (int) target->sid.v, "first", viommu_json_hex(run->iova.first), "last",
				viommu_json_hex(run->iova.last)));
	}
	return json_pack("{s:i, s:o}", "reads", (int) result->reads, "in_flux", in_flux);
}

static bool
is_of(const json_t *item, const viommu_target_result *target, const GPtrArray *records)
{
	return json_integer_value(json_object_get(item, "record")) == (json_int_t) record_index(records, target->record) &&
		json_integer_value(json_object_get(item, "space")) == target->space->id &&
		json_integer_value(json_object_get(item, "source_id")) == (target->any_device ? -1 : target->sid.v);
}

static int
cmp_range(const void *a, const void *b)
{
	const viommu_iova_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* The ranges of one target, ascending. */
static GArray *
ranges_of(const json_t *in_flux, const viommu_target_result *target, const GPtrArray *records)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(viommu_iova_range));
	const json_t *item;
	size_t i;

	json_array_foreach ((json_t *) in_flux, i, item) {
		viommu_iova_range range;

		if (is_of(item, target, records) && viommu_json_get_hex(item, "first", &range.first) &&
			viommu_json_get_hex(item, "last", &range.last) && range.first <= range.last)
			g_array_append_val(ret, range);
	}
	g_array_sort(ret, cmp_range);
	return ret;
}

/* Appends what of a run lies in a range as in flux, and the rest as it is. */
static void
cut(GArray *runs, const viommu_run *run, const GArray *ranges)
{
	uint64_t at = run->iova.first;

	for (guint i = 0; i < ranges->len; i++) {
		const viommu_iova_range *range = &g_array_index(ranges, viommu_iova_range, i);
		uint64_t first = MAX(range->first, at), last = MIN(range->last, run->iova.last);

		if (first > last)
			continue;
		if (at < first)
			viommu_run_put_part(runs, run, at, first - 1, false);
		viommu_run_put_part(runs, run, first, last, true);
		if (last == run->iova.last)
			return;
		at = last + 1;
	}
	viommu_run_put_part(runs, run, at, run->iova.last, false);
}

gboolean
viommu_replay_looks(const viommu_bundle *bundle, viommu_result *result, const GPtrArray *records, GError **error)
{
	const json_t *looks = json_object_get(json_object_get(bundle->manifest, "verify"), "looks");
	const json_t *in_flux = json_object_get(looks, "in_flux");
	json_int_t reads = json_integer_value(json_object_get(looks, "reads"));
	GArray *runs;
	guint target = 0;
	g_autoptr(GArray) ranges = NULL;

	if (reads > 0 && reads < 1000)
		result->reads = (unsigned) reads;
	if (json_array_size(in_flux) == 0)
		return TRUE;
	/* Each target's ranges are picked out of all: hostile lists would make that long. */
	if (json_array_size(in_flux) > 100000 || result->targets->len > 1000) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT, "it is not a usable bundle: too much was in flux");
		return FALSE;
	}
	runs = g_array_new(FALSE, FALSE, sizeof(viommu_run));
	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (!ranges || run->target != target) {
			g_clear_pointer(&ranges, g_array_unref);
			target = run->target;
			ranges = ranges_of(in_flux, &g_array_index(result->targets, viommu_target_result, target), records);
		}
		if (viommu_run_is_fault(result, run))
			cut(runs, run, ranges);
		else
			g_array_append_vals(runs, run, 1);
	}
	viommu_result_replace_runs(result, runs);
	return TRUE;
}
