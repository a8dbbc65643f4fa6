/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts a result and all that it was made from into a bundle. */
#ifndef VIOMMU_BUNDLE_MAKE_H
#define VIOMMU_BUNDLE_MAKE_H

#include <viommu/qemu-log.h>

#include "bundle/bundle.h"
#include "report/report.h"

/* What a result was made from besides the snapshot.  All borrowed. */
typedef struct {
	const viommu_result *result;
	const GPtrArray *records;   /* of viommu_record                        */
	const GPtrArray *parts;     /* of viommu_part: the same, as read       */
	const GPtrArray *witnesses; /* of viommu_part: QEMU's log, the shadows */
	const GPtrArray *shadows;   /* of viommu_shadow                        */
	const viommu_qemu_log *log; /* may be NULL                             */
	gboolean log_open;          /* it is still being written               */
	const char *at;
	gboolean now;               /* of viommu_witnesses                     */
	gboolean strict;
	const viommu_bundle *from; /* that they were in already; may be NULL  */
} viommu_inputs;

/* The same as a bundle that lacks its snapshot; both give the result again (bundle-replay.h). */
viommu_bundle *viommu_bundle_of_inputs(const viommu_inputs *inputs, int exit_status);
/* Adds the snapshot and what the result says, and writes it. */
gboolean viommu_bundle_finish(viommu_bundle *self, const viommu_report *report, FILE *out, GError **error);

#endif
