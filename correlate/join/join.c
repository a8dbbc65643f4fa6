/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The join: two streams in IOVA order, what L1 asked for and what the table has,
 * merged into runs with a verdict.  Nothing is kept of either but the runs.
 */
#include "join/join.h"
#include "record/pieces.h"
#include "join/result.h"

typedef viommu_join join;

/* A run for the part [first, last] of a piece. */
viommu_run
viommu_expected_run(viommu_verdict verdict, const viommu_piece *piece, uint64_t first, uint64_t last)
{
	return (viommu_run){ .verdict = verdict, .iova = { first, last }, .has_expected = true,
		.expected = { .gpa = VIOMMU_GPA(piece->gpa.v + (first - piece->iova.first)), .since_ns = piece->since_ns,
			.request = piece->request, .gpa_known = piece->gpa_known, .prot_known = piece->prot_known,
			.read = piece->read, .write = piece->write } };
}

/* Gives everything that L1 asked for in [first, last] one verdict. */
void
viommu_join_add_expected(join *j, uint64_t first, uint64_t last, viommu_verdict verdict, const char *note)
{
	const viommu_piece *piece;

	while ((piece = viommu_pieces_from(j->space->live, first)) && piece->iova.first <= last) {
		viommu_run run = viommu_expected_run(verdict, piece, MAX(first, piece->iova.first), MIN(last, piece->iova.last));

		run.note = note;
		viommu_join_add(j, &run);
		if (run.iova.last == last)
			return;
		first = run.iova.last + 1;
	}
}

/* No DMA to [first, last] reaches the table. */
static void
add_unreachable(join *j, uint64_t first, uint64_t last)
{
	uint64_t from = MAX(first, VTD_INTERRUPT_FIRST), to = MIN(last, VTD_INTERRUPT_LAST);

	if (from > to) {
		viommu_join_add_expected(j, first, last, VIOMMU_BEYOND_WIDTH, NULL);
		return;
	}
	if (first < from)
		viommu_join_add_expected(j, first, from - 1, VIOMMU_BEYOND_WIDTH, NULL);
	viommu_join_add_expected(j, from, to, VIOMMU_MISSING,
		"the IOVA lies in the interrupt address range (0xfee00000-0xfeefffff): such requests never reach the tables");
	if (to < last)
		viommu_join_add_expected(j, to + 1, last, VIOMMU_BEYOND_WIDTH, NULL);
}

/* The table has nothing for [first, last]. */
static void
add_absent(join *j, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < j->n_reach; i++) {
		uint64_t from = MAX(first, j->reach[i].first), to = MIN(last, j->reach[i].last);

		if (from > to)
			continue;
		if (first < from)
			add_unreachable(j, first, from - 1);
		viommu_join_add_expected(j, from, to, VIOMMU_MISSING, NULL);
		if (to == last)
			return;
		first = to + 1;
	}
	add_unreachable(j, first, last);
}

/* What L1 unmapped, and not something that was mapped there since by somebody whom an
 * incomplete record does not see: IOVAs are used again soon. */
static bool
is_still_there(const viommu_run *run)
{
	return run->expected.gpa_known && run->gpa.v == run->expected.gpa.v;
}

/* Pages that the record has not asked for, up to *end at most: unless it does so behind
 * the chosen moment, so that the table is merely younger than that. */
static viommu_run
unknown_run(const join *j, uint64_t first, uint64_t *end)
{
	const viommu_piece *later = viommu_pieces_from(j->space->later, first);
	viommu_run ret = { .verdict = VIOMMU_UNEXPECTED };

	if (later && later->iova.first <= first) {
		*end = MIN(*end, later->iova.last);
		ret.verdict = VIOMMU_UNVERIFIED;
		ret.note = "the record asks for it behind the moment of --at: the tables seem to be of a later moment";
	} else if (later && later->iova.first <= *end) {
		*end = later->iova.first - 1;
	}
	ret.iova = (viommu_iova_range){ first, *end };
	return ret;
}

/* No run says what the table has there, and neither may one say that it has nothing. */
static void
add_unjudged(viommu_target_result *target, uint64_t first, uint64_t last)
{
	viommu_iova_range range = { first, last }, *before;

	if (!target->unjudged)
		target->unjudged = g_array_new(FALSE, FALSE, sizeof(viommu_iova_range));
	before = target->unjudged->len ? &g_array_index(target->unjudged, viommu_iova_range, target->unjudged->len - 1) : NULL;
	if (before && before->last + 1 == first)
		before->last = last;
	else
		g_array_append_val(target->unjudged, range);
}

