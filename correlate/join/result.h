/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building a result. */
#ifndef VIOMMU_RESULT_H
#define VIOMMU_RESULT_H

#include <viommu/correlate.h>

viommu_result *viommu_result_new(void);
/* Adds a run to the last target, or makes the last run longer when both are one
 * stretch. Nothing is counted. */
void viommu_result_add(viommu_result *self, const viommu_run *run);
/* Counts the runs of self, in every way in which it has counts, anew. */
void viommu_result_count(viommu_result *self);
/* Takes runs (of viommu_run) instead of those that self has, and counts. */
void viommu_result_replace_runs(viommu_result *self, GArray *runs);

/* Appends the part [first, last] of a run to runs (of viommu_run), in flux or as it is.  The
 * walk goes with the part that begins where the run does. */
void viommu_run_put_part(GArray *runs, const viommu_run *run, uint64_t first, uint64_t last, bool in_flux);

/* The index of a chain like this one. */
uint32_t viommu_result_chain(viommu_result *self, const viommu_chain *chain);

/* Judges every link of every run, and adds the runs of what is unmapped. */
gboolean viommu_result_judge_links(viommu_result *self, const viommu_snapshot *snapshot,
	const viommu_witnesses *witnesses, GError **error);

#endif
