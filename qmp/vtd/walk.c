/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole table, in IOVA order.  The tables below one table are read in one batch.
 */
#include "walk-inside.h"

#include <string.h>

static gboolean walk_table(vtd_walker *w, vtd_walk_table *at, const uint8_t *page, GError **error);

static uint64_t
memo_key(const vtd_walker *w, const vtd_walk_table *at)
{
	return vtd_memo_table(at->table, at->level, w->request->first_stage, at->read, at->write);
}

static uint64_t
visit_cost(vtd_walker *w, const vtd_walk_table *at)
{
	gpointer key = GSIZE_TO_POINTER((gsize) (at->table.v >> VIOMMU_PAGE_SHIFT) + 1);
	gpointer top = GSIZE_TO_POINTER((gsize) (w->request->table.v >> VIOMMU_PAGE_SHIFT) + 1);
	gboolean again = !g_hash_table_add(w->visited, key);
	gpointer before = w->request->visited ? g_hash_table_lookup(w->request->visited, key) : NULL;

	if (w->request->visited && !before)
		g_hash_table_insert(w->request->visited, key, top);
	if (again || (before && before != top))
		return 1 + (VTD_REPEAT_COST - 1) * (uint64_t) (at->last - at->first) / (VTD_ENTRIES - 1);
	return before ? VTD_AGAIN_COST : 1;
}

/* Charges the visit of a table; FALSE: the budget is used up. */
static gboolean
charge(vtd_walker *w, const vtd_walk_table *at)
{
	uint64_t cost = w->request->memo ? 1 : visit_cost(w, at);

	if (w->budget->tables < cost) {
		w->budget->tables = 0;
		return FALSE;
	}
	w->budget->tables -= cost;
	return TRUE;
}

static vtd_walk_table
child_of(const vtd_walker *w, const vtd_walk_table *at, unsigned index, const vtd_run *run)
{
	vtd_walk_table ret = { .level = at->level - 1, .iova = at->iova + ((uint64_t) index << vtd_level_shift(at->level)),
		.table = run->gpa, .read = run->read, .write = run->write };

	vtd_walk_set_bounds(w, &ret);
	return ret;
}

static const vtd_place *
told_before(const vtd_walker *w, const vtd_walk_table *at)
{
	return w->request->memo ? vtd_memo_find(w->request->memo, memo_key(w, at)) : NULL;
}

/* Goes down into one child table, or says why not. */
static gboolean
descend(vtd_walker *w, vtd_walk_table *below, vtd_run *run, const viommu_page_read *read, GError **error)
{
	if (read->status != VIOMMU_PAGE_OK) {
		run->kind = VTD_RUN_UNREADABLE;
		run->status = read->status;
		vtd_walk_emit(w, run);
		return TRUE;
	}
	if (!charge(w, below)) {
		run->kind = VTD_RUN_UNVISITED;
		run->iova.last = w->request->range.last;
		vtd_walk_emit(w, run);
		vtd_walk_leave_rest(w);
		return TRUE;
	}
	return walk_table(w, below, read->data, error);
}

/* Room for n pages below a table of this level; what was there is lost. */
static uint8_t *
page_room(vtd_walker *w, unsigned level, size_t n)
{
	if (w->room[level] < n) {
		g_free(w->buffers[level]);
		w->buffers[level] = g_malloc(n * VIOMMU_PAGE_SIZE);
		w->room[level] = n;
	}
	return w->buffers[level];
}

/* Reads the tables that entries lead to, each page once in a row; slots: for each entry
 * its place in reads, plus 1. */
static gboolean
read_children(vtd_walker *w, const vtd_walk_table *at, const uint64_t *raw, uint16_t *slots, GError **error)
{
	viommu_page_read *reads = w->reads[at->level];
	uint8_t *room;
	size_t n = 0;

	for (unsigned i = at->first; i <= at->last; i++) {
		vtd_walk_table below;
		vtd_run run;

		if (!vtd_walk_counts(w, at, raw[i]) || !vtd_walk_classify(w, at, i, raw[i], &run))
			continue;
		below = child_of(w, at, i, &run);
		if (told_before(w, &below))
			continue;
		if (n == 0 || reads[n - 1].gpa.v != run.gpa.v)
			reads[n++] = (viommu_page_read){ .gpa = run.gpa };
		slots[i] = (uint16_t) n;
	}
	if (n == 0)
		return TRUE;
	room = page_room(w, at->level, n);
	for (size_t i = 0; i < n; i++)
		reads[i].buffer = room + i * VIOMMU_PAGE_SIZE;
	return viommu_memory_read_pages(w->memory, reads, n, error);
}

