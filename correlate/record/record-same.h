/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One record, read twice while it grows: what of it has changed meanwhile? */
#ifndef VIOMMU_RECORD_SAME_H
#define VIOMMU_RECORD_SAME_H

#include <viommu/correlate.h>

/* What is asked of two readings, an earlier and a later one, of which nothing is owned. */
typedef struct viommu_readings viommu_readings;
viommu_readings *viommu_readings_new(const viommu_record *earlier, const viommu_record *later);
void viommu_readings_free(viommu_readings *self);

/* Does this space have the devices that it had, all the time? */
bool viommu_readings_same_devices(const viommu_readings *self, int64_t space);

/* Do both say the same of the IOVA first in this space: by which request it is mapped, or when it was
 * unmapped?  A space of which the devices are not known may be about this one, too.  *last becomes
 * smaller where the answer may be another one behind it. */
bool viommu_readings_same(const viommu_readings *self, int64_t space, uint64_t first, uint64_t *last);

#endif
