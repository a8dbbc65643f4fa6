/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two looks at a guest that runs.  Page by page, because a fault that stays must not
 * be lost in others beside it that come and go: runs are cut where the looks part.
 */
#include "join/doubt.h"
#include "join/result.h"

static const viommu_target_result *
target_of(const viommu_result *result, const viommu_run *run)
{
	return &g_array_index(result->targets, viommu_target_result, run->target);
}

char *
viommu_target_key(const viommu_target_result *target)
{
	return g_strdup_printf("%s %s %" G_GINT64_FORMAT " %x %d", target->record->path,
		target->record->session ? target->record->session : "", target->space->id, target->sid.v, target->any_device);
}

static int
cmp_iova(const void *a, const void *b)
{
	const viommu_run *x = *(const viommu_run *const *) a, *y = *(const viommu_run *const *) b;

	return x->iova.first < y->iova.first ? -1 : x->iova.first > y->iova.first;
}

/* The faults of a result by target: a GPtrArray of viommu_run in IOVA order for each. */
static GHashTable *
faults_by_target(const viommu_result *result)
{
	GHashTable *ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
	GHashTableIter iter;
	gpointer list;

	for (guint i = 0; i < result->runs->len; i++) {
		viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		g_autofree char *key = NULL;

		if (!viommu_run_is_fault(result, run))
			continue;
		key = viommu_target_key(target_of(result, run));
		list = g_hash_table_lookup(ret, key);
		if (!list) {
			list = g_ptr_array_new();
			g_hash_table_insert(ret, g_steal_pointer(&key), list);
		}
		g_ptr_array_add(list, run);
	}
	g_hash_table_iter_init(&iter, ret);
	while (g_hash_table_iter_next(&iter, NULL, &list))
		g_ptr_array_sort(list, cmp_iova);
	return ret;
}

/* The first run of a list that ends at or behind iova. */
static guint
find(const GPtrArray *list, uint64_t iova)
{
	guint low = 0, high = list->len;

	while (low < high) {
		guint mid = low + (high - low) / 2;

		if (((const viommu_run *) g_ptr_array_index(list, mid))->iova.last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Both walks are known, and did not end at the same entry. */
static bool
other_entry(const vtd_translation *a, const vtd_translation *b)
{
	return a && b && a->n_steps && b->n_steps && a->steps[a->n_steps - 1].raw[0] != b->steps[b->n_steps - 1].raw[0];
}

/* What L1 asked for is the same: the page at the same place of the same request. */
static bool
same_request(const viommu_run *run, const viommu_run *before)
{
	if (run->has_expected != before->has_expected)
		return false;
	return !run->has_expected ||
		(run->expected.request == before->expected.request &&
			run->expected.gpa_known == before->expected.gpa_known &&
			(!run->expected.gpa_known || run->expected.gpa.v - before->expected.gpa.v == run->iova.first - before->iova.first));
}

/* What is broken is the same.  Of the shadow, doubt-shadow.c says so. */
static bool
same_links(const viommu_chain *a, const viommu_chain *b)
{
	for (unsigned i = 0; i < VIOMMU_LINK_SHADOW; i++)
		if ((a->links[i].state == VIOMMU_LINK_BROKEN) != (b->links[i].state == VIOMMU_LINK_BROKEN))
			return false;
	return true;
}

/* What was seen is the same.  Of an entry that maps nothing only the first page's is known. */
static bool
agrees(const viommu_result *now, const viommu_run *run, const viommu_result *earlier, const viommu_run *before)
{
	if (run->verdict != before->verdict || run->has_observed != before->has_observed || !same_request(run, before) ||
		!same_links(viommu_run_chain(now, run), viommu_run_chain(earlier, before)))
		return false;
	if (run->iova.first == before->iova.first && other_entry(run->evidence, before->evidence))
		return false;
	return !run->has_observed ||
		(run->read == before->read && run->write == before->write && run->page_shift == before->page_shift &&
			run->gpa.v - before->gpa.v == run->iova.first - before->iova.first);
}

static uint64_t
pages(uint64_t first, uint64_t last)
{
	return ((last - first) >> VIOMMU_PAGE_SHIFT) + 1;
}

void
viommu_run_put_part(GArray *runs, const viommu_run *run, uint64_t first, uint64_t last, bool in_flux)
{
	viommu_run part = *run;

	part.iova = (viommu_iova_range){ first, last };
	part.gpa.v += first - run->iova.first;
	part.expected.gpa.v += first - run->iova.first;
	if (in_flux) {
		part.note = viommu_verdict_name(run->verdict);
		part.verdict = VIOMMU_IN_FLUX;
	}
	part.evidence = first == run->iova.first ? run->evidence : NULL;
	g_array_append_val(runs, part);
}

/* Cuts one run; returns its doubtful pages. runs may be NULL: they are only counted. */
static uint64_t
cut_run(const viommu_result *self, viommu_run *run, const viommu_result *earlier, const GPtrArray *before, GArray *runs)
{
	uint64_t at = run->iova.first, ret = 0;

	for (guint i = before ? find(before, at) : 0; before && i < before->len; i++) {
		const viommu_run *other = g_ptr_array_index(before, i);
		uint64_t first = MAX(other->iova.first, run->iova.first), last = MIN(other->iova.last, run->iova.last);

		if (other->iova.first > run->iova.last)
			break;
		if (!agrees(self, run, earlier, other))
			continue;
		if (at < first) {
			ret += pages(at, first - 1);
			if (runs)
				viommu_run_put_part(runs, run, at, first - 1, true);
		}
		if (runs)
			viommu_run_put_part(runs, run, first, last, false);
		if (last == run->iova.last)
			return ret;
		at = last + 1;
	}
	if (runs)
		viommu_run_put_part(runs, run, at, run->iova.last, true);
	return ret + pages(at, run->iova.last);
}

uint64_t
viommu_result_doubt(viommu_result *self, const viommu_result *earlier, bool apply)
{
	g_autoptr(GHashTable) known = faults_by_target(earlier);
	g_autoptr(GArray) runs = apply ? g_array_new(FALSE, FALSE, sizeof(viommu_run)) : NULL;
	uint64_t ret = 0;

	for (guint i = 0; i < self->runs->len; i++) {
		viommu_run *run = &g_array_index(self->runs, viommu_run, i);
		g_autofree char *key = NULL;

		if (!viommu_run_is_fault(self, run)) {
			if (runs)
				g_array_append_vals(runs, run, 1);
			continue;
		}
		key = viommu_target_key(target_of(self, run));
		ret += cut_run(self, run, earlier, g_hash_table_lookup(known, key), runs);
	}
	if (runs)
		viommu_result_replace_runs(self, g_steal_pointer(&runs));
	return ret;
}
