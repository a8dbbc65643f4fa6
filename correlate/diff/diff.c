/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff/diff.h"

#include <inttypes.h>

#include "text/text.h"

/* More devices and PASIDs than this are not compared: only tables that were made to cost
 * time have them. */
#define MAX_DEVICES (1u << 17)

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

/* ---- devices ----------------------------------------------------------------------------------- */

/* One of the two snapshots. */
typedef struct {
	const viommu_snapshot *snapshot;
	viommu_memory *memory;
	vtd_unit unit;
	vtd_budget budget;
	GArray *devices;   /* of vtd_device, by source id and PASID */
	GHashTable *tables; /* vtd_device -> number of its tables + 1 */
	bool cut;
} world;

static void
add_device(const vtd_device *device, void *user)
{
	world *self = user;

	if (self->devices->len >= MAX_DEVICES)
		self->cut = true;
	else if (device->n_steps >= 2)
		g_array_append_vals(self->devices, device, 1);
}

static void
add_pasid_finding(G_GNUC_UNUSED const vtd_device *device, const vtd_pasid_finding *finding, void *user)
{
	world *self = user;

	self->cut = self->cut || finding->kind != VTD_RUN_REPEATED;
}

static int
cmp_devices(const void *a, const void *b)
{
	const vtd_device *x = a, *y = b;

	if (x->sid.v != y->sid.v)
		return x->sid.v < y->sid.v ? -1 : 1;
	if (x->pasid_requested != y->pasid_requested)
		return x->pasid_requested ? 1 : -1;
	return x->pasid_requested && x->pasid != y->pasid ? (x->pasid < y->pasid ? -1 : 1) : 0;
}

static gboolean
world_open(world *self, const viommu_snapshot *snapshot, GError **error)
{
	guint n;

	*self = (world){ .snapshot = snapshot, .memory = viommu_snapshot_memory(snapshot), .budget = VTD_DEFAULT_BUDGET };
	self->devices = g_array_new(FALSE, FALSE, sizeof(vtd_device));
	self->tables = vtd_tables_new(NULL);
	self->budget.visited = vtd_visited_new();
	/* The hash of its keys is made when it is first used, and walks are threads. */
	g_hash_table_lookup(self->budget.visited, self);
	viommu_machine_unit(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), &self->unit);
	if (!vtd_for_each_device(&self->unit, self->memory, add_device, self, error))
		return FALSE;
	n = self->unit.scalable ? self->devices->len : 0;
	for (guint i = 0; i < n; i++) {
		vtd_device device = g_array_index(self->devices, vtd_device, i);

		if (!vtd_for_each_pasid(&self->unit, self->memory, &device, &self->budget, add_device, add_pasid_finding, self, error))
			return FALSE;
	}
	g_array_sort(self->devices, cmp_devices);
	return TRUE;
}

static void
world_close(world *self)
{
	g_array_unref(self->devices);
	g_hash_table_unref(self->tables);
	g_hash_table_unref(self->budget.visited);
	viommu_memory_free(self->memory);
}

static guint
tables_number(world *self, const vtd_device *device)
{
	guint ret;

	if (!device || device->outcome != VTD_TRANSLATES)
		return 0;
	ret = GPOINTER_TO_UINT(g_hash_table_lookup(self->tables, device));
	if (!ret) {
		ret = g_hash_table_size(self->tables) + 1;
		g_hash_table_insert(self->tables, (void *) device, GUINT_TO_POINTER(ret));
	}
	return ret;
}

static char *
say_device(const vtd_device *device)
{
	static const char *const stages[] = { "second stage", "first stage", "nested" };

	if (!device)
		return NULL;
	if (device->outcome == VTD_TRANSLATES)
		return g_strdup_printf("domain %u, %s at GPA 0x%" PRIx64 ", %u levels (%u bits)%s", device->did, stages[device->stage],
			device->table.v, device->levels, device->input_bits, device->stage == VTD_STAGE_NESTED ? ", over a second one" : "");
	if (device->outcome == VTD_FAULTS)
		return g_strdup_printf("refused, fault reason 0x%x", (unsigned) device->fault);
	return g_strdup(vtd_outcome_text(device->outcome));
}

/* There can be a million, and most are the same. */
static bool
same_context(const vtd_device *a, const vtd_device *b)
{
	return a && b && a->outcome == b->outcome && a->did == b->did && a->stage == b->stage && a->table.v == b->table.v &&
		a->levels == b->levels && a->input_bits == b->input_bits && a->fault == b->fault;
}

