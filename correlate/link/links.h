/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the links behind the table are judged.  Each is one file that answers, for a
 * stretch of IOVAs of one target, what was seen; links.c asks, and cuts the runs where
 * the answers change.
 */
#ifndef VIOMMU_LINKS_H
#define VIOMMU_LINKS_H

#include <viommu/correlate.h>

/* What stands behind a source id in QEMU. */
typedef enum {
	VIOMMU_DEVICE_EMULATED, /* QEMU does its DMA: there is nothing behind the table  */
	VIOMMU_DEVICE_ASSIGNED, /* vfio-pci: the host's IOMMU has to follow              */
	VIOMMU_DEVICE_UNKNOWN,  /* not in QEMU's list; or virtio, whose DMA may be vhost's */
} viommu_device_kind;

viommu_device_kind viommu_device_kind_of(const viommu_machine *machine, viommu_sid sid);

/* One target whose links are judged.  device is that of the target; where several devices
 * share its table, assigned is the first that vfio-pci has, if any does. */
typedef struct {
	viommu_result *result;
	const viommu_target_result *target;
	const viommu_snapshot *snapshot;
	const viommu_witnesses *witnesses; /* never NULL */
	const vtd_unit *unit;
	viommu_device_kind kind;
	const viommu_pci_device *assigned; /* NULL when none is */
	uint64_t *budget; /* for viommu_link_afford(); shared by all targets */
} viommu_link_context;

/* Says that a judge goes through n descriptors or events for its target. FALSE: it may
 * not, since all targets together have cost too much. */
bool viommu_link_afford(const viommu_link_context *context, uint64_t n);

typedef struct {
	/* What judge will need for this target; NULL with error only when the snapshot or a
	 * witness could not be read. Never NULL otherwise. */
	void *(*begin)(const viommu_link_context *context, GError **error);
	/* The status of [first, *last] of run; makes *last smaller when it holds for less.
	 * A run with the verdict VIOMMU_GONE is one that neither L1 nor the table has. */
	viommu_link_status (*judge)(void *state, const viommu_run *run, uint64_t first, uint64_t *last);
	/* The first range at or behind iova that this link knows of, whether L1 and the table
	 * do or not; FALSE when there is none. May be NULL. */
	bool (*next)(void *state, uint64_t iova, viommu_iova_range *ret);
	void (*end)(void *state);
} viommu_link_judge;

/* Why an unmapping was not noticed: QEMU saw it, and told nobody. */
extern const char viommu_notice_unmap_skipped[];

extern const viommu_link_judge viommu_judge_invalidation, viommu_judge_notice, viommu_judge_shadow;

#endif
