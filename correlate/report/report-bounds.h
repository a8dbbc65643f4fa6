/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which runs a list with a limit has: what is wrong first, then what could not be told. */
#ifndef VIOMMU_REPORT_BOUNDS_H
#define VIOMMU_REPORT_BOUNDS_H

#include <viommu/correlate.h>

typedef enum { VIOMMU_RANK_FAULT, VIOMMU_RANK_OPEN, VIOMMU_RANK_GOOD, VIOMMU_RANKS } viommu_rank;
viommu_rank viommu_run_rank(const viommu_result *result, const viommu_run *run);

typedef struct {
	const viommu_result *result;
	bool gone; /* the list is of what is unmapped, or of all else */
	uint64_t left[VIOMMU_RANKS]; /* how many it still takes */
	struct {
		uint64_t runs, pages, faults; /* faults: of the runs */
	} left_out;
} viommu_run_bounds;

void viommu_run_bounds_of(const viommu_result *result, bool gone, uint64_t limit, viommu_run_bounds *ret);
/* Whether the list has this run, which is the next of the result's. */
bool viommu_run_bounds_take(viommu_run_bounds *self, const viommu_run *run);
/* The list is full: it takes none that is still to come. */
bool viommu_run_bounds_full(const viommu_run_bounds *self);

#endif
