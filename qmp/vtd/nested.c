/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nested translation (3.8): the first stage's tables and pages are addresses that the
 * second stage translates.  The first-stage walk runs over a memory source that takes
 * each table through the second stage; each run that it finds is taken through the
 * second stage once more.
 */
#include <string.h>

#include "walker.h"

/* The second stage, as a memory source for first-stage tables. */
typedef struct {
	viommu_memory base;
	const vtd_unit *unit;
	viommu_memory *inner;
	vtd_device outer; /* with the second stage as its only stage */
} outer_memory;

static gboolean
read_through(viommu_memory *memory, viommu_page_read *reads, size_t n, GError **error)
{
	outer_memory *self = (outer_memory *) memory;

	for (size_t i = 0; i < n; i++) {
		viommu_page_read inner = { .buffer = reads[i].buffer };
		vtd_translation to;

		if (!vtd_translate_in(self->unit, self->inner, &self->outer, VIOMMU_IOVA(reads[i].gpa.v), &to, error))
			return FALSE;
		reads[i].data = NULL;
		reads[i].status = to.outcome == VTD_UNREADABLE ? VIOMMU_PAGE_FAILED : VIOMMU_PAGE_NOT_RAM;
		if (!to.read.allowed)
			continue;
		inner.gpa = to.gpa;
		if (!viommu_memory_read_pages(self->inner, &inner, 1, error))
			return FALSE;
		reads[i].data = inner.data;
		reads[i].status = inner.status;
	}
	return TRUE;
}

static void
nothing_to_free(G_GNUC_UNUSED viommu_memory *memory)
{
}

static const viommu_memory_ops ops = { .name = "through the second stage", .read_pages = read_through,
	.free = nothing_to_free };

typedef struct {
	const vtd_device *device;
	const vtd_walk_request *request;
	const outer_memory *through;
	vtd_walker *outer;    /* one for all runs: they keep to a few second-stage tables */
	struct {
		viommu_gpa from, to;
		bool valid;
	} page; /* the last first-stage table, before and behind the second stage */
	const vtd_run *first; /* the first-stage run that is taken through the second */
	GError *error;
} composer;

/* A part of the first-stage run, as the second stage has it. */
static void
on_second(const vtd_run *second, void *user)
{
	composer *c = user;
	uint64_t length = c->first->iova.last - c->first->iova.first;
	uint64_t from = MAX(second->iova.first, c->first->gpa.v), to = MIN(second->iova.last, c->first->gpa.v + length);
	vtd_run run = *second;

	if (from > to)
		return;
	run.gpa.v = second->gpa.v + (from - second->iova.first);
	run.iova.first = c->first->iova.first + (from - c->first->gpa.v);
	run.iova.last = c->first->iova.first + (to - c->first->gpa.v);
	run.read = second->read && c->first->read;
	run.write = second->write && c->first->write;
	run.page_shift = MIN(second->page_shift, c->first->page_shift);
	if (run.read || run.write || run.kind != VTD_RUN_MAPPED)
		c->request->visit(&run, c->request->user);
}

/* Where an entry of a first-stage table stands in L1's memory. */
static viommu_gpa
behind_second(composer *c, viommu_gpa entry)
{
	viommu_gpa page = { entry.v & VIOMMU_PAGE_MASK };
	vtd_translation to;

	if (!entry.v || c->error)
		return entry;
	if (!c->page.valid || c->page.from.v != page.v) {
		if (!vtd_translate_in(c->through->unit, c->through->inner, &c->through->outer, VIOMMU_IOVA(page.v), &to, &c->error) ||
			!to.read.allowed)
			return entry;
		c->page.from = page;
		c->page.to = to.gpa;
		c->page.valid = true;
	}
	return VIOMMU_GPA(c->page.to.v + (entry.v - page.v));
}

static void
on_entry(const vtd_table_entry *entry, void *user)
{
	composer *c = user;
	vtd_table_entry there = *entry;

	there.entry = behind_second(c, entry->entry);
	c->request->visit_entry(&there, c->request->user);
}

static void
on_finding(const vtd_run *run, composer *c)
{
	vtd_run there = *run;

	there.entry = behind_second(c, run->entry);
	c->request->visit(&there, c->request->user);
}

static void
on_first(const vtd_run *first, void *user)
{
	composer *c = user;
	vtd_walk_request second = { .table = c->device->outer_table, .levels = c->device->outer_levels,
		.range = { first->gpa.v, first->gpa.v + (first->iova.last - first->iova.first) },
		.visit = c->request->visit ? on_second : NULL, .user = c };

	if (c->error)
		return;
	if (first->kind != VTD_RUN_MAPPED) {
		if (c->request->visit)
			on_finding(first, c);
		return;
	}
	c->first = first;
	vtd_walker_run(c->outer, &second, &c->error);
}

gboolean
vtd_walk_nested(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, const vtd_walk_request *request,
	vtd_budget *budget, GError **error)
{
	outer_memory through = { .base = { &ops }, .unit = unit, .inner = memory, .outer = *device };
	g_autoptr(vtd_walker) outer = vtd_walker_new(unit, memory, budget);
	composer c = { .device = device, .request = request, .through = &through, .outer = outer };
	/* Addresses of the first stage's tables mean something else for each second stage. */
	g_autoptr(vtd_memo) memo = request->memo ? vtd_memo_new() : NULL;
	vtd_walk_request first = *request;
	gboolean ok;

	through.outer.stage = VTD_STAGE_SECOND;
	through.outer.table = device->outer_table;
	through.outer.levels = device->outer_levels;
	through.outer.input_bits = MIN(MIN(vtd_level_shift(device->outer_levels) + 9, vtd_cap_mgaw(unit->cap)), 63);
	through.outer.pasid_requested = true; /* no interrupt range on this side */
	if (memo)
		vtd_memo_begin(memo, device);
	first.memo = memo;
	first.visited = NULL;
	first.visit = on_first; /* with visit_entry, only what is not mapped comes there */
	if (request->visit_entry)
		first.visit_entry = on_entry;
	first.user = &c;
	ok = vtd_walk_range(unit, &through.base, &first, budget, error);
	if (ok && c.error) {
		g_propagate_error(error, c.error);
		return FALSE;
	}
	g_clear_error(&c.error);
	return ok;
}