static void
tell_context(const vtd_device *a, const vtd_device *b, const viommu_diff_visitor *visit)
{
	const vtd_device *any = a ? a : b;
	g_autofree char *before = NULL, *after = NULL, *name = NULL;

	if (!visit->fact || same_context(a, b))
		return;
	before = say_device(a);
	after = say_device(b);
	if (g_strcmp0(before, after) == 0)
		return;
	name = any->pasid_requested ? g_strdup_printf("%s PASID %u", viommu_bdf_text(any->sid).text, any->pasid)
				    : g_strdup(viommu_bdf_text(any->sid).text);
	visit->fact(&(viommu_diff_fact){ "context", name, before, after }, visit->user);
}

static void
group_free(void *data)
{
	viommu_diff_group *self = data;

	g_array_unref(self->devices);
	g_free(self);
}

/* The pairs of tables, each with the devices that go through it. */
static GPtrArray *
find_groups(world *a, world *b, const viommu_diff_visitor *visit)
{
	GPtrArray *ret = g_ptr_array_new_with_free_func(group_free);
	g_autoptr(GHashTable) known = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

	for (guint i = 0, k = 0; i < a->devices->len || k < b->devices->len;) {
		const vtd_device *x = i < a->devices->len ? &g_array_index(a->devices, vtd_device, i) : NULL;
		const vtd_device *y = k < b->devices->len ? &g_array_index(b->devices, vtd_device, k) : NULL;
		int order = !x ? 1 : !y ? -1 : cmp_devices(x, y);
		const vtd_device *before = order <= 0 ? x : NULL, *after = order >= 0 ? y : NULL, *any = before ? before : after;
		viommu_diff_device device = { any->sid, any->pasid, any->pasid_requested };
		gint64 key = (gint64) tables_number(a, before) << 32 | tables_number(b, after);
		viommu_diff_group *group = g_hash_table_lookup(known, &key);

		i += order <= 0;
		k += order >= 0;
		tell_context(before, after, visit);
		/* What is passed through or switched off has no table to compare. */
		if (!key || (before && before->outcome == VTD_PASS_THROUGH) || (after && after->outcome == VTD_PASS_THROUGH))
			continue;
		if (!group) {
			group = g_new0(viommu_diff_group, 1);
			group->devices = g_array_new(FALSE, FALSE, sizeof(viommu_diff_device));
			group->before = before && before->outcome == VTD_TRANSLATES ? before : NULL;
			group->after = after && after->outcome == VTD_TRANSLATES ? after : NULL;
			g_hash_table_insert(known, g_memdup2(&key, sizeof(key)), group);
			g_ptr_array_add(ret, group);
		}
		g_array_append_val(group->devices, device);
	}
	return ret;
}

static gboolean
compare(world *a, world *b, const viommu_diff_visitor *visit, GError **error)
{
	g_autoptr(GPtrArray) groups = find_groups(a, b, visit);

	for (guint i = 0; i < groups->len; i++) {
		const viommu_diff_group *group = g_ptr_array_index(groups, i);
		g_autoptr(viommu_run_stream) before =
			viommu_run_stream_new(&a->unit, a->memory, visit->run ? group->before : NULL, &a->budget);
		g_autoptr(viommu_run_stream) after =
			viommu_run_stream_new(&b->unit, b->memory, visit->run ? group->after : NULL, &b->budget);
		merge m = { .a = { .runs = before }, .b = { .runs = after }, .visit = visit };

		if (visit->group)
			visit->group(group, visit->user);
		if (visit->run && !merge_runs(&m, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
viommu_diff_tables(
	const viommu_snapshot *a, const viommu_snapshot *b, const viommu_diff_visitor *visit, bool *cut, GError **error)
{
	world worlds[2];
	gboolean ok = world_open(&worlds[0], a, error);

	ok = world_open(&worlds[1], b, ok ? error : NULL) && ok;
	/* Translation that is off in one of them: the registers say it, and its tables are not used. */
	if (ok && vtd_gsts_tes(worlds[0].unit.gsts) && vtd_gsts_tes(worlds[1].unit.gsts))
		ok = compare(&worlds[0], &worlds[1], visit, error);
	*cut = worlds[0].cut || worlds[1].cut;
	world_close(&worlds[0]);
	world_close(&worlds[1]);
	return ok;
}
