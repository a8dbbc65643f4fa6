/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a walk tells of: entries that translate alike are joined into runs as they come, so
 * memory is bounded by the depth and not by what L1 wrote.  Only the first of neighbours
 * that differ in nothing but their address is decoded.
 */
#include "walk-inside.h"

void
vtd_walk_flush(vtd_walker *w)
{
	if (w->has_run && w->request->visit)
		w->request->visit(&w->run, w->request->user);
	w->has_run = FALSE;
}

static gboolean
joins(const vtd_run *a, const vtd_run *b)
{
	if (a->kind != b->kind || a->iova.last + 1 != b->iova.first || a->page_shift != b->page_shift ||
		a->read != b->read || a->write != b->write)
		return FALSE;
	if (a->kind == VTD_RUN_REPEATED)
		return a->gpa.v == b->gpa.v;
	return a->kind == VTD_RUN_MAPPED && b->gpa.v - a->gpa.v == b->iova.first - a->iova.first;
}

void
vtd_walk_leave_rest(vtd_walker *w)
{
	w->run.kind = VTD_RUN_UNVISITED;
	w->run.iova.last = w->request->range.last;
	w->stop = TRUE;
}

void
vtd_walk_emit(vtd_walker *w, const vtd_run *run)
{
	if (w->request->visit_entry && run->kind == VTD_RUN_MAPPED)
		return; /* the entry says it */
	if (w->has_run && joins(&w->run, run)) {
		w->run.iova.last = run->iova.last;
		return;
	}
	vtd_walk_flush(w);
	w->run = *run;
	w->has_run = TRUE;
	if (!w->request->visit)
		return;
	if (w->budget->runs == 0)
		vtd_walk_leave_rest(w);
	else
		w->budget->runs--;
}

void
vtd_walk_tell_entry(vtd_walker *w, const vtd_walk_table *at, unsigned index, uint64_t raw, const vtd_run *run)
{
	vtd_table_entry entry = { .entry = VIOMMU_GPA(at->table.v + index * 8), .raw = raw, .level = at->level,
		.first_stage = w->request->first_stage, .iova = vtd_walk_covered(w, at, index) };

	if (!run || !w->has_run || !joins(&w->run, run))
		vtd_walk_flush(w);
	w->request->visit_entry(&entry, w->request->user);
}

/* QEMU refuses pages in the interrupt range; near is for decode() to look at. */
static inline bool
near_interrupts(uint64_t address, uint64_t size)
{
	return address <= VTD_INTERRUPT_LAST && address + size + VIOMMU_PAGE_SIZE > VTD_INTERRUPT_FIRST;
}

unsigned
vtd_walk_follow(vtd_walker *w, const vtd_walk_table *at, const uint64_t *raw, unsigned index)
{
	const uint64_t mask = vtd_walk_address_bits(w, at->level), size = 1ull << vtd_level_shift(at->level);
	const vtd_run_visitor visit = w->request->visit;
	const uint64_t room = w->budget->runs;
	const unsigned last = at->last;
	vtd_run *run = &w->run;
	uint64_t told = 0, iova = run->iova.last + 1; /* of what was not looked at; wraps behind the last one */

	/* Behind the middle of a first stage the IOVA jumps. */
	if (w->request->first_stage && at->level == w->request->levels)
		return index;
	for (; index < last; index++) {
		const uint64_t here = raw[index], next = raw[index + 1];

		if ((next ^ here) & ~mask || near_interrupts(next & mask, size))
			break;
		if (next != here + size) {
			if (told == room)
				break;
			run->iova.last = iova - 1;
			visit(run, w->request->user);
			told++;
			run->iova.first = iova;
			run->gpa.v = next & mask;
			run->entry.v = at->table.v + (index + 1) * 8;
			run->raw = next;
		}
		iova += size;
	}
	run->iova.last = iova - 1;
	w->budget->runs = room - told;
	return index;
}
