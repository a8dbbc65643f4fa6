/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the finders share: a snapshot, opened up. */
#ifndef VIOMMU_FIND_H
#define VIOMMU_FIND_H

#include <viommu/finding.h>

typedef struct {
	viommu_findings *list;
	const viommu_machine *machine;
	const vtd_registers *registers;
	viommu_memory *memory;
	vtd_unit unit;
} viommu_finder;

/* FALSE: the snapshot cannot be read. */
void viommu_find_caching_mode(const viommu_finder *f);
void viommu_find_configuration(const viommu_finder *f);
gboolean viommu_find_devices(const viommu_finder *f, GError **error);
gboolean viommu_find_queue(const viommu_finder *f, GError **error);
gboolean viommu_find_faults(const viommu_finder *f, GError **error);

/* A reserved bit in a paging entry of this device: says which. */
void viommu_find_reserved(const viommu_finder *f, viommu_sid sid, viommu_iova iova, bool first_stage, unsigned level,
	viommu_gpa entry, uint64_t raw);
/* What link 5 of a run showed, if it is broken. */
void viommu_find_shadow(
	const viommu_finder *f, const viommu_snapshot *snapshot, const viommu_result *result, const viommu_run *run);
/* "00:04.0 (vfio-pci), 00:05.0": caller frees. */
char *viommu_find_names(const viommu_machine *machine, const GArray *sids);
/* The devices that QEMU assigns to L1. NULL: this snapshot does not say what drives its devices. */
GArray *viommu_find_assigned(const viommu_machine *machine);

/* viommu_find_tables() with a budget; its memo is not used. */
gboolean viommu_find_tables_within(
	viommu_findings *self, const viommu_snapshot *snapshot, vtd_budget budget, GError **error);

void viommu_finder_init(viommu_finder *f, viommu_findings *list, const viommu_snapshot *snapshot);
void viommu_finder_clear(viommu_finder *f);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(viommu_finder, viommu_finder_clear)

#endif
