/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks over a part of a table: what walk.c and nested.c share. */
#ifndef VIOMMU_VTD_WALKER_H
#define VIOMMU_VTD_WALKER_H

#include <viommu/vtd.h>

#define VTD_MAX_LEVELS 6

typedef struct {
	viommu_gpa table;
	unsigned levels;
	viommu_iova_range range; /* entries that do not touch it are left out */
	bool first_stage;
	vtd_run_visitor visit; /* may be NULL */
	vtd_entry_visitor visit_entry; /* may be NULL */
	void *user;
} vtd_walk_request;

gboolean vtd_walk_range(const vtd_unit *unit, viommu_memory *memory, const vtd_walk_request *request,
	vtd_budget *budget, GError **error);

/* First stage over second: what request's first-stage table maps, taken through the
 * second stage of device, to request's visitor. */
gboolean vtd_walk_nested(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device,
	const vtd_walk_request *request, vtd_budget *budget, GError **error);

#endif
