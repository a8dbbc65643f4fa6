/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Redacts the files that a bundle is made of, so that they still read as what they are. */
#ifndef VIOMMU_REDACT_PARTS_H
#define VIOMMU_REDACT_PARTS_H

#include <viommu/snapshot.h>

#include "bundle/bundle.h"
#include "redact/redact.h"

/* The one way out: learns from a snapshot and a bundle of the rest, and gives a bundle in
 * which nothing is private; what a report says is made of that.  The snapshot is redacted in
 * its place: *before are the facts that it had, for the caller to free.  The manifest counts
 * what was replaced, and goes on where that of the bundle left off. */
viommu_bundle *viommu_redact_bundle(viommu_redact *self, const viommu_bundle *bundle, viommu_snapshot *snapshot,
	viommu_machine **before, GError **error);

/* ---- learning: before anything is redacted ------------------------------------------ */

void viommu_redact_learn_machine(viommu_redact *self, const viommu_machine *machine);
/* Of a record (its first line), or of any text. */
void viommu_redact_learn_record(viommu_redact *self, GBytes *record);
void viommu_redact_learn_bytes(viommu_redact *self, GBytes *text);

/* ---- redacting: what is new is the caller's ------------------------------------------- */

/* A record keeps its lines, and those in which nothing is private byte for byte. */
GBytes *viommu_redact_record(viommu_redact *self, GBytes *record);
GBytes *viommu_redact_lines(viommu_redact *self, GBytes *text);
/* In its place: returns the facts that it had; NULL with error. */
viommu_machine *viommu_redact_snapshot(viommu_redact *self, viommu_snapshot *snapshot, GError **error);
/* By the keys of viommu's formats. */
json_t *viommu_redact_json(viommu_redact *self, const json_t *json);

#endif
