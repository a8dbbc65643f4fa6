/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole table, in IOVA order.  The tables below one table are read in one batch;
 * entries that translate alike are joined into runs as they come, so memory is
 * bounded by the depth and not by what L1 wrote.
 */
#include "walker.h"

#include <string.h>

#define ENTRIES 512

typedef struct {
	const vtd_unit *unit;
	viommu_memory *memory;
	const vtd_walk_request *request;
	vtd_budget *budget;
	gboolean stop;
	vtd_run run; /* not yet handed out */
	gboolean has_run;
	viommu_gpa path[VTD_MAX_LEVELS + 1]; /* the table at each level on the way down */
	uint8_t *buffers[VTD_MAX_LEVELS + 1];
	GHashTable *visited; /* page numbers of tables */
} walker;

static void
flush(walker *w)
{
	if (w->has_run && w->request->visit)
		w->request->visit(&w->run, w->request->user);
	w->has_run = FALSE;
}

static gboolean
joins(const vtd_run *a, const vtd_run *b)
{
	return a->kind == VTD_RUN_MAPPED && b->kind == VTD_RUN_MAPPED && a->iova.last + 1 == b->iova.first &&
		a->page_shift == b->page_shift && a->read == b->read && a->write == b->write &&
		b->gpa.v - a->gpa.v == b->iova.first - a->iova.first;
}

/* The budget is used up at this run. */
static void
leave_rest(walker *w)
{
	w->run.kind = VTD_RUN_UNVISITED;
	w->run.iova.last = w->request->range.last;
	w->stop = TRUE;
}

static void
emit(walker *w, const vtd_run *run)
{
	if (w->has_run && joins(&w->run, run)) {
		w->run.iova.last = run->iova.last;
		return;
	}
	flush(w);
	w->run = *run;
	w->has_run = TRUE;
	if (!w->request->visit)
		return;
	if (w->budget->runs == 0)
		leave_rest(w);
	else
		w->budget->runs--;
}

/* What is known of the table that is being read: its place and what its ancestors
 * let through. */
typedef struct {
	unsigned level;
	uint64_t iova; /* of its first entry */
	viommu_gpa table;
	bool read, write;
} context;

static gboolean walk_table(walker *w, const context *at, const uint8_t *page, GError **error);

static gboolean
is_ancestor(const walker *w, const context *at, viommu_gpa table)
{
	for (unsigned level = at->level; level <= w->request->levels; level++)
		if (w->path[level].v == table.v)
			return TRUE;
	return FALSE;
}

/* An entry counts when it, and all above it, let at least one kind of access through. */
static gboolean
counts(const walker *w, const context *at, uint64_t raw)
{
	if (w->request->first_stage)
		return raw & 1;
	return ((raw & 1) && at->read) || ((raw & 2) && at->write);
}

/* The bits of one entry that the walk goes by, of either stage. */
typedef struct {
	bool leaf, refused_privilege;
	uint64_t reserved;
	viommu_gpa address, tested;
} entry_facts;

static void
decode(const walker *w, const context *at, uint64_t raw, entry_facts *facts, vtd_run *run)
{
	if (w->request->first_stage) {
		vtd_fs_entry entry;

		vtd_decode_fs(w->unit, raw, at->level, &entry);
		*facts = (entry_facts){ entry.leaf, !entry.user, entry.reserved, entry.address, entry.address };
		if (entry.leaf && at->level > 1 && entry.pat)
			facts->tested.v |= 0x1000; /* as QEMU 10.0 does: translate.c */
		run->read = at->read;
		run->write = at->write && entry.write;
	} else {
		vtd_ss_entry entry;

		vtd_decode_ss(w->unit, raw, at->level, &entry);
		*facts = (entry_facts){ entry.leaf, false, entry.reserved, entry.address, entry.address };
		run->read = at->read && entry.read;
		run->write = at->write && entry.write;
	}
}

/* The IOVA of a first-stage entry is canonical: the top bit is carried upwards. */
static uint64_t
sign_extend(const walker *w, uint64_t iova)
{
	unsigned bits = vtd_level_shift(w->request->levels) + 9;

	if (!w->request->first_stage || bits >= 64 || !(iova >> (bits - 1) & 1))
		return iova;
	return iova | ~0ull << bits;
}

