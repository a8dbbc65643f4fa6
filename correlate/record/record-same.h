/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One record, read twice while it grows: what of it has changed meanwhile? */
#ifndef VIOMMU_RECORD_SAME_H
#define VIOMMU_RECORD_SAME_H

#include <viommu/correlate.h>

/* The space of that number, NULL when there is none. */
const viommu_space *viommu_record_space(const viommu_record *self, int64_t id);

/* Do both say the same of the IOVA first: by which request it is mapped, or when it was unmapped?
 * *last becomes smaller where the answer may be another one behind it. */
bool viommu_space_same(const viommu_space *a, const viommu_space *b, uint64_t first, uint64_t *last);

#endif
