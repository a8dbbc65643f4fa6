/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building a result. */
#ifndef VIOMMU_RESULT_H
#define VIOMMU_RESULT_H

#include <viommu/correlate.h>

viommu_result *viommu_result_new(void);
/* Adds a run to the last target, or makes the last run longer when both are one
 * stretch; counts its pages. */
void viommu_result_add(viommu_result *self, const viommu_run *run);
/* Takes runs (of viommu_run) instead of those that self has, whose evidence they took
 * over, and counts anew. */
void viommu_result_replace_runs(viommu_result *self, GArray *runs);

#endif
