/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The join: two streams in IOVA order, what L1 asked for and what the table has,
 * merged into runs with a verdict.  Nothing is kept of either but the runs.
 */
#include <string.h>

#include "join/join.h"
#include "record/pieces.h"
#include "join/result.h"

typedef viommu_join join;

/* A reserved bit in a present entry is wrong whatever the record has lost or says later. */
static bool
hangs_on_record(const viommu_run *run)
{
	return viommu_verdict_is_fault(run->verdict) && run->verdict != VIOMMU_RESERVED_BIT;
}

static void
make_unverified(viommu_run *run, const char *note)
{
	/* What L1 had there once is nothing that it has mapped, as far as we know. */
	run->has_expected = run->verdict != VIOMMU_STALE && run->has_expected;
	run->verdict = VIOMMU_UNVERIFIED;
	run->note = note;
}

/* What event seq of the record did behind the chosen moment: tables of now tell nothing of what
 * was before it; whoever names a snapshot says that it is of that moment, and may be mistaken. */
static void
doubt_moment(join *j, viommu_run *run, const char *what, uint64_t seq)
{
	g_autofree char *text = NULL;

	if (j->now)
		text = g_strdup_printf("behind the moment of --at the record %s (event %" G_GUINT64_FORMAT "); the tables are those of "
				       "now, and nothing tells what they had at that moment", what, seq);
	else
		text = g_strdup_printf("%s%sbehind the moment of --at the record %s (event %" G_GUINT64_FORMAT "): if the snapshot is "
				       "younger than that, the moment is the wrong one",
			run->note ? run->note : "", run->note ? "; " : "", what, seq);
	if (j->now)
		make_unverified(run, g_string_chunk_insert_const(j->result->notes, text));
	else
		run->note = g_string_chunk_insert_const(j->result->notes, text);
}

static void
doubt_left(join *j, viommu_run *run)
{
	doubt_moment(j, run, "takes the device out of this address space", j->left);
}

static void
put_run(join *j, viommu_run *run)
{
	run->target = j->target;
	viommu_result_add(j->result, run);
}

/* A fault, in parts: what later events do to its pages is said of these. */
static void
put_fault(join *j, const viommu_run *run)
{
	bool stale = run->verdict == VIOMMU_STALE;
	const viommu_pieces *by = stale ? j->space->later : j->space->undone;
	uint64_t at = run->iova.first;

	for (;;) {
		const viommu_piece *piece = viommu_pieces_from(by, at);
		bool changed = piece && piece->iova.first <= at;
		viommu_run part = *run;

		part.iova.first = at;
		part.gpa.v += at - run->iova.first;
		part.expected.gpa.v += at - run->iova.first;
		if (changed)
			part.iova.last = MIN(run->iova.last, piece->iova.last);
		else if (piece && piece->iova.first <= run->iova.last)
			part.iova.last = piece->iova.first - 1;
		if (changed)
			doubt_moment(j, &part, stale ? "maps it again" : "undoes or changes it",
				g_array_index(j->space->later_seqs, uint64_t, piece->request));
		else if (j->left)
			doubt_left(j, &part);
		put_run(j, &part);
		if (part.iova.last == run->iova.last)
			return;
		at = part.iova.last + 1;
	}
}

void
viommu_join_add(join *j, viommu_run *run)
{
	if (j->lost && hangs_on_record(run))
		make_unverified(run, j->lost);
	if (hangs_on_record(run) && run->has_expected) {
		put_fault(j, run);
		return;
	}
	if (j->left && hangs_on_record(run))
		doubt_left(j, run);
	put_run(j, run);
}

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

static bool
has_entry(const vtd_run *seen)
{
	return seen->kind == VTD_RUN_MAPPED || seen->kind == VTD_RUN_RESERVED || seen->kind == VTD_RUN_INTERRUPT ||
		seen->kind == VTD_RUN_PRIVILEGE;
}

