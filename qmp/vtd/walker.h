/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks over a part of a table: what walk.c and nested.c share. */
#ifndef VIOMMU_VTD_WALKER_H
#define VIOMMU_VTD_WALKER_H

#include <viommu/vtd.h>

#include "memo.h"

#define VTD_MAX_LEVELS 6

typedef struct {
	viommu_gpa table;
	unsigned levels;
	viommu_iova_range range; /* entries that do not touch it are left out */
	bool first_stage;
	vtd_run_visitor visit; /* may be NULL */
	/* May be NULL.  If not, visit is called for runs that are not mapped, and at once. */
	vtd_entry_visitor visit_entry;
	void *user;
	vtd_memo *memo;      /* of this stage's tables; may be NULL */
	GHashTable *visited; /* by walks of other tables: vtd_budget; may be NULL */
} vtd_walk_request;

/* What walks in one memory have in common: their buffers, and the tables that they
 * have visited. */
typedef struct vtd_walker vtd_walker;

vtd_walker *vtd_walker_new(const vtd_unit *unit, viommu_memory *memory, vtd_budget *budget);
void vtd_walker_free(vtd_walker *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(vtd_walker, vtd_walker_free)

gboolean vtd_walker_run(vtd_walker *self, const vtd_walk_request *request, GError **error);
/* All three. */
gboolean vtd_walk_range(const vtd_unit *unit, viommu_memory *memory, const vtd_walk_request *request,
	vtd_budget *budget, GError **error);

/* The same for a first stage whose inputs have to be canonical in so many bits.  Without
 * visit_entry. */
gboolean vtd_walk_canonical(const vtd_unit *unit, viommu_memory *memory, const vtd_walk_request *request,
	unsigned bits, vtd_budget *budget, GError **error);

/* First stage over second: what request's first-stage table maps, taken through the
 * second stage of device, to request's visitor. */
gboolean vtd_walk_nested(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device,
	const vtd_walk_request *request, vtd_budget *budget, GError **error);

#endif
