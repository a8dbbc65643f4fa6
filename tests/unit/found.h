/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was found in the tables of tables.h, and what of it was expected. */
#ifndef UNIT_FOUND_H
#define UNIT_FOUND_H

#include <viommu/finding.h>

#include "tables.h"

/* Everything that needs no record. */
viommu_findings *found_in(const viommu_snapshot *snapshot);
/* The codes that are there, in the catalogue's order and with a blank between, but for
 * those that every unit of tables_new(48) has. */
void found_codes(const viommu_findings *self, const char *wanted);
/* There is an instance with this part in "where: seen". */
void found_says(const viommu_findings *self, const char *code, const char *part);

/* To change what tables_snapshot() made. */
viommu_machine *found_machine(const viommu_snapshot *snapshot);
void found_register(const viommu_snapshot *snapshot, unsigned offset, unsigned bytes, uint64_t value);
viommu_pci_device *found_add_device(const viommu_snapshot *snapshot, uint16_t sid, const char *driver);

#endif
