/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a result was not proven, since L1 goes on while it is looked at. */
#ifndef VIOMMU_DOUBT_H
#define VIOMMU_DOUBT_H

#include <viommu/correlate.h>

/* The same device of the same address space of the same record has the same in any result. Caller frees. */
char *viommu_target_key(const viommu_target_result *target);

/* Why it does not prove anything that the host's IOMMU was seen to differ from L1's table. */
typedef enum {
	VIOMMU_DOUBT_NONE,
	VIOMMU_DOUBT_OTHERWISE, /* one of two looks saw nothing of it, or something else             */
	VIOMMU_DOUBT_CHANGED,   /* L1's record has something new there                               */
	VIOMMU_DOUBT_UNREAD,    /* the record cannot be read again                                   */
	VIOMMU_DOUBT_ENDED,     /* it has ended                                                      */
	VIOMMU_DOUBT_LOST,      /* it has lost events meanwhile                                      */
	VIOMMU_DOUBT_SILENT,    /* it does not say that nothing came until the look was over         */
	VIOMMU_DOUBT_EARLIER,   /* L1's table was saved, and what the record says of it then is not known */
	VIOMMU_DOUBTS,
} viommu_doubt;

const char *viommu_doubt_name(viommu_doubt doubt); /* "changed" */
const char *viommu_doubt_text(viommu_doubt doubt); /* for link 5 */
/* The other way round; VIOMMU_DOUBT_NONE: there is none of that name, which may be NULL. */
viommu_doubt viommu_doubt_of_name(const char *name);
/* Of link 5 of a run. */
viommu_doubt viommu_doubt_of_status(const viommu_link_status *status);

/* The same records three times, in the same order: those that the result was judged by; as they
 * were before anything was looked at; and after it all, NULL when they cannot be read again, and in
 * the place of one that does not tell of all the time up to then. */
typedef struct {
	const GPtrArray *judged, *before, *after;
	bool saved; /* L1's table was read earlier, at a moment that the records may not tell of */
	bool still; /* L1 did not run meanwhile: there is nothing to tell */
} viommu_record_times;

/* Link 5 is broken only where both looks saw the same and the records tell of nothing that came in
 * between.  Counts the pages where it is not so; apply: calls it unverified there. */
uint64_t viommu_result_doubt_shadow(
	viommu_result *self, const viommu_result *earlier, const viommu_record_times *records, bool apply);
/* Of a trace that has caught up: a fault of a page about which the record has anything new is in flux.
 * after: of records that were judged. */
uint64_t viommu_result_doubt_trace(viommu_result *self, const viommu_record_times *records, bool apply);
/* Appends the part [first, last] of a run to runs, its link 5 unverified for this reason. */
void viommu_run_put_doubt(viommu_result *self, GArray *runs, const viommu_run *run, uint64_t first, uint64_t last, viommu_doubt doubt);
/* Is link 5 of any run broken? */
bool viommu_result_shadow_differs(const viommu_result *self);

#endif
