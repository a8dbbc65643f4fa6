/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a bundle holds, given to verify as if it had been read from files. */
#ifndef VIOMMU_BUNDLE_REPLAY_H
#define VIOMMU_BUNDLE_REPLAY_H

#include <viommu/correlate.h>
#include <viommu/qemu-log.h>

#include "bundle/bundle.h"

/* path: of the bundle, for messages. */
viommu_snapshot *viommu_replay_snapshot(const viommu_bundle *bundle, const char *path, GError **error);

/* How it was verified. */
const char *viommu_replay_at(const viommu_bundle *bundle); /* NULL: the end of the records */
gboolean viommu_replay_strict(const viommu_bundle *bundle);
gboolean viommu_replay_log_open(const viommu_bundle *bundle); /* QEMU was still writing it */
gboolean viommu_replay_now(const viommu_bundle *bundle); /* of viommu_witnesses */
/* What only the look at a live QEMU can tell: how often it was looked at, and what changed
 * meanwhile.  record: the records that were judged; other_shadow: by none of the bundle's shadows. */
gboolean viommu_replay_looks(
	const viommu_bundle *bundle, viommu_result *result, const GPtrArray *records, bool other_shadow, GError **error);
/* What viommu_replay_looks() reads: a new object for the manifest. */
json_t *viommu_replay_looks_json(const viommu_result *result, const GPtrArray *records);

/* The record in a part, under the name that it had. Errors: INPUT. */
viommu_record *viommu_replay_record(const viommu_part *part, const char *path, const char *at, GError **error);
/* NULL: there is none. */
viommu_qemu_log *viommu_replay_log(const viommu_bundle *bundle);
/* A new array of viommu_shadow; empty when there are none. Errors: INPUT. */
GPtrArray *viommu_replay_shadows(const viommu_bundle *bundle, const char *path, GError **error);
/* What it reads: the names of the devices. A new array. */
json_t *viommu_replay_devices_json(const GPtrArray *shadows);

#endif