/* *leaf: it translates. slots: of read_children(), only where there are tables below. */
static gboolean
walk_entry(vtd_walker *w, const vtd_walk_table *at, unsigned index, uint64_t raw, const uint16_t *slots, bool *leaf,
	GError **error)
{
	vtd_run run = { 0 };
	gboolean counted = vtd_walk_counts(w, at, raw), table = counted && vtd_walk_classify(w, at, index, raw, &run);
	const vtd_place *before = NULL;
	vtd_walk_table below;

	if (table) {
		below = child_of(w, at, index, &run);
		before = told_before(w, &below);
	}
	if (before) {
		run.kind = VTD_RUN_REPEATED;
		run.before = *before;
	}
	if (w->request->visit_entry)
		vtd_walk_tell_entry(w, at, index, raw, counted ? &run : NULL);
	if (table && !before)
		return descend(w, &below, &run, &w->reads[at->level][slots[index] - 1], error);
	*leaf = counted && run.kind == VTD_RUN_MAPPED;
	if (counted)
		vtd_walk_emit(w, &run);
	return TRUE;
}

/* The first entry from index on that is not zero; eight at a time. */
static unsigned
skip_zeros(const uint64_t *raw, unsigned index, unsigned last)
{
	for (; index + 8 <= last; index += 8) {
		uint64_t any = 0;

		for (unsigned k = 0; k < 8; k++)
			any |= raw[index + k];
		if (any)
			break;
	}
	while (index <= last && !raw[index])
		index++;
	return index;
}

static gboolean
walk_table(vtd_walker *w, vtd_walk_table *at, const uint8_t *page, GError **error)
{
	uint64_t raw[VTD_ENTRIES]; /* our copy: L1 may change the page while we look */
	uint16_t slots[VTD_ENTRIES];
	bool told = w->request->visit || w->request->visit_entry;

	if (at->first > at->last)
		return TRUE;
	w->path[at->level] = at->table;
	if (w->request->memo)
		vtd_memo_add(w->request->memo, memo_key(w, at), vtd_memo_here(w->request->memo, vtd_walk_sign_extend(w, at->iova)));
	if (at->level == 1 && !told)
		return TRUE; /* it leads nowhere */
	memcpy(raw + at->first, page + at->first * 8, (at->last - at->first + 1) * 8);
	for (unsigned i = at->first; i <= at->last; i++)
		raw[i] = GUINT64_FROM_LE(raw[i]);
	if (at->level > 1) {
		if (!w->reads[at->level])
			w->reads[at->level] = g_new(viommu_page_read, VTD_ENTRIES);
		if (!read_children(w, at, raw, slots, error))
			return FALSE;
	}
	for (unsigned i = at->first; (i = skip_zeros(raw, i, at->last)) <= at->last && !w->stop; i++) {
		bool leaf = false;

		if (!walk_entry(w, at, i, raw[i], slots, &leaf, error))
			return FALSE;
		if (leaf && w->request->visit && !w->request->visit_entry && !w->stop)
			i = vtd_walk_follow(w, at, raw, i);
	}
	return TRUE;
}

/* The table of the request: told before, not readable, or walked. */
static gboolean
walk_top(vtd_walker *w, vtd_walk_table *at, GError **error)
{
	const vtd_walk_request *request = w->request;
	const vtd_place *before = told_before(w, at);
	vtd_run run = { .level = request->levels + 1, .gpa = request->table, .iova = request->range,
		.first_stage = request->first_stage };
	uint8_t page[VIOMMU_PAGE_SIZE];
	viommu_page_read read = { .gpa = request->table, .buffer = page };

	if (before) {
		run.kind = VTD_RUN_REPEATED;
		run.before = *before;
		vtd_walk_emit(w, &run);
		return TRUE;
	}
	if (!viommu_memory_read_pages(w->memory, &read, 1, error))
		return FALSE;
	if (read.status == VIOMMU_PAGE_OK)
		return walk_table(w, at, read.data, error);
	run.kind = VTD_RUN_UNREADABLE;
	run.status = read.status;
	vtd_walk_emit(w, &run);
	return TRUE;
}

