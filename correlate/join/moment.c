/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be said of a run, before it goes into the result: a record that lost events, or that
 * goes on behind the chosen moment, leaves less to be said.
 */
#include "join/join.h"
#include "join/result.h"
#include "record/pieces.h"

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
