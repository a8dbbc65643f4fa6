/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIOMMU_LINK_SHADOW_H
#define VIOMMU_LINK_SHADOW_H

#include <viommu/shadow.h>

/* The shadow by which link 5 of the first page of a run is as it is; NULL when there is none. */
const viommu_shadow *viommu_shadow_to_blame(
	const viommu_snapshot *snapshot, const viommu_result *result, const viommu_run *run);

#endif
