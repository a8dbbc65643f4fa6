/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-bounds.h"

#include "report/report-parts.h"

viommu_rank
viommu_run_rank(const viommu_result *result, const viommu_run *run)
{
	if (viommu_run_is_fault(result, run))
		return VIOMMU_RANK_FAULT;
	return run->verdict == VIOMMU_MATCH || run->verdict == VIOMMU_GONE ? VIOMMU_RANK_GOOD : VIOMMU_RANK_OPEN;
}

/* Of the runs that the list is of: how many there are of each rank, and their pages. */
static uint64_t
count(const viommu_result *result, bool gone, uint64_t of[VIOMMU_RANKS])
{
	uint64_t pages = 0;

	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		if ((v == VIOMMU_GONE) == gone) {
			of[VIOMMU_RANK_GOOD] += result->runs_of[v];
			pages += result->pages[v];
		}
	/* There can be millions, of which none is worth a look. */
	for (guint i = 0; result->remarkable && i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if ((run->verdict == VIOMMU_GONE) == gone) {
			of[viommu_run_rank(result, run)]++;
			of[VIOMMU_RANK_GOOD]--;
		}
	}
	return pages;
}

void
viommu_run_bounds_of(const viommu_result *result, bool gone, uint64_t limit, viommu_run_bounds *ret)
{
	viommu_run_bounds taken;

	*ret = (viommu_run_bounds){ .result = result, .gone = gone };
	ret->left_out.pages = count(result, gone, ret->left);
	for (unsigned i = 0; i < VIOMMU_RANKS; i++) {
		uint64_t n = MIN(ret->left[i], limit);

		ret->left_out.runs += ret->left[i] - n;
		if (i == VIOMMU_RANK_FAULT)
			ret->left_out.faults = ret->left[i] - n;
		ret->left[i] = n;
		limit -= n;
	}
	if (ret->left[VIOMMU_RANK_FAULT]) {
		const viommu_run *first = viommu_report_first_fault(result);

		if ((first->verdict == VIOMMU_GONE) == gone) {
			ret->first = first;
			ret->left[VIOMMU_RANK_FAULT]--;
		}
	}
	if (ret->left_out.runs == 0) {
		ret->left_out.pages = 0;
		return;
	}
	taken = *ret;
	for (guint i = 0; i < result->runs->len && !viommu_run_bounds_full(&taken); i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (viommu_run_bounds_take(&taken, run))
			ret->left_out.pages -= viommu_run_pages(run);
	}
}

bool
viommu_run_bounds_take(viommu_run_bounds *self, const viommu_run *run)
{
	uint64_t *left;

	if ((run->verdict == VIOMMU_GONE) != self->gone)
		return false;
	if (run == self->first) {
		self->first = NULL;
		return true;
	}
	left = &self->left[viommu_run_rank(self->result, run)];
	return *left && (*left)--;
}

bool
viommu_run_bounds_full(const viommu_run_bounds *self)
{
	for (unsigned i = 0; i < VIOMMU_RANKS; i++)
		if (self->left[i])
			return false;
	return !self->first;
}

/* ---- tables ------------------------------------------------------------------------------------- */

/* Of each target, the worst of its runs. */
static viommu_rank *
rank_targets(const viommu_result *result)
{
	viommu_rank *ret = g_new(viommu_rank, result->targets->len + 1);

	for (guint i = 0; i < result->targets->len; i++)
		ret[i] = VIOMMU_RANK_GOOD;
	for (guint i = 0; result->remarkable && i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		ret[run->target] = MIN(ret[run->target], viommu_run_rank(result, run));
	}
	return ret;
}

void
viommu_table_bounds_of(const viommu_result *result, uint64_t limit, viommu_table_bounds *ret)
{
	g_autofree viommu_rank *ranks = rank_targets(result);
	uint64_t left[VIOMMU_RANKS] = { 0 };

	*ret = (viommu_table_bounds){ .listed = g_array_new(FALSE, FALSE, sizeof(guint)), .worst = VIOMMU_RANK_GOOD };
	for (guint i = 0; i < result->targets->len; i++)
		left[ranks[i]] += g_array_index(result->targets, viommu_target_result, i).same_as == i;
	for (unsigned rank = 0; rank < VIOMMU_RANKS; rank++) {
		uint64_t n = MIN(left[rank], limit);

		if (left[rank] > n)
			ret->worst = MIN(ret->worst, (viommu_rank) rank);
		ret->left_out += left[rank] - n;
		if (rank == VIOMMU_RANK_FAULT)
			ret->with_faults = left[rank] - n;
		left[rank] = n;
		limit -= n;
	}
	for (guint i = 0; i < result->targets->len; i++)
		if (g_array_index(result->targets, viommu_target_result, i).same_as == i && left[ranks[i]]) {
			left[ranks[i]]--;
			g_array_append_val(ret->listed, i);
		}
}

void
viommu_table_bounds_clear(viommu_table_bounds *self)
{
	g_clear_pointer(&self->listed, g_array_unref);
}

char *
viommu_table_bounds_text(const viommu_table_bounds *self)
{
	g_autofree char *faults = self->with_faults == 0 ? g_strdup(self->worst == VIOMMU_RANK_GOOD ? ", all of them as L1 asked" : ", none of them with a fault")
							 : g_strdup_printf(", %s of them with faults", viommu_count_text(self->with_faults).text);

	return g_strdup_printf("%s more table%s%s, left out", viommu_count_text(self->left_out).text, self->left_out == 1 ? "" : "s", faults);
}
