/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole second-stage table, in IOVA order.  The tables below one table are
 * read in one batch; entries that translate alike are joined into runs as they
 * come, so memory is bounded by the depth and not by what L1 wrote.
 */
#include <string.h>

#include <viommu/vtd.h>

#define ENTRIES 512
#define MAX_LEVELS 6

typedef struct {
	const vtd_unit *unit;
	viommu_memory *memory;
	vtd_run_visitor visit;
	void *user;
	vtd_budget *budget;
	gboolean stop;
	vtd_run run; /* not yet handed out */
	gboolean has_run;
	viommu_gpa path[MAX_LEVELS + 1]; /* the table at each level on the way down */
	uint8_t *buffers[MAX_LEVELS + 1];
	unsigned top;
} walker;

static void
flush(walker *w)
{
	if (w->has_run)
		w->visit(&w->run, w->user);
	w->has_run = FALSE;
}

static gboolean
joins(const vtd_run *a, const vtd_run *b)
{
	return a->kind == b->kind && a->iova.last + 1 == b->iova.first && a->kind == VTD_RUN_MAPPED &&
		a->page_shift == b->page_shift && a->read == b->read && a->write == b->write &&
		b->gpa.v - a->gpa.v == b->iova.first - a->iova.first;
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

static uint64_t
entry_at(const uint8_t *page, unsigned index)
{
	uint64_t raw;

	memcpy(&raw, page + index * 8, 8);
	return GUINT64_FROM_LE(raw);
}

static gboolean
is_ancestor(const walker *w, const context *at, viommu_gpa table)
{
	for (unsigned level = at->level; level <= w->top; level++)
		if (w->path[level].v == table.v)
			return TRUE;
	return FALSE;
}

/* Fills run for one entry; returns TRUE when it leads to a table instead. */
static gboolean
classify(walker *w, const context *at, unsigned index, uint64_t raw, vtd_run *run, viommu_gpa *child)
{
	unsigned shift = vtd_level_shift(at->level);
	uint64_t first = at->iova + ((uint64_t) index << shift);
	vtd_ss_entry entry;

	vtd_decode_ss(w->unit, raw, at->level, &entry);
	*run = (vtd_run){ .kind = VTD_RUN_MAPPED, .iova = { first, first + ((1ull << shift) - 1) }, .gpa = entry.address,
		.read = entry.read && at->read, .write = entry.write && at->write, .page_shift = shift,
		.entry = VIOMMU_GPA(at->table.v + index * 8), .raw = raw, .level = at->level };
	*child = entry.address;
	if (entry.reserved) {
		run->kind = VTD_RUN_RESERVED;
		return FALSE;
	}
	if (entry.leaf)
		return FALSE;
	if (is_ancestor(w, at, entry.address)) {
		run->kind = VTD_RUN_LOOP;
		return FALSE;
	}
	return TRUE;
}

/* An entry counts when it, and all above it, let at least one kind of access through. */
static gboolean
counts(const context *at, uint64_t raw)
{
	return ((raw & 1) && at->read) || ((raw & 2) && at->write);
}

/* Goes down into one child table, or says why not. */
static gboolean
descend(walker *w, const context *at, vtd_run *run, const viommu_page_read *read, GError **error)
{
	context below = { .level = at->level - 1, .iova = run->iova.first, .table = read->gpa,
		.read = run->read, .write = run->write };

	if (read->status != VIOMMU_PAGE_OK) {
		run->kind = VTD_RUN_UNREADABLE;
		run->status = read->status;
		emit(w, run);
		return TRUE;
	}
	if (w->budget->tables == 0) {
		run->kind = VTD_RUN_UNVISITED;
		run->iova.last = w->top >= MAX_LEVELS ? UINT64_MAX : (1ull << vtd_level_shift(w->top + 1)) - 1;
		emit(w, run);
		w->stop = TRUE;
		return TRUE;
	}
	w->budget->tables--;
	return walk_table(w, &below, read->data, error);
}

static gboolean
read_children(walker *w, const context *at, const uint64_t *raw, viommu_page_read *reads, GError **error)
{
	size_t n = 0;

	for (unsigned i = 0; i < ENTRIES; i++) {
		vtd_run run;
		viommu_gpa child;

		if (counts(at, raw[i]) && classify(w, at, i, raw[i], &run, &child)) {
			reads[n] = (viommu_page_read){ .gpa = child,
				.buffer = w->buffers[at->level] + n * VIOMMU_PAGE_SIZE };
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

	for (unsigned i = 0; i < ENTRIES; i++)
		raw[i] = entry_at(page, i);
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

		if (!counts(at, raw[i]))
			continue;
		if (!classify(w, at, i, raw[i], &run, &child))
			emit(w, &run);
		else if (!descend(w, at, &run, &reads[next++], error))
			return FALSE;
	}
	return TRUE;
}

gboolean
vtd_walk(const vtd_unit *unit, viommu_memory *memory, viommu_gpa table, unsigned levels, vtd_budget *budget,
	vtd_run_visitor visit, void *user, GError **error)
{
	walker w = { .unit = unit, .memory = memory, .visit = visit, .user = user, .budget = budget,
		.top = levels };
	context at = { .level = levels, .table = table, .read = true, .write = true };
	uint8_t page[VIOMMU_PAGE_SIZE];
	viommu_page_read read = { .gpa = table, .buffer = page };
	gboolean ok;

	g_return_val_if_fail(levels >= 1 && levels <= MAX_LEVELS, FALSE);
	ok = viommu_memory_read_pages(memory, &read, 1, error);
	if (ok && read.status == VIOMMU_PAGE_OK) {
		ok = walk_table(&w, &at, read.data, error);
	} else if (ok) {
		vtd_run run = { .kind = VTD_RUN_UNREADABLE, .status = read.status, .level = levels + 1, .gpa = table,
			.iova = { 0, (1ull << MIN(63, 12 + 9 * levels)) - 1 } };
		emit(&w, &run);
	}
	flush(&w);
	for (unsigned i = 0; i < G_N_ELEMENTS(w.buffers); i++)
		g_free(w.buffers[i]);
	return ok;
}
