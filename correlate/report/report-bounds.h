/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which runs or tables a list with a limit has: what is wrong first, then what could not be told. The
 * first fault (viommu_report_first_fault) is never left out. */
#ifndef VIOMMU_REPORT_BOUNDS_H
#define VIOMMU_REPORT_BOUNDS_H

#include <viommu/correlate.h>

typedef enum { VIOMMU_RANK_FAULT, VIOMMU_RANK_OPEN, VIOMMU_RANK_GOOD, VIOMMU_RANKS } viommu_rank;
viommu_rank viommu_run_rank(const viommu_result *result, const viommu_run *run);

typedef struct {
	const viommu_result *result;
	bool gone; /* the list is of what is unmapped, or of all else */
	uint64_t left[VIOMMU_RANKS]; /* how many it still takes, first not among them */
	const viommu_run *first; /* the first fault, still to come; NULL: not of this list, or was taken */
	struct {
		uint64_t runs, pages, faults; /* faults: of the runs */
	} left_out;
} viommu_run_bounds;

void viommu_run_bounds_of(const viommu_result *result, bool gone, uint64_t limit, viommu_run_bounds *ret);
/* Whether the list has this run, which is the next of the result's. */
bool viommu_run_bounds_take(viommu_run_bounds *self, const viommu_run *run);
/* The list is full: it takes none that is still to come. */
bool viommu_run_bounds_full(const viommu_run_bounds *self);

/* ---- tables, by the worst of their runs ------------------------------------------------------- */

typedef struct {
	GArray *listed; /* of guint: the first target of each table, in the order of the result */
	uint64_t left_out, with_faults; /* with_faults: of those that are left out */
	viommu_rank worst; /* of those that are left out */
} viommu_table_bounds;

void viommu_table_bounds_of(const viommu_result *result, uint64_t limit, viommu_table_bounds *ret);
void viommu_table_bounds_clear(viommu_table_bounds *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(viommu_table_bounds, viommu_table_bounds_clear)
/* "5 more tables, 2 of them with faults, left out"; new string. */
char *viommu_table_bounds_text(const viommu_table_bounds *self);

#endif
