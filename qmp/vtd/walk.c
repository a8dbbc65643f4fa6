/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole table, in IOVA order.  The tables below one table are read in one batch;
 * entries that translate alike are joined into runs as they come, so memory is
 * bounded by the depth and not by what L1 wrote.  Only the first of neighbours that
 * differ in nothing but their address is decoded.
 */
#include "walker.h"

#include <string.h>

#define ENTRIES 512
#define PAGE_SIZE_BIT (1ull << 7)

struct vtd_walker {
	const vtd_unit *unit;
	viommu_memory *memory;
	vtd_budget *budget;
	const vtd_walk_request *request; /* of the walk that is under way */
	gboolean stop;
	vtd_run run; /* not yet handed out */
	gboolean has_run;
	viommu_gpa path[VTD_MAX_LEVELS + 1]; /* the table at each level on the way down */
	viommu_page_read *reads[VTD_MAX_LEVELS + 1]; /* of the tables below the one at each level */
	uint8_t *buffers[VTD_MAX_LEVELS + 1];
	size_t room[VTD_MAX_LEVELS + 1]; /* of buffers, in pages */
	GHashTable *visited; /* page numbers of tables, plus 1 */
};

/* What is known of the table that is being read: its place, which of its entries lie in
 * the range, and what its ancestors let through. */
typedef struct {
	unsigned level;
	uint64_t iova; /* of its first entry */
	viommu_gpa table;
	bool read, write;
	unsigned first, last; /* index; none when first > last */
} context;

static void
flush(vtd_walker *w)
{
	if (w->has_run && w->request->visit)
		w->request->visit(&w->run, w->request->user);
	w->has_run = FALSE;
}

static gboolean
joins(const vtd_run *a, const vtd_run *b)
{
	if (a->kind != b->kind || a->iova.last + 1 != b->iova.first || a->page_shift != b->page_shift ||
		a->read != b->read || a->write != b->write)
		return FALSE;
	if (a->kind == VTD_RUN_REPEATED)
		return a->gpa.v == b->gpa.v;
	return a->kind == VTD_RUN_MAPPED && b->gpa.v - a->gpa.v == b->iova.first - a->iova.first;
}

/* The budget is used up at this run. */
static void
leave_rest(vtd_walker *w)
{
	w->run.kind = VTD_RUN_UNVISITED;
	w->run.iova.last = w->request->range.last;
	w->stop = TRUE;
}

