/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What follows from an answer that was agreed on. */
#ifndef JUDGE_CHECK_H
#define JUDGE_CHECK_H

#include "tables.h"

/* First stage: QEMU has set the accessed and dirty bits in the entries of the walk that it
 * sets (NOTES.md), and no others.  data: the 8 bytes that a write went to, or none (~0).
 * Returns the index of the first step whose entry is not as expected, -1: none. */
int check_accessed(tables *tables, const vtd_translation *t, bool write, uint64_t data);

typedef enum {
	CHECK_AGREES,
	CHECK_DISAGREES,
	CHECK_NO_WALK, /* it is not by page tables that this device translates */
	CHECK_UNKNOWN, /* the walk says that it went no further */
} check_verdict;

/* What a walk over all of a device's tables found. */
typedef struct check_runs check_runs;

check_runs *check_runs_new(const vtd_unit *walker, viommu_memory *memory, viommu_sid sid, GError **error);
void check_runs_free(check_runs *self);
/* Whether that is what the translation of one IOVA says.  For the message: the run of
 * that IOVA, kind -1 when none has it. */
check_verdict check_runs_agree(const check_runs *self, const vtd_translation *t, vtd_run *found);

#endif
