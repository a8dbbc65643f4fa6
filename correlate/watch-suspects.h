/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that seem wrong while a trace is watched.  Its marks speak for the past: what it does not
 * tell of may be on its way, or was never told because the trace was killed.  So a page is a
 * suspect from the look that saw it wrong until a mark comes that was made after that look, and
 * is proven wrong when nothing that came with the mark explains it and it is wrong still.
 */
#ifndef VIOMMU_WATCH_SUSPECTS_H
#define VIOMMU_WATCH_SUSPECTS_H

#include <viommu/correlate.h>

typedef struct viommu_suspects viommu_suspects;

viommu_suspects *viommu_suspects_new(void);
void viommu_suspects_free(viommu_suspects *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_suspects, viommu_suspects_free)

/* The stream was read into the record until nothing was left, at the time now_us. */
void viommu_suspects_heard(viommu_suspects *self, const viommu_record *record, gint64 now_us);
/* Whether all that happened up to the look of the suspects is in the record by now. */
bool viommu_suspects_proven(const viommu_suspects *self);
/* sure: a new look with all of the record.  Faults of pages that are no suspects, or are so for
 * another reason, become in flux; false: none is left. */
bool viommu_suspects_convict(const viommu_suspects *self, viommu_result *sure);
/* Takes over a new look, which has faults: they are suspects, or were before. */
void viommu_suspects_put(viommu_suspects *self, viommu_result *look);
/* Nothing seems wrong. */
void viommu_suspects_clear(viommu_suspects *self);

#endif