static void
emit(vtd_walker *w, const vtd_run *run)
{
	if (w->request->visit_entry && run->kind == VTD_RUN_MAPPED)
		return; /* the entry says it */
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

static gboolean walk_table(vtd_walker *w, context *at, const uint8_t *page, GError **error);

static gboolean
is_ancestor(const vtd_walker *w, const context *at, viommu_gpa table)
{
	for (unsigned level = at->level; level <= w->request->levels; level++)
		if (w->path[level].v == table.v)
			return TRUE;
	return FALSE;
}

/* An entry counts when it, and all above it, let at least one kind of access through. */
static gboolean
counts(const vtd_walker *w, const context *at, uint64_t raw)
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
decode(const vtd_walker *w, const context *at, uint64_t raw, entry_facts *facts, vtd_run *run)
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
sign_extend(const vtd_walker *w, uint64_t iova)
{
	unsigned bits = vtd_level_shift(w->request->levels) + 9;

	if (!w->request->first_stage || bits >= 64 || !(iova >> (bits - 1) & 1))
		return iova;
	return iova | ~0ull << bits;
}

static viommu_iova_range
covered(const vtd_walker *w, const context *at, unsigned index)
{
	unsigned shift = vtd_level_shift(at->level);
	uint64_t first = sign_extend(w, at->iova + ((uint64_t) index << shift));

	return (viommu_iova_range){ first, first + ((1ull << shift) - 1) };
}

/* Fills run for one entry; returns TRUE when it leads to a table instead. */
static gboolean
classify(const vtd_walker *w, const context *at, unsigned index, uint64_t raw, vtd_run *run)
{
	unsigned shift = vtd_level_shift(at->level);
	entry_facts facts;

	*run = (vtd_run){ .kind = VTD_RUN_MAPPED, .iova = covered(w, at, index), .page_shift = shift,
		.first_stage = w->request->first_stage, .entry = VIOMMU_GPA(at->table.v + index * 8), .raw = raw,
		.level = at->level };
	decode(w, at, raw, &facts, run);
	run->gpa = facts.address;
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

/* Which entries of the table lie in the range.  A first stage is never cut. */
static void
set_bounds(const vtd_walker *w, context *at)
{
	const viommu_iova_range *range = &w->request->range;
	unsigned shift = vtd_level_shift(at->level);
	uint64_t last = (range->last - at->iova) >> shift;

	at->first = 0;
	at->last = ENTRIES - 1;
	if (w->request->first_stage)
		return;
	if (range->first > at->iova)
		at->first = (unsigned) MIN((range->first - at->iova) >> shift, ENTRIES);
	/* Six levels reach beyond 64 bits: UINT64_MAX is where the range ends. */
	at->last = (unsigned) MIN(last, ENTRIES - 1);
}

static uint64_t
memo_key(const vtd_walker *w, const context *at)
{
	return vtd_memo_table(at->table, at->level, w->request->first_stage, at->read, at->write);
}

static uint64_t
visit_cost(vtd_walker *w, const context *at)
{
	gpointer key = GSIZE_TO_POINTER((gsize) (at->table.v >> VIOMMU_PAGE_SHIFT) + 1);
	gpointer top = GSIZE_TO_POINTER((gsize) (w->request->table.v >> VIOMMU_PAGE_SHIFT) + 1);
	gboolean again = !g_hash_table_add(w->visited, key);
	gpointer before = w->request->visited ? g_hash_table_lookup(w->request->visited, key) : NULL;

	if (w->request->visited && !before)
		g_hash_table_insert(w->request->visited, key, top);
	if (again || (before && before != top))
		return 1 + (VTD_REPEAT_COST - 1) * (uint64_t) (at->last - at->first) / (ENTRIES - 1);
	return before ? VTD_AGAIN_COST : 1;
}

/* Charges the visit of a table; FALSE: the budget is used up. */
static gboolean
charge(vtd_walker *w, const context *at)
{
	uint64_t cost = w->request->memo ? 1 : visit_cost(w, at);

	if (w->budget->tables < cost) {
		w->budget->tables = 0;
		return FALSE;
	}
	w->budget->tables -= cost;
	return TRUE;
}

static context
child_of(const vtd_walker *w, const context *at, unsigned index, const vtd_run *run)
{
	context ret = { .level = at->level - 1, .iova = at->iova + ((uint64_t) index << vtd_level_shift(at->level)),
		.table = run->gpa, .read = run->read, .write = run->write };

	set_bounds(w, &ret);
	return ret;
}

static const vtd_place *
told_before(const vtd_walker *w, const context *at)
{
	return w->request->memo ? vtd_memo_find(w->request->memo, memo_key(w, at)) : NULL;
}

/* Goes down into one child table, or says why not. */
static gboolean
descend(vtd_walker *w, context *below, vtd_run *run, const viommu_page_read *read, GError **error)
{
	if (read->status != VIOMMU_PAGE_OK) {
		run->kind = VTD_RUN_UNREADABLE;
		run->status = read->status;
		emit(w, run);
		return TRUE;
	}
	if (!charge(w, below)) {
		run->kind = VTD_RUN_UNVISITED;
		run->iova.last = w->request->range.last;
		emit(w, run);
		leave_rest(w);
		return TRUE;
	}
	return walk_table(w, below, read->data, error);
}

/* Behind what there is to say of the entries before, unless the same is to be said of
 * this one: run, NULL if nothing is. */
static void
tell_entry(vtd_walker *w, const context *at, unsigned index, uint64_t raw, const vtd_run *run)
{
	vtd_table_entry entry = { .entry = VIOMMU_GPA(at->table.v + index * 8), .raw = raw, .level = at->level,
		.first_stage = w->request->first_stage, .iova = covered(w, at, index) };

	if (!run || !w->has_run || !joins(&w->run, run))
		flush(w);
	w->request->visit_entry(&entry, w->request->user);
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
read_children(vtd_walker *w, const context *at, const uint64_t *raw, uint16_t *slots, GError **error)
{
	viommu_page_read *reads = w->reads[at->level];
	uint8_t *room;
	size_t n = 0;

	for (unsigned i = at->first; i <= at->last; i++) {
		context below;
		vtd_run run;

		if (!counts(w, at, raw[i]) || !classify(w, at, i, raw[i], &run))
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
walk_entry(vtd_walker *w, const context *at, unsigned index, uint64_t raw, const uint16_t *slots, bool *leaf,
	GError **error)
{
	vtd_run run = { 0 };
	gboolean counted = counts(w, at, raw), table = counted && classify(w, at, index, raw, &run);
	const vtd_place *before = NULL;
	context below;

	if (table) {
		below = child_of(w, at, index, &run);
		before = told_before(w, &below);
	}
	if (before) {
		run.kind = VTD_RUN_REPEATED;
		run.before = *before;
	}
	if (w->request->visit_entry)
		tell_entry(w, at, index, raw, counted ? &run : NULL);
	if (table && !before)
		return descend(w, &below, &run, &w->reads[at->level][slots[index] - 1], error);
	*leaf = counted && run.kind == VTD_RUN_MAPPED;
	if (counted)
		emit(w, &run);
	return TRUE;
}

/* The bits of an entry of this level that only say which page it translates to. */
static uint64_t
address_bits(const vtd_walker *w, unsigned level)
{
	uint64_t all = VIOMMU_PAGE_MASK & ~((1ull << vtd_level_shift(level)) - 1);
	vtd_fs_entry fs;
	vtd_ss_entry ss;

	if (w->request->first_stage) {
		vtd_decode_fs(w->unit, all | PAGE_SIZE_BIT, level, &fs);
		return fs.address.v;
	}
	vtd_decode_ss(w->unit, all | PAGE_SIZE_BIT, level, &ss);
	return ss.address.v;
}

/* QEMU refuses pages in the interrupt range; near is for decode() to look at. */
static inline bool
near_interrupts(uint64_t address, uint64_t size)
{
	return address <= VTD_INTERRUPT_LAST && address + size + VIOMMU_PAGE_SIZE > VTD_INTERRUPT_FIRST;
}

/* The entry at index has just become the end of w->run, whose pages are mapped.  Goes on
 * for as long as the next entry is the same but for its address; returns the last that
 * was. */
static unsigned
follow(vtd_walker *w, const context *at, const uint64_t *raw, unsigned index)
{
	const uint64_t mask = address_bits(w, at->level), size = 1ull << vtd_level_shift(at->level);
	vtd_run *run = &w->run;

	/* Behind the middle of a first stage the IOVA jumps. */
	if (w->request->first_stage && at->level == w->request->levels)
		return index;
	for (; index < at->last; index++) {
		uint64_t next = raw[index + 1];

		if ((next ^ raw[index]) & ~mask || near_interrupts(next & mask, size))
			return index;
		if ((next & mask) != (raw[index] & mask) + size) {
			if (w->budget->runs == 0)
				return index;
			w->request->visit(run, w->request->user);
			w->budget->runs--;
			run->iova.first = run->iova.last + 1;
			run->gpa.v = next & mask;
			run->entry.v = at->table.v + (index + 1) * 8;
			run->raw = next;
		}
		run->iova.last += size;
	}
	return index;
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
walk_table(vtd_walker *w, context *at, const uint8_t *page, GError **error)
{
	uint64_t raw[ENTRIES]; /* our copy: L1 may change the page while we look */
	uint16_t slots[ENTRIES];
	bool told = w->request->visit || w->request->visit_entry;

	if (at->first > at->last)
		return TRUE;
	w->path[at->level] = at->table;
	if (w->request->memo)
		vtd_memo_add(w->request->memo, memo_key(w, at), vtd_memo_here(w->request->memo, sign_extend(w, at->iova)));
	if (at->level == 1 && !told)
		return TRUE; /* it leads nowhere */
	memcpy(raw + at->first, page + at->first * 8, (at->last - at->first + 1) * 8);
	for (unsigned i = at->first; i <= at->last; i++)
		raw[i] = GUINT64_FROM_LE(raw[i]);
	if (at->level > 1) {
		if (!w->reads[at->level])
			w->reads[at->level] = g_new(viommu_page_read, ENTRIES);
		if (!read_children(w, at, raw, slots, error))
			return FALSE;
	}
	for (unsigned i = at->first; (i = skip_zeros(raw, i, at->last)) <= at->last && !w->stop; i++) {
		bool leaf = false;

		if (!walk_entry(w, at, i, raw[i], slots, &leaf, error))
			return FALSE;
		if (leaf && w->request->visit && !w->request->visit_entry && !w->stop)
			i = follow(w, at, raw, i);
	}
	return TRUE;
}

/* The table of the request: told before, not readable, or walked. */
static gboolean
walk_top(vtd_walker *w, context *at, GError **error)
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
		emit(w, &run);
		return TRUE;
	}
	if (!viommu_memory_read_pages(w->memory, &read, 1, error))
		return FALSE;
	if (read.status == VIOMMU_PAGE_OK)
		return walk_table(w, at, read.data, error);
	run.kind = VTD_RUN_UNREADABLE;
	run.status = read.status;
	emit(w, &run);
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
	context at = { .level = request->levels, .table = request->table, .read = true, .write = true };
	gboolean ok;

	g_return_val_if_fail(request->levels >= 1 && request->levels <= VTD_MAX_LEVELS, FALSE);
	self->request = request;
	self->stop = FALSE;
	set_bounds(self, &at);
	ok = walk_top(self, &at, error);
	flush(self);
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