/* Fills run for one entry; returns TRUE when it leads to a table instead. */
static gboolean
classify(const walker *w, const context *at, unsigned index, uint64_t raw, vtd_run *run, viommu_gpa *child)
{
	unsigned shift = vtd_level_shift(at->level);
	uint64_t first = sign_extend(w, at->iova + ((uint64_t) index << shift));
	entry_facts facts;

	*run = (vtd_run){ .kind = VTD_RUN_MAPPED, .iova = { first, first + ((1ull << shift) - 1) }, .page_shift = shift,
		.first_stage = w->request->first_stage, .entry = VIOMMU_GPA(at->table.v + index * 8), .raw = raw,
		.level = at->level };
	decode(w, at, raw, &facts, run);
	run->gpa = *child = facts.address;
	if (facts.refused_privilege)
		run->kind = VTD_RUN_PRIVILEGE;
	else if (facts.reserved)
		run->kind = VTD_RUN_RESERVED;
	else if (facts.leaf && facts.tested.v <= VTD_INTERRUPT_LAST &&
		facts.tested.v + ((1ull << shift) - 1) >= VTD_INTERRUPT_FIRST)
		run->kind = VTD_RUN_INTERRUPT;
	else if (!facts.leaf && is_ancestor(w, at, facts.address))
		run->kind = VTD_RUN_LOOP;
	else
		return !facts.leaf;
	return FALSE;
}

static gboolean
in_range(const walker *w, const context *at, unsigned index)
{
	unsigned shift = vtd_level_shift(at->level);
	uint64_t first = sign_extend(w, at->iova + ((uint64_t) index << shift));

	if ((uint64_t) index >> (64 - shift))
		return FALSE; /* six levels reach beyond 64 bits */
	return first <= w->request->range.last && first + ((1ull << shift) - 1) >= w->request->range.first;
}

/* Charges the visit of a table; FALSE: the budget is used up. */
static gboolean
charge(walker *w, viommu_gpa table)
{
	gpointer key = GSIZE_TO_POINTER((gsize) (table.v >> VIOMMU_PAGE_SHIFT) + 1);
	uint64_t cost = g_hash_table_add(w->visited, key) ? 1 : VTD_REPEAT_COST;

	if (w->budget->tables < cost) {
		w->budget->tables = 0;
		return FALSE;
	}
	w->budget->tables -= cost;
	return TRUE;
}

/* Goes down into one child table, or says why not. */
static gboolean
descend(walker *w, const context *at, vtd_run *run, const viommu_page_read *read, unsigned index, GError **error)
{
	context below = { .level = at->level - 1, .iova = at->iova + ((uint64_t) index << vtd_level_shift(at->level)),
		.table = read->gpa, .read = run->read, .write = run->write };

	if (read->status != VIOMMU_PAGE_OK) {
		run->kind = VTD_RUN_UNREADABLE;
		run->status = read->status;
		emit(w, run);
		return TRUE;
	}
	if (!charge(w, read->gpa)) {
		run->kind = VTD_RUN_UNVISITED;
		emit(w, run);
		leave_rest(w);
		return TRUE;
	}
	return walk_table(w, &below, read->data, error);
}

static void
tell_entry(walker *w, const context *at, unsigned index, uint64_t raw)
{
	unsigned shift = vtd_level_shift(at->level);
	uint64_t first = sign_extend(w, at->iova + ((uint64_t) index << shift));
	vtd_table_entry entry = { .entry = VIOMMU_GPA(at->table.v + index * 8), .raw = raw, .level = at->level,
		.first_stage = w->request->first_stage, .iova = { first, first + ((1ull << shift) - 1) } };

	w->request->visit_entry(&entry, w->request->user);
}

static gboolean
read_children(walker *w, const context *at, const uint64_t *raw, viommu_page_read *reads, GError **error)
{
	size_t n = 0;

	for (unsigned i = 0; i < ENTRIES; i++) {
		vtd_run run;
		viommu_gpa child;

		if (counts(w, at, raw[i]) && in_range(w, at, i) && classify(w, at, i, raw[i], &run, &child)) {
			reads[n] = (viommu_page_read){ .gpa = child, .buffer = w->buffers[at->level] + n * VIOMMU_PAGE_SIZE };
			n++;
		}
	}
	return n == 0 || viommu_memory_read_pages(w->memory, reads, n, error);
}

