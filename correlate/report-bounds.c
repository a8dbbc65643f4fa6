/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report-bounds.h"

#include "report-parts.h"

static viommu_rank
rank_of(const viommu_result *result, const viommu_run *run)
{
	if (viommu_run_is_fault(result, run))
		return VIOMMU_RANK_FAULT;
	return run->verdict == VIOMMU_MATCH || run->verdict == VIOMMU_GONE ? VIOMMU_RANK_GOOD : VIOMMU_RANK_OPEN;
}

void
viommu_run_bounds_of(const viommu_result *result, bool gone, uint64_t limit, viommu_run_bounds *ret)
{
	viommu_run_bounds rest;

	*ret = (viommu_run_bounds){ .result = result, .gone = gone };
	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if ((run->verdict == VIOMMU_GONE) == gone)
			ret->left[rank_of(result, run)]++;
	}
	for (unsigned i = 0; i < VIOMMU_RANKS; i++) {
		uint64_t taken = MIN(ret->left[i], limit);

		ret->left_out.runs += ret->left[i] - taken;
		if (i == VIOMMU_RANK_FAULT)
			ret->left_out.faults = ret->left[i] - taken;
		ret->left[i] = taken;
		limit -= taken;
	}
	rest = *ret;
	for (guint i = 0; ret->left_out.runs && i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if ((run->verdict == VIOMMU_GONE) == gone && !viommu_run_bounds_take(&rest, run))
			ret->left_out.pages += viommu_run_pages(run);
	}
}

bool
viommu_run_bounds_take(viommu_run_bounds *self, const viommu_run *run)
{
	uint64_t *left;

	if ((run->verdict == VIOMMU_GONE) != self->gone)
		return false;
	left = &self->left[rank_of(self->result, run)];
	return *left && (*left)--;
}

bool
viommu_run_bounds_full(const viommu_run_bounds *self)
{
	for (unsigned i = 0; i < VIOMMU_RANKS; i++)
		if (self->left[i])
			return false;
	return true;
}