/* An entry that leads to a table says nothing of a page. */
static bool
is_page(const vtd_run *seen)
{
	return seen->level == 1 || (seen->level <= 3 && seen->raw & 1u << 7);
}

void
viommu_observe(viommu_run *run, const vtd_run *seen)
{
	run->has_observed = has_entry(seen) && is_page(seen);
	run->gpa.v = seen->gpa.v + (run->iova.first - seen->iova.first);
	run->read = seen->read;
	run->write = seen->write;
	run->page_shift = (uint8_t) seen->page_shift;
}

static const char *
unreadable_note(join *j, const vtd_run *seen)
{
	const char *why = viommu_page_status_text(seen->status);
	g_autofree char *text = NULL;

	if (seen->level > j->device->levels)
		text = g_strdup_printf("the top table at GPA 0x%" G_GINT64_MODIFIER "x is %s", seen->gpa.v, why);
	else
		text = g_strdup_printf("the table at GPA 0x%" G_GINT64_MODIFIER "x, named by the level-%u entry at GPA "
				       "0x%" G_GINT64_MODIFIER "x, is %s",
			seen->gpa.v, seen->level, seen->entry.v, why);

	return g_string_chunk_insert_const(j->result->notes, text);
}

/* Asked for write only.  Linux 5.13 (eea53c581688) and later give such pages read as
 * well, because first-stage tables cannot do without; older ones do not. */
static bool
write_only(const viommu_run *run)
{
	return run->expected.prot_known && run->expected.write && !run->expected.read;
}

/* What the table has for a page that L1 asked for. */
void
viommu_join_judge(join *j, const vtd_run *seen, viommu_run *run)
{
	const viommu_request *request =
		&g_array_index(j->space->requests, viommu_request, run->expected.request);

	switch (seen->kind) {
	case VTD_RUN_RESERVED:
		run->verdict = VIOMMU_RESERVED_BIT;
		return;
	case VTD_RUN_UNREADABLE:
		/* QEMU cannot read such a table either; what only we could not read is open. */
		run->verdict = seen->status == VIOMMU_PAGE_NOT_RAM ? VIOMMU_MISSING : VIOMMU_UNVERIFIED;
		run->note = unreadable_note(j, seen);
		return;
	case VTD_RUN_LOOP:
		run->verdict = VIOMMU_UNVERIFIED;
		run->note = "a table leads back to one of its own ancestors; such a loop is not followed";
		return;
	case VTD_RUN_REPEATED: /* not without a memo, which no verification has */
	case VTD_RUN_UNVISITED:
		run->verdict = VIOMMU_UNVERIFIED;
		run->note = "L1's tables lead to more tables, or more runs of pages, than one verification reads";
		return;
	case VTD_RUN_INTERRUPT:
		run->verdict = VIOMMU_MISSING;
		run->note = "the table's page lies in the interrupt address range (0xfee00000-0xfeefffff), which the vIOMMU refuses";
		return;
	case VTD_RUN_PRIVILEGE:
		run->verdict = VIOMMU_WRONG_PERMISSION;
		run->note = "U/S = 0 in the first-stage entry: only for supervisors, which no emulated device is";
		return;
	case VTD_RUN_MAPPED:
		break;
	}
	if (run->expected.gpa_known && run->gpa.v != run->expected.gpa.v) {
		run->verdict = VIOMMU_WRONG_ADDRESS;
	} else if (run->expected.prot_known &&
		(run->write != run->expected.write || (run->read != run->expected.read && !write_only(run)))) {
		run->verdict = VIOMMU_WRONG_PERMISSION;
	} else if (!run->expected.gpa_known) {
		run->verdict = VIOMMU_UNVERIFIED;
		run->note = viommu_request_gpa_unknown(j->space, request);
	} else {
		run->verdict = VIOMMU_MATCH;
		run->other_page_size = request->page_shift && request->page_shift != run->page_shift;
		run->read_added = write_only(run) && run->read;
	}
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