static gboolean
walk_table(walker *w, const context *at, const uint8_t *page, GError **error)
{
	uint64_t raw[ENTRIES]; /* our copy: L1 may change the page while we look */
	g_autofree viommu_page_read *reads = NULL;
	size_t next = 0;

	memcpy(raw, page, sizeof(raw));
	for (unsigned i = 0; i < ENTRIES; i++)
		raw[i] = GUINT64_FROM_LE(raw[i]);
	w->path[at->level] = at->table;
	if (at->level > 1) {
		reads = g_new(viommu_page_read, ENTRIES);
		if (!w->buffers[at->level])
			w->buffers[at->level] = g_malloc((size_t) ENTRIES * VIOMMU_PAGE_SIZE);
		if (!read_children(w, at, raw, reads, error))
			return FALSE;
	}
	for (unsigned i = 0; i < ENTRIES && !w->stop; i++) {
		vtd_run run;
		viommu_gpa child;

		if (raw[i] && w->request->visit_entry && in_range(w, at, i))
			tell_entry(w, at, i, raw[i]);
		if (!counts(w, at, raw[i]) || !in_range(w, at, i))
			continue;
		if (!classify(w, at, i, raw[i], &run, &child))
			emit(w, &run);
		else if (!descend(w, at, &run, &reads[next++], i, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
vtd_walk_range(const vtd_unit *unit, viommu_memory *memory, const vtd_walk_request *request, vtd_budget *budget,
	GError **error)
{
	walker w = { .unit = unit, .memory = memory, .request = request, .budget = budget };
	context at = { .level = request->levels, .table = request->table, .read = true, .write = true };
	uint8_t page[VIOMMU_PAGE_SIZE];
	viommu_page_read read = { .gpa = request->table, .buffer = page };
	gboolean ok;

	g_return_val_if_fail(request->levels >= 1 && request->levels <= VTD_MAX_LEVELS, FALSE);
	w.visited = g_hash_table_new(NULL, NULL);
	ok = viommu_memory_read_pages(memory, &read, 1, error);
	if (ok && read.status == VIOMMU_PAGE_OK) {
		ok = walk_table(&w, &at, read.data, error);
	} else if (ok) {
		vtd_run run = { .kind = VTD_RUN_UNREADABLE, .status = read.status, .level = request->levels + 1,
			.gpa = request->table, .iova = request->range, .first_stage = request->first_stage };
		emit(&w, &run);
	}
	flush(&w);
	g_hash_table_unref(w.visited);
	for (unsigned i = 0; i < G_N_ELEMENTS(w.buffers); i++)
		g_free(w.buffers[i]);
	return ok;
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
		.user = user };

	return vtd_walk_range(unit, memory, &request, budget, error);
}

gboolean
vtd_walk_device(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, vtd_budget *budget,
	vtd_run_visitor visit, void *user, GError **error)
{
	vtd_walk_request request = { .table = device->table, .levels = device->levels, .range = { 0, UINT64_MAX },
		.first_stage = true, .visit = visit, .user = user };

	switch (device->stage) {
	case VTD_STAGE_SECOND:
		return vtd_walk(unit, memory, device->table, device->levels, budget, visit, user, error);
	case VTD_STAGE_FIRST:
		return vtd_walk_range(unit, memory, &request, budget, error);
	case VTD_STAGE_NESTED:
		break;
	}
	return vtd_walk_nested(unit, memory, device, &request, budget, error);
}

gboolean
vtd_walk_entries(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, vtd_budget *budget,
	vtd_entry_visitor visit, void *user, GError **error)
{
	bool nested = device->stage == VTD_STAGE_NESTED;
	vtd_walk_request request = { .table = nested ? device->outer_table : device->table,
		.levels = nested ? device->outer_levels : device->levels, .range = { 0, UINT64_MAX },
		.first_stage = device->stage == VTD_STAGE_FIRST, .visit_entry = visit, .user = user };

	if (!vtd_walk_range(unit, memory, &request, budget, error))
		return FALSE;
	if (!nested)
		return TRUE;
	request.table = device->table;
	request.levels = device->levels;
	request.first_stage = true;
	return vtd_walk_nested(unit, memory, device, &request, budget, error);
}