GHashTable *
vtd_visited_new(void)
{
	return g_hash_table_new(vtd_key_hash, NULL);
}

vtd_walker *
vtd_walker_new(const vtd_unit *unit, viommu_memory *memory, vtd_budget *budget)
{
	vtd_walker *self = g_new0(vtd_walker, 1);

	self->unit = unit;
	self->memory = memory;
	self->budget = budget;
	self->visited = vtd_visited_new();
	return self;
}

void
vtd_walker_free(vtd_walker *self)
{
	if (!self)
		return;
	g_hash_table_unref(self->visited);
	for (unsigned i = 0; i < G_N_ELEMENTS(self->buffers); i++) {
		g_free(self->buffers[i]);
		g_free(self->reads[i]);
	}
	g_free(self);
}

gboolean
vtd_walker_run(vtd_walker *self, const vtd_walk_request *request, GError **error)
{
	vtd_walk_table at = { .level = request->levels, .table = request->table, .read = true, .write = true };
	gboolean ok;

	g_return_val_if_fail(request->levels >= 1 && request->levels <= VTD_MAX_LEVELS, FALSE);
	self->request = request;
	self->stop = FALSE;
	vtd_walk_set_bounds(self, &at);
	ok = walk_top(self, &at, error);
	vtd_walk_flush(self);
	return ok;
}

gboolean
vtd_walk_range(const vtd_unit *unit, viommu_memory *memory, const vtd_walk_request *request, vtd_budget *budget,
	GError **error)
{
	g_autoptr(vtd_walker) walker = vtd_walker_new(unit, memory, budget);

	return vtd_walker_run(walker, request, error);
}

static uint64_t
top_of(unsigned levels)
{
	return levels >= VTD_MAX_LEVELS ? UINT64_MAX : (1ull << vtd_level_shift(levels + 1)) - 1;
}

gboolean
vtd_walk(const vtd_unit *unit, viommu_memory *memory, viommu_gpa table, unsigned levels, vtd_budget *budget,
	vtd_run_visitor visit, void *user, GError **error)
{
	vtd_walk_request request = { .table = table, .levels = levels, .range = { 0, top_of(levels) }, .visit = visit,
		.user = user, .memo = budget->memo, .visited = budget->visited };

	return vtd_walk_range(unit, memory, &request, budget, error);
}

gboolean
vtd_walk_device(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, vtd_budget *budget,
	vtd_run_visitor visit, void *user, GError **error)
{
	vtd_walk_request request = { .table = device->table, .levels = device->levels, .range = { 0, UINT64_MAX },
		.first_stage = true, .visit = visit, .user = user, .memo = budget->memo, .visited = budget->visited };

	if (budget->memo)
		vtd_memo_begin(budget->memo, device);
	switch (device->stage) {
	case VTD_STAGE_SECOND:
		return vtd_walk(unit, memory, device->table, device->levels, budget, visit, user, error);
	case VTD_STAGE_FIRST:
		return vtd_walk_canonical(unit, memory, &request, device->input_bits, budget, error);
	case VTD_STAGE_NESTED:
		break;
	}
	return vtd_walk_nested(unit, memory, device, &request, budget, error);
}

gboolean
vtd_walk_entries(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, vtd_budget *budget,
	vtd_entry_visitor visit, vtd_run_visitor finding, void *user, GError **error)
{
	bool nested = device->stage == VTD_STAGE_NESTED;
	vtd_walk_request request = { .table = nested ? device->outer_table : device->table,
		.levels = nested ? device->outer_levels : device->levels, .range = { 0, UINT64_MAX },
		.first_stage = device->stage == VTD_STAGE_FIRST, .visit = finding, .visit_entry = visit, .user = user,
		.memo = budget->memo, .visited = budget->visited };

	if (budget->memo)
		vtd_memo_begin(budget->memo, device);
	if (!request.first_stage)
		request.range.last = top_of(request.levels);
	if (!vtd_walk_range(unit, memory, &request, budget, error))
		return FALSE;
	if (!nested)
		return TRUE;
	request.table = device->table;
	request.levels = device->levels;
	request.range.last = UINT64_MAX;
	request.first_stage = true;
	return vtd_walk_nested(unit, memory, device, &request, budget, error);
}
