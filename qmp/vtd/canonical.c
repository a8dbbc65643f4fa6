/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A first-stage input has to be canonical, and QEMU 10.0 takes the width that it has
 * to be canonical in from the second stage's AW: with AW = 0 or 1 a part of the table
 * that is walked like any other lies behind addresses that are refused (reason 0x80).
 */
#include "walker.h"

typedef struct {
	vtd_run_visitor visit;
	void *user;
	viommu_iova_range halves[2]; /* the canonical addresses */
} clip;

static void
clip_run(const vtd_run *run, void *user)
{
	const clip *self = user;

	for (unsigned i = 0; i < G_N_ELEMENTS(self->halves); i++) {
		const viommu_iova_range *half = &self->halves[i];
		vtd_run part = *run;

		part.iova.first = MAX(run->iova.first, half->first);
		part.iova.last = MIN(run->iova.last, half->last);
		if (part.iova.first > part.iova.last)
			continue;
		if (run->kind == VTD_RUN_MAPPED)
			part.gpa.v += part.iova.first - run->iova.first;
		self->visit(&part, self->user);
	}
}

gboolean
vtd_walk_canonical(const vtd_unit *unit, viommu_memory *memory, const vtd_walk_request *request, unsigned bits,
	vtd_budget *budget, GError **error)
{
	uint64_t half = 1ull << (bits - 1);
	clip clipped = { request->visit, request->user, { { 0, half - 1 }, { -half, UINT64_MAX } } };
	vtd_walk_request inner = *request;

	if (!request->visit || bits >= vtd_level_shift(request->levels) + 9)
		return vtd_walk_range(unit, memory, request, budget, error);
	inner.visit = clip_run;
	inner.user = &clipped;
	return vtd_walk_range(unit, memory, &inner, budget, error);
}
