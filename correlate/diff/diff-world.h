/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One of the two snapshots of a diff.  Part of diff.c. */
#ifndef VIOMMU_DIFF_WORLD_H
#define VIOMMU_DIFF_WORLD_H

#include "diff/diff.h"

typedef struct {
	viommu_memory *memory;
	vtd_unit unit;
	vtd_budget budget; /* what is left for the walks; nothing of theirs is in it */
	GArray *devices;   /* of vtd_device, by source id and PASID */
	bool full, found;  /* while they are read; found: something else than a PASID */
	bool cut;          /* there are more */
} viommu_diff_world;

/* Reads the devices. To be closed whether it returns TRUE or not. */
gboolean viommu_diff_world_open(viommu_diff_world *self, const viommu_snapshot *snapshot, GError **error);
void viommu_diff_world_close(viommu_diff_world *self); /* also of one that is all zeros */

/* Devices whose contexts differ. */
void viommu_diff_contexts(const viommu_diff_world *a, const viommu_diff_world *b, viommu_diff_fact_visitor visit, void *user);
/* The pairs of tables, each with the devices that go through it: viommu_diff_group, which
 * refer to the devices of both. */
GPtrArray *viommu_diff_groups(const viommu_diff_world *a, const viommu_diff_world *b);

#endif
