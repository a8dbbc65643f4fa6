/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a walk over a table: what walk.c, walk-entry.c and walk-run.c share. */
#ifndef VIOMMU_VTD_WALK_INSIDE_H
#define VIOMMU_VTD_WALK_INSIDE_H

#include "walker.h"

#define VTD_ENTRIES 512

struct vtd_walker {
	const vtd_unit *unit;
	viommu_memory *memory;
	vtd_budget *budget;
	const vtd_walk_request *request; /* of the walk that is under way */
	gboolean stop;
	vtd_run run; /* not yet handed out */
	gboolean has_run;
	viommu_gpa path[VTD_MAX_LEVELS + 1]; /* the table at each level on the way down */
	viommu_page_read *reads[VTD_MAX_LEVELS + 1]; /* of the tables below the one at each level */
	uint8_t *buffers[VTD_MAX_LEVELS + 1];
	size_t room[VTD_MAX_LEVELS + 1]; /* of buffers, in pages */
	GHashTable *visited; /* page numbers of tables, plus 1 */
};

/* What is known of the table that is being read: its place, which of its entries lie in
 * the range, and what its ancestors let through. */
typedef struct {
	unsigned level;
	uint64_t iova; /* of its first entry */
	viommu_gpa table;
	bool read, write;
	unsigned first, last; /* index; none when first > last */
} vtd_walk_table;

/* ---- walk-entry.c: what one entry says ---- */

/* An entry counts when it, and all above it, let at least one kind of access through. */
gboolean vtd_walk_counts(const vtd_walker *w, const vtd_walk_table *at, uint64_t raw);
/* Fills run for one entry; returns TRUE when it leads to a table instead. */
gboolean vtd_walk_classify(const vtd_walker *w, const vtd_walk_table *at, unsigned index, uint64_t raw, vtd_run *run);
/* The IOVA of a first-stage entry is canonical: the top bit is carried upwards. */
uint64_t vtd_walk_sign_extend(const vtd_walker *w, uint64_t iova);
viommu_iova_range vtd_walk_covered(const vtd_walker *w, const vtd_walk_table *at, unsigned index);
/* Which entries of the table lie in the range.  A first stage is never cut. */
void vtd_walk_set_bounds(const vtd_walker *w, vtd_walk_table *at);
/* The bits of an entry of this level that only say which page it translates to. */
uint64_t vtd_walk_address_bits(const vtd_walker *w, unsigned level);

/* ---- walk-run.c: what the visitor is told ---- */

/* Hands out the run that is not handed out yet. */
void vtd_walk_flush(vtd_walker *w);
/* The budget is used up at the run that was emitted last. */
void vtd_walk_leave_rest(vtd_walker *w);
void vtd_walk_emit(vtd_walker *w, const vtd_run *run);
/* Behind what there is to say of the entries before, unless the same is to be said of
 * this one: run, NULL if nothing is. */
void vtd_walk_tell_entry(vtd_walker *w, const vtd_walk_table *at, unsigned index, uint64_t raw, const vtd_run *run);
/* The entry at index has just become the end of w->run, whose pages are mapped.  Goes on
 * for as long as the next entry is the same but for its address; returns the last that
 * was. */
unsigned vtd_walk_follow(vtd_walker *w, const vtd_walk_table *at, const uint64_t *raw, unsigned index);

#endif
