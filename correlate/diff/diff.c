/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff/diff.h"

#include "diff/diff-world.h"

const char *
viommu_diff_change_name(unsigned change)
{
	switch (change) {
	case VIOMMU_DIFF_MAPPED:
		return "mapped";
	case VIOMMU_DIFF_UNMAPPED:
		return "unmapped";
	case VIOMMU_DIFF_MOVED:
		return "moved";
	case VIOMMU_DIFF_PERMISSION:
		return "permission";
	case VIOMMU_DIFF_PAGE_SIZE:
		return "page-size";
	case VIOMMU_DIFF_REFUSED:
		return "refused";
	default:
		return "unknown";
	}
}

/* ---- one table against another ------------------------------------------------------------- */

/* A walk, and what is left of its current run. */
typedef struct {
	viommu_run_stream *runs;
	vtd_run now;
	bool has;
} side;

typedef struct {
	side a, b;
	const viommu_diff_visitor *visit;
	viommu_diff_run held; /* may still grow */
	bool has_held;
} merge;

static gboolean
advance(side *self, GError **error)
{
	g_autoptr(GError) local = NULL;

	self->has = viommu_run_stream_next(self->runs, &self->now, &local);
	if (!local)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static viommu_diff_side
state_of(const side *self, bool covers)
{
	if (!covers)
		return (viommu_diff_side){ 0 };
	if (self->now.kind != VTD_RUN_MAPPED)
		return (viommu_diff_side){ .present = true, .kind = self->now.kind,
			.status = self->now.kind == VTD_RUN_UNREADABLE ? self->now.status : VIOMMU_PAGE_OK };
	return (viommu_diff_side){ .present = true, .kind = self->now.kind, .gpa = self->now.gpa, .read = self->now.read,
		.write = self->now.write, .page_shift = self->now.page_shift };
}

static void
forget_pages(viommu_diff_side *self)
{
	self->gpa = VIOMMU_GPA(0);
	self->read = self->write = false;
	self->page_shift = 0;
}

static bool
is_dark(const viommu_diff_side *self)
{
	/* That L1 has no RAM there is known, and refused by QEMU. */
	return self->present && ((self->kind == VTD_RUN_UNREADABLE && self->status != VIOMMU_PAGE_NOT_RAM) || self->kind == VTD_RUN_UNVISITED || self->kind == VTD_RUN_REPEATED);
}

static unsigned
changes(const viommu_diff_side *before, const viommu_diff_side *after)
{
	bool was = before->present && before->kind == VTD_RUN_MAPPED, is = after->present && after->kind == VTD_RUN_MAPPED;

	if (is_dark(before) || is_dark(after))
		return VIOMMU_DIFF_UNKNOWN;
	if (was && is)
		return (before->gpa.v != after->gpa.v ? VIOMMU_DIFF_MOVED : 0) |
			(before->read != after->read || before->write != after->write ? VIOMMU_DIFF_PERMISSION : 0) |
			(before->page_shift != after->page_shift ? VIOMMU_DIFF_PAGE_SIZE : 0);
	if (is && !before->present)
		return VIOMMU_DIFF_MAPPED;
	if (was && !after->present)
		return VIOMMU_DIFF_UNMAPPED;
	return before->present != after->present || before->kind != after->kind ? VIOMMU_DIFF_REFUSED : 0;
}

static bool
goes_on(const viommu_diff_side *held, const viommu_diff_side *next, uint64_t distance)
{
	if (held->present != next->present || !held->present)
		return held->present == next->present;
	return held->kind == next->kind && held->status == next->status && (held->kind != VTD_RUN_MAPPED || !held->page_shift || (held->read == next->read && held->write == next->write &&
		held->page_shift == next->page_shift && next->gpa.v - held->gpa.v == distance));
}

static void
flush(merge *self)
{
	if (self->has_held)
		self->visit->run(&self->held, self->visit->user);
	self->has_held = false;
}

static void
tell(merge *self, const viommu_diff_run *run)
{
	viommu_diff_run *held = &self->held;
	uint64_t distance = run->iova.first - held->iova.first;

	if (self->has_held && held->iova.last + 1 == run->iova.first && held->changes == run->changes &&
		goes_on(&held->before, &run->before, distance) && goes_on(&held->after, &run->after, distance)) {
		held->iova.last = run->iova.last;
		return;
	}
	flush(self);
	*held = *run;
	self->has_held = true;
}

/* Drops what lies up to last. */
static gboolean
consume(side *self, uint64_t last, GError **error)
{
	if (!self->has || self->now.iova.first > last)
		return TRUE;
	if (self->now.iova.last <= last)
		return advance(self, error);
	self->now.gpa.v += last + 1 - self->now.iova.first;
	self->now.iova.first = last + 1;
	return TRUE;
}

static gboolean
merge_runs(merge *self, GError **error)
{
	side *a = &self->a, *b = &self->b;

	if (!advance(a, error) || !advance(b, error))
		return FALSE;
	while (a->has || b->has) {
		uint64_t first = !b->has || (a->has && a->now.iova.first < b->now.iova.first) ? a->now.iova.first : b->now.iova.first;
		bool in_a = a->has && a->now.iova.first == first, in_b = b->has && b->now.iova.first == first;
		uint64_t last = in_a ? a->now.iova.last : b->now.iova.last;
		viommu_diff_run run = { .before = state_of(a, in_a), .after = state_of(b, in_b) };

		if (in_a && in_b)
			last = MIN(last, b->now.iova.last);
		else if (in_a && b->has)
			last = MIN(last, b->now.iova.first - 1);
		else if (in_b && a->has)
			last = MIN(last, a->now.iova.first - 1);
		run.iova = (viommu_iova_range){ first, last };
		run.changes = changes(&run.before, &run.after);
		if (run.changes & (VIOMMU_DIFF_REFUSED | VIOMMU_DIFF_UNKNOWN)) {
			forget_pages(&run.before);
			forget_pages(&run.after);
		}
		if (run.changes)
			tell(self, &run);
		if (!consume(a, last, error) || !consume(b, last, error))
			return FALSE;
	}
	flush(self);
	return TRUE;
}

/* ---- all of them ------------------------------------------------------------------------------- */

struct viommu_diff {
	viommu_diff_world a, b;
	GPtrArray *groups; /* of viommu_diff_group */
	bool uses_tables;  /* in both */
};

viommu_diff *
viommu_diff_open(const viommu_snapshot *a, const viommu_snapshot *b, GError **error)
{
	g_autoptr(viommu_diff) self = g_new0(viommu_diff, 1);

	if (!viommu_diff_world_open(&self->a, a, error) || !viommu_diff_world_open(&self->b, b, error))
		return NULL;
	/* Translation that is off in one of them: the registers say it, and its tables are not used. */
	self->uses_tables = vtd_gsts_tes(self->a.unit.gsts) && vtd_gsts_tes(self->b.unit.gsts);
	if (self->uses_tables)
		self->groups = viommu_diff_groups(&self->a, &self->b);
	return g_steal_pointer(&self);
}

void
viommu_diff_free(viommu_diff *self)
{
	if (!self)
		return;
	g_clear_pointer(&self->groups, g_ptr_array_unref);
	viommu_diff_world_close(&self->a);
	viommu_diff_world_close(&self->b);
	g_free(self);
}

bool
viommu_diff_is_cut(const viommu_diff *self)
{
	return self->a.cut || self->b.cut;
}

/* The walks of one snapshot's side of all groups. */
static viommu_run_stream *
walk_all(const viommu_diff_world *world, const GPtrArray *groups, bool after)
{
	g_autoptr(GPtrArray) tables = g_ptr_array_sized_new(groups->len);

	for (guint i = 0; i < groups->len; i++) {
		const viommu_diff_group *group = g_ptr_array_index(groups, i);

		g_ptr_array_add(tables, (void *) (after ? group->after : group->before));
	}
	return viommu_run_stream_new(&world->unit, world->memory, &world->budget, g_steal_pointer(&tables));
}

gboolean
viommu_diff_visit(const viommu_diff *self, const viommu_diff_visitor *visit, GError **error)
{
	g_autoptr(viommu_run_stream) before = NULL, after = NULL;

	if (!self->uses_tables)
		return TRUE;
	if (visit->fact)
		viommu_diff_contexts(&self->a, &self->b, visit->fact, visit->user);
	if (visit->run) {
		before = walk_all(&self->a, self->groups, false);
		after = walk_all(&self->b, self->groups, true);
	}
	for (guint i = 0; i < self->groups->len; i++) {
		merge m = { .a = { .runs = before }, .b = { .runs = after }, .visit = visit };

		if (visit->group)
			visit->group(g_ptr_array_index(self->groups, i), visit->user);
		if (visit->run && !merge_runs(&m, error))
			return FALSE;
	}
	return TRUE;
}
