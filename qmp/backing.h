/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIOMMU_BACKING_H
#define VIOMMU_BACKING_H

#include <viommu/memory.h>
#include <viommu/snapshot.h>

/* Fills in which pages of L0 stand behind those that the assigned devices of a sealed
 * snapshot reach through their tables.  process is the memory of the QEMU process.
 * What cannot be known is a fact of the snapshot; FALSE with error only when its pages
 * cannot be read. */
gboolean viommu_backing_collect(viommu_snapshot *snapshot, const viommu_memory *process, GError **error);

/* A device that vfio-pci drives. */
bool viommu_pci_is_assigned(const viommu_pci_device *device);

#endif
