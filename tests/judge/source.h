/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's RAM as the walker wants it. */
#ifndef JUDGE_SOURCE_H
#define JUDGE_SOURCE_H

#include "guest.h"

#include <viommu/memory.h>

viommu_memory *source_new(guest *guest);
/* Since the last call, a page was wanted where a device might answer QEMU's own walk. */
bool source_met_device(viommu_memory *self);

#endif
