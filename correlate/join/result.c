/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "join/result.h"

#include <string.h>

static const struct {
	const char *name, *meaning;
	bool fault;
} verdicts[VIOMMU_VERDICTS] = {
	[VIOMMU_MATCH] = { "match", "the table translates it to the page that L1 asked for", false },
	[VIOMMU_MISSING] = { "missing", "L1 asked for it, and the table does not translate it", true },
	[VIOMMU_WRONG_ADDRESS] = { "wrong-address", "the table translates it to another page", true },
	[VIOMMU_WRONG_PERMISSION] = { "wrong-permission", "the table gives other permissions than L1 asked for", true },
	[VIOMMU_STALE] = { "stale", "L1 unmapped it, and the table still translates it", true },
	[VIOMMU_UNEXPECTED] = { "unexpected", "the table translates it, and the record, which is complete, never asked for it",
		true },
	[VIOMMU_NO_CONTEXT] = { "no-context", "the device has no usable context entry, so all of its DMA is refused", true },
	[VIOMMU_TRANSLATION_OFF] = { "translation-off", "the vIOMMU does not translate (GSTS.TES = 0): DMA goes to IOVA = GPA",
		true },
	[VIOMMU_PASSED_THROUGH] = { "pass-through", "the device's DMA is not translated (TT = pass-through)", true },
	[VIOMMU_RESERVED_BIT] = { "reserved-bit", "a reserved bit is set in the entry, so the vIOMMU refuses it", true },
	[VIOMMU_BEYOND_WIDTH] = { "beyond-width", "the IOVA is above the address width, so the vIOMMU refuses it", true },
	[VIOMMU_UNVERIFIED] = { "unverified", "it cannot be told", false },
	[VIOMMU_IN_FLUX] = { "in-flux", "it changed while it was looked at", false },
	[VIOMMU_GONE] = { "unmapped", "L1 unmapped it, and the table does not translate it", false },
};

const char *
viommu_verdict_name(viommu_verdict verdict)
{
	return verdicts[verdict].name;
}

const char *
viommu_verdict_meaning(viommu_verdict verdict)
{
	return verdicts[verdict].meaning;
}

bool
viommu_verdict_is_fault(viommu_verdict verdict)
{
	return verdicts[verdict].fault;
}

static guint
chain_hash(gconstpointer key)
{
	const viommu_chain *chain = key;
	uintptr_t ret = 0;

	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		ret = (ret * 31 + (uintptr_t) chain->links[i].note) * 31 + chain->links[i].state;
	return (guint) (ret ^ ret >> 32);
}

static gboolean
chain_equal(gconstpointer a, gconstpointer b)
{
	return viommu_chain_equal(a, b);
}

viommu_result *
viommu_result_new(void)
{
	viommu_result *self = g_new0(viommu_result, 1);

	self->targets = g_array_new(FALSE, TRUE, sizeof(viommu_target_result));
	self->runs = g_array_new(FALSE, FALSE, sizeof(viommu_run));
	self->notes = g_string_chunk_new(1024);
	self->walks = g_ptr_array_new_with_free_func(g_free);
	self->chains = g_array_new(FALSE, TRUE, sizeof(viommu_chain));
	g_array_set_size(self->chains, 1);
	self->chain_places = g_hash_table_new_full(chain_hash, chain_equal, g_free, NULL);
	self->chain_pages = g_array_new(FALSE, TRUE, sizeof(viommu_chain_pages));
	self->reads = 1;
	return self;
}

void
viommu_result_free(viommu_result *self)
{
	if (!self)
		return;
	for (guint i = 0; i < self->targets->len; i++)
		g_clear_pointer(&g_array_index(self->targets, viommu_target_result, i).unjudged, g_array_unref);
	g_array_unref(self->runs);
	g_ptr_array_unref(self->walks);
	g_array_unref(self->chains);
	g_hash_table_unref(self->chain_places);
	g_array_unref(self->chain_pages);
	g_array_unref(self->targets);
	g_string_chunk_free(self->notes);
	g_free(self);
}

static uint64_t
run_pages(const viommu_run *run)
{
	return ((run->iova.last - run->iova.first) >> VIOMMU_PAGE_SHIFT) + 1;
}

static bool
same_piece(const viommu_run *a, const viommu_run *b)
{
	if (a->has_expected != b->has_expected)
		return false;
	return !a->has_expected ||
		(a->expected.request == b->expected.request && a->expected.gpa_known == b->expected.gpa_known &&
			a->expected.since_ns == b->expected.since_ns &&
			(!a->expected.gpa_known || b->expected.gpa.v - a->expected.gpa.v == b->iova.first - a->iova.first));
}

static bool
same_entry(const viommu_run *a, const viommu_run *b)
{
	if (a->has_observed != b->has_observed)
		return false;
	return !a->has_observed ||
		(a->page_shift == b->page_shift && a->read == b->read && a->write == b->write &&
			b->gpa.v - a->gpa.v == b->iova.first - a->iova.first);
}

