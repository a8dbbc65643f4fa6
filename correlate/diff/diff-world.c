/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One of the two snapshots of a diff: its devices, and which of them share their tables. */
#include "diff/diff-world.h"

#include <inttypes.h>

#include "text/hash.h"
#include "text/text.h"

/* More devices and PASIDs than this are not compared: only tables that were made to cost
 * time have them. */
#define MAX_DEVICES (1u << 17)

static void
add_device(const vtd_device *device, void *user)
{
	viommu_diff_world *self = user;

	if (self->devices->len >= MAX_DEVICES)
		self->cut = self->full = true;
	else if (device->n_steps >= 2)
		g_array_append_vals(self->devices, device, 1);
}

static void
add_pasid_finding(G_GNUC_UNUSED const vtd_device *device, const vtd_pasid_finding *finding, void *user)
{
	viommu_diff_world *self = user;

	self->found = true;
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

/* The directory of a device, and the PASID in it that is not told: all that its other PASIDs depend on. */
static uint64_t
directory_key(const vtd_device *device)
{
	const vtd_sm_context_entry *context = &device->sm_context;

	return context->pasid_directory.v >> VIOMMU_PAGE_SHIFT << 23 | (uint64_t) context->pdts << 20 | context->rid_pasid;
}

static gboolean
add_pasids(viommu_diff_world *self, GError **error)
{
	/* Directories without any PASID: tens of thousands of devices can have one. */
	g_autoptr(GHashTable) empty = g_hash_table_new(viommu_key_hash, NULL);
	guint n = self->devices->len;

	for (guint i = 0; i < n && !self->full; i++) {
		vtd_device device = g_array_index(self->devices, vtd_device, i);
		void *key = GSIZE_TO_POINTER(directory_key(&device));
		guint before = self->devices->len;

		if (g_hash_table_contains(empty, key))
			continue;
		self->found = false;
		if (!vtd_for_each_pasid(&self->unit, self->memory, &device, &self->budget, add_device, add_pasid_finding, self, error))
			return FALSE;
		if (self->devices->len == before && !self->found)
			g_hash_table_add(empty, key);
	}
	return TRUE;
}

gboolean
viommu_diff_world_open(viommu_diff_world *self, const viommu_snapshot *snapshot, GError **error)
{
	*self = (viommu_diff_world){ .memory = viommu_snapshot_memory(snapshot), .budget = VTD_DEFAULT_BUDGET };
	self->devices = g_array_new(FALSE, FALSE, sizeof(vtd_device));
	viommu_machine_unit(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), &self->unit);
	if (!vtd_for_each_device(&self->unit, self->memory, add_device, self, error))
		return FALSE;
	if (self->unit.scalable && !add_pasids(self, error))
		return FALSE;
	g_array_sort(self->devices, cmp_devices);
	return TRUE;
}

void
viommu_diff_world_close(viommu_diff_world *self)
{
	g_clear_pointer(&self->devices, g_array_unref);
	g_clear_pointer(&self->memory, viommu_memory_free);
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
tell_context(const vtd_device *a, const vtd_device *b, viommu_diff_fact_visitor visit, void *user)
{
	const vtd_device *any = a ? a : b;
	g_autofree char *before = NULL, *after = NULL, *name = NULL;

	if (same_context(a, b))
		return;
	before = say_device(a);
	after = say_device(b);
	if (g_strcmp0(before, after) == 0)
		return;
	name = any->pasid_requested ? g_strdup_printf("%s PASID %u", viommu_bdf_text(any->sid).text, any->pasid)
				    : g_strdup(viommu_bdf_text(any->sid).text);
	visit(&(viommu_diff_fact){ .topic = "context", .name = name, .before = before, .after = after }, user);
}

/* The devices of both, side by side. */
typedef struct {
	const viommu_diff_world *a, *b;
	guint i, k;
	const vtd_device *before, *after; /* of one source id and PASID; NULL: not in this one */
} pairs;

static bool
next_pair(pairs *self)
{
	const vtd_device *x = self->i < self->a->devices->len ? &g_array_index(self->a->devices, vtd_device, self->i) : NULL;
	const vtd_device *y = self->k < self->b->devices->len ? &g_array_index(self->b->devices, vtd_device, self->k) : NULL;
	int order = !x ? 1 : !y ? -1 : cmp_devices(x, y);

	self->before = order <= 0 ? x : NULL;
	self->after = order >= 0 ? y : NULL;
	self->i += order <= 0;
	self->k += order >= 0;
	return x || y;
}

void
viommu_diff_contexts(const viommu_diff_world *a, const viommu_diff_world *b, viommu_diff_fact_visitor visit, void *user)
{
	pairs pair = { .a = a, .b = b };

	while (next_pair(&pair))
		tell_context(pair.before, pair.after, visit, user);
}

static void
group_free(void *data)
{
	viommu_diff_group *self = data;

	g_array_unref(self->devices);
	g_free(self);
}

/* 0: none */
static guint
tables_number(GHashTable *tables, const vtd_device *device)
{
	guint ret;

	if (!device || device->outcome != VTD_TRANSLATES)
		return 0;
	ret = GPOINTER_TO_UINT(g_hash_table_lookup(tables, device));
	if (!ret) {
		ret = g_hash_table_size(tables) + 1;
		g_hash_table_insert(tables, (void *) device, GUINT_TO_POINTER(ret));
	}
	return ret;
}

GPtrArray *
viommu_diff_groups(const viommu_diff_world *a, const viommu_diff_world *b)
{
	GPtrArray *ret = g_ptr_array_new_with_free_func(group_free);
	g_autoptr(GHashTable) known = g_hash_table_new(viommu_key_hash, NULL);
	g_autoptr(GHashTable) tables_a = vtd_tables_new(NULL), tables_b = vtd_tables_new(NULL);
	pairs pair = { .a = a, .b = b };

	while (next_pair(&pair)) {
		const vtd_device *before = pair.before, *after = pair.after, *any = before ? before : after;
		viommu_diff_device device = { any->sid, any->pasid, any->pasid_requested };
		void *key = GSIZE_TO_POINTER((uint64_t) tables_number(tables_a, before) << 32 | tables_number(tables_b, after));
		viommu_diff_group *group = g_hash_table_lookup(known, key);

		/* What is passed through or switched off has no table to compare. */
		if (!key || (before && before->outcome == VTD_PASS_THROUGH) || (after && after->outcome == VTD_PASS_THROUGH))
			continue;
		if (!group) {
			group = g_new0(viommu_diff_group, 1);
			group->devices = g_array_new(FALSE, FALSE, sizeof(viommu_diff_device));
			group->before = before && before->outcome == VTD_TRANSLATES ? before : NULL;
			group->after = after && after->outcome == VTD_TRANSLATES ? after : NULL;
			g_hash_table_insert(known, key, group);
			g_ptr_array_add(ret, group);
		}
		g_array_append_val(group->devices, device);
	}
	return ret;
}