static void
leave_out(viommu_target_result *target, uint64_t first, uint64_t last)
{
	target->not_in_record += ((last - first) >> VIOMMU_PAGE_SHIFT) + 1;
	add_unjudged(target, first, last);
}

/* [first, last] of what the table has is nothing that L1 has mapped now.  What the
 * vIOMMU refuses is no translation, and so neither stale nor unexpected. */
static void
add_extra(join *j, const vtd_run *seen, uint64_t first, uint64_t last)
{
	viommu_target_result *target = &g_array_index(j->result->targets, viommu_target_result, j->target);

	if (seen->kind != VTD_RUN_MAPPED)
		add_unjudged(target, first, last);
	while (seen->kind == VTD_RUN_MAPPED) {
		const viommu_piece *piece = viommu_pieces_from(j->space->gone, first);
		bool gone = piece && piece->iova.first <= first;
		uint64_t end = last;
		viommu_run run;

		if (gone)
			end = MIN(last, piece->iova.last);
		else if (piece && piece->iova.first <= last)
			end = piece->iova.first - 1;
		if (gone)
			run = viommu_expected_run(VIOMMU_STALE, piece, first, end);
		else
			run = unknown_run(j, first, &end);
		viommu_observe(&run, seen);
		if (j->space->complete || (gone && is_still_there(&run)))
			viommu_join_add(j, &run);
		else
			leave_out(target, first, end);
		if (end == last)
			return;
		first = end + 1;
	}
}

/* The part [at, last] of a run, which the device can reach. */
static void
judge_run(join *j, const vtd_run *seen, uint64_t at, uint64_t last)
{
	for (;;) {
		const viommu_piece *piece = viommu_pieces_from(j->space->live, at);
		viommu_run run;

		if (!piece || piece->iova.first > last) {
			add_extra(j, seen, at, last);
			return;
		}
		if (piece->iova.first > at) {
			add_extra(j, seen, at, piece->iova.first - 1);
			at = piece->iova.first;
		}
		run = viommu_expected_run(VIOMMU_MATCH, piece, at, MIN(last, piece->iova.last));
		viommu_observe(&run, seen);
		viommu_join_judge(j, seen, &run);
		viommu_join_add(j, &run);
		if (run.iova.last == last)
			return;
		at = run.iova.last + 1;
	}
}

static void
on_run(const vtd_run *seen, void *user)
{
	join *j = user;

	for (unsigned i = 0; i < j->n_reach; i++) {
		uint64_t at = MAX(seen->iova.first, j->reach[i].first), last = MIN(seen->iova.last, j->reach[i].last);

		if (at > last)
			continue; /* no DMA gets there */
		if (j->next < at)
			add_absent(j, j->next, at - 1);
		judge_run(j, seen, at, last);
		j->finished = last == UINT64_MAX;
		j->next = last + 1;
	}
}

static void
add_reach(join *j, uint64_t first, uint64_t last)
{
	j->reach[j->n_reach++] = (viommu_iova_range){ first, last };
}

/* The same without the interrupt range, whose requests are no DMA. */
static void
add_dma_reach(join *j, uint64_t first, uint64_t last)
{
	if (last < VTD_INTERRUPT_FIRST || first > VTD_INTERRUPT_LAST) {
		add_reach(j, first, last);
		return;
	}
	if (first < VTD_INTERRUPT_FIRST)
		add_reach(j, first, VTD_INTERRUPT_FIRST - 1);
	if (last > VTD_INTERRUPT_LAST)
		add_reach(j, VTD_INTERRUPT_LAST + 1, last);
}

static void
set_reach(join *j)
{
	unsigned bits = j->device->input_bits;

	j->n_reach = 0;
	if (j->device->stage == VTD_STAGE_SECOND) {
		add_dma_reach(j, 0, (1ull << bits) - 1);
	} else {
		add_dma_reach(j, 0, (1ull << (bits - 1)) - 1);
		add_dma_reach(j, ~0ull << (bits - 1), UINT64_MAX);
	}
}

gboolean
viommu_join_tables(join *j, const vtd_unit *unit, viommu_memory *memory, GError **error)
{
	set_reach(j);
	if (!vtd_walk_device(unit, memory, j->device, j->budget, on_run, j, error))
		return FALSE;
	if (!j->finished)
		add_absent(j, j->next, UINT64_MAX);
	return TRUE;
}