static bool
joins(const viommu_run *a, const viommu_run *b)
{
	return a->target == b->target && a->verdict == b->verdict && a->note == b->note && a->iova.last != UINT64_MAX &&
		a->iova.last + 1 == b->iova.first && a->other_page_size == b->other_page_size && a->read_added == b->read_added && same_piece(a, b) &&
		same_entry(a, b);
}

void
viommu_result_add(viommu_result *self, const viommu_run *run)
{
	viommu_run *last = self->runs->len ? &g_array_index(self->runs, viommu_run, self->runs->len - 1) : NULL;

	if (last && joins(last, run))
		last->iova.last = run->iova.last;
	else
		g_array_append_val(self->runs, *run);
}

uint64_t
viommu_result_faults(const viommu_result *self)
{
	uint64_t ret = 0;

	for (unsigned i = 0; i < VIOMMU_VERDICTS; i++)
		if (verdicts[i].fault)
			ret += self->pages[i];
	for (unsigned i = VIOMMU_LINK_INVALIDATION; i < VIOMMU_LINKS; i++)
		ret += self->broken[i];
	return ret;
}

const viommu_chain *
viommu_run_chain(const viommu_result *self, const viommu_run *run)
{
	return &g_array_index(self->chains, viommu_chain, run->chain);
}

bool
viommu_run_is_fault(const viommu_result *self, const viommu_run *run)
{
	return viommu_verdict_is_fault(run->verdict) ||
		(run->verdict != VIOMMU_IN_FLUX && viommu_chain_first_broken(viommu_run_chain(self, run)) < VIOMMU_LINKS);
}

uint32_t
viommu_result_chain(viommu_result *self, const viommu_chain *chain)
{
	guint newest = self->chains->len - 1;
	gpointer place;

	if (viommu_chain_equal(&g_array_index(self->chains, viommu_chain, newest), chain))
		return newest;
	if (g_hash_table_lookup_extended(self->chain_places, chain, NULL, &place))
		return GPOINTER_TO_UINT(place);
	g_array_append_vals(self->chains, chain, 1);
	g_hash_table_insert(self->chain_places, g_memdup2(chain, sizeof(*chain)), GUINT_TO_POINTER(newest + 1));
	return newest + 1;
}

char *
viommu_run_key(const viommu_result *self, const viommu_run *run)
{
	const viommu_target_result *target = &g_array_index(self->targets, viommu_target_result, run->target);
	const vtd_translation *walk = run->evidence;
	uint64_t raw = walk && walk->n_steps ? walk->steps[walk->n_steps - 1].raw[0] : 0;

	return g_strdup_printf("%s %" G_GINT64_FORMAT " %x %d %" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER
			       "x %" G_GINT64_MODIFIER "x %d%d %" G_GINT64_MODIFIER "x %d",
		target->record->path, target->space->id, target->sid.v, run->verdict, run->iova.first, run->iova.last,
		run->has_observed ? run->gpa.v : 0, run->read, run->write, raw,
		viommu_chain_first_broken(viommu_run_chain(self, run)));
}

/* Whether the run is worth a word in a report that lists what is not as it should be. */
static bool
is_remarkable(const viommu_result *self, const viommu_run *run)
{
	return (run->verdict != VIOMMU_MATCH && run->verdict != VIOMMU_GONE) || viommu_run_is_fault(self, run);
}

static void
count_run(viommu_result *self, const viommu_run *run)
{
	uint64_t pages = run_pages(run);
	viommu_chain_pages *of = &g_array_index(self->chain_pages, viommu_chain_pages, run->chain);
	viommu_link first;

	self->runs_of[run->verdict]++;
	self->pages[run->verdict] += pages;
	g_array_index(self->targets, viommu_target_result, run->target).pages[run->verdict] += pages;
	*(run->verdict == VIOMMU_GONE ? &of->gone : &of->mapped) += pages;
	if (run->read_added)
		self->read_added += pages;
	self->remarkable += is_remarkable(self, run);
	if (run->verdict == VIOMMU_IN_FLUX)
		return;
	/* A wrong verdict is a broken table, whatever else is. */
	first = viommu_verdict_is_fault(run->verdict) ? VIOMMU_LINK_TABLE
						      : viommu_chain_first_broken(viommu_run_chain(self, run));
	if (first < VIOMMU_LINKS)
		self->broken[first] += pages;
}

void
viommu_result_count(viommu_result *self)
{
	memset(self->pages, 0, sizeof(self->pages));
	memset(self->runs_of, 0, sizeof(self->runs_of));
	memset(self->broken, 0, sizeof(self->broken));
	self->remarkable = 0;
	self->read_added = 0;
	g_array_set_size(self->chain_pages, 0);
	g_array_set_size(self->chain_pages, self->chains->len);
	for (guint i = 0; i < self->targets->len; i++)
		memset(g_array_index(self->targets, viommu_target_result, i).pages, 0, sizeof(self->pages));
	for (guint i = 0; i < self->runs->len; i++)
		count_run(self, &g_array_index(self->runs, viommu_run, i));
}

void
viommu_result_replace_runs(viommu_result *self, GArray *runs)
{
	g_array_unref(self->runs);
	self->runs = runs;
	viommu_result_count(self);
}
