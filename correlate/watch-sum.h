/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a watch has seen so far, look by look, and what that comes to. */
#ifndef VIOMMU_WATCH_SUM_H
#define VIOMMU_WATCH_SUM_H

#include <viommu/correlate.h>

#include "report/report-parts.h"
#include "report/report.h"

typedef struct {
	const viommu_record *record;
	GHashTable *told;     /* keys of the faults that were reported */
	GHashTable *verified; /* "space/request" of mappings that a look saw whole */
	uint64_t looks, fault_pages, now_faults;
	uint64_t doubtful; /* faulty pages of the last look that the one before did not have */
} viommu_watch_sum;

viommu_watch_sum *viommu_watch_sum_new(const viommu_record *record);
void viommu_watch_sum_free(viommu_watch_sum *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_watch_sum, viommu_watch_sum_free)

/* Takes in a look whose faults are sure, and prints those that were not told before. */
void viommu_watch_sum_take(viommu_watch_sum *self, const viommu_report *report, gboolean json);

uint64_t viommu_watch_sum_made(const viommu_watch_sum *self); /* mappings */
/* "12 events, 4 mappings made, …"; new string. */
char *viommu_watch_sum_text(const viommu_watch_sum *self);
/* last: the result of the last look; NULL: nothing was left to look at. */
void viommu_watch_sum_headline(const viommu_watch_sum *self, const viommu_result *last, viommu_headline *ret);
/* line: NULL when viommu failed. */
json_t *viommu_watch_sum_json(const viommu_watch_sum *self, const viommu_headline *line);

#endif
