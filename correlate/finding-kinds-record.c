/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "finding-kinds.h"

const viommu_finding_kind viommu_kinds_record[] = {
	{ 0 },
};
const guint viommu_n_kinds_record = 0;
