/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts a result and all that it was made from into a bundle. */
#ifndef VIOMMU_BUNDLE_MAKE_H
#define VIOMMU_BUNDLE_MAKE_H

#include <viommu/qemu-log.h>

#include "bundle.h"
#include "redact-parts.h"
#include "report.h"

/* What a result was made from besides the snapshot.  All borrowed. */
typedef struct viommu_inputs {
	const GPtrArray *records;   /* of viommu_record                        */
	const GPtrArray *parts;     /* of viommu_part: the same, as read       */
	const GPtrArray *witnesses; /* of viommu_part: QEMU's log, the shadows */
	const GPtrArray *shadows;   /* of viommu_shadow                        */
	const viommu_qemu_log *log; /* may be NULL                             */
	gboolean log_open;          /* it is still being written               */
	const char *at;
	gboolean strict;
	const viommu_bundle *from; /* that they were in already; may be NULL  */
} viommu_inputs;

/* Learns from all that a report is made of, and takes what is private out of what its
 * texts are made of; report->snapshot then has other facts, which are returned: give them
 * back with viommu_snapshot_swap_machine(). NULL with error. */
viommu_machine *viommu_redact_report(viommu_redact *self, const viommu_report *report, GError **error);

/* redact: what report's redactor uses; NULL: nothing is replaced. */
gboolean viommu_bundle_make(FILE *out, const viommu_report *report, viommu_redact *redact, GError **error);

#endif
