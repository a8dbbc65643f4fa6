/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a source id to the tables that its DMA goes through.  The order of the checks
 * is QEMU's (vtd_dev_to_context_entry() and below, 7.2 and 10.0), because the first
 * check that fails names the fault reason; tests/judge/NOTES.md has the list.
 */
#include <string.h>

#include "memo.h"
#include "step.h"

gboolean
vtd_read_step(viommu_memory *memory, vtd_step *step, unsigned words, GError **error)
{
	uint8_t page[VIOMMU_PAGE_SIZE];
	viommu_page_read read = { .buffer = page };

	/* A PASID directory is larger than a page: its base and the entry's page differ. */
	step->entry = VIOMMU_GPA(step->table.v + (uint64_t) step->index * words * 8);
	read.gpa = VIOMMU_GPA(step->entry.v & VIOMMU_PAGE_MASK);
	if (!viommu_memory_read_pages(memory, &read, 1, error))
		return FALSE;
	step->status = read.status;
	if (read.status != VIOMMU_PAGE_OK)
		return TRUE;
	step->words = words;
	memcpy(step->raw, read.data + (step->entry.v & (VIOMMU_PAGE_SIZE - 1)), words * 8);
	for (unsigned i = 0; i < words; i++)
		step->raw[i] = GUINT64_FROM_LE(step->raw[i]);
	return TRUE;
}

/* FALSE, for the callers' "return": the search ends here. */
static bool
fault(vtd_device *device, vtd_fault reason)
{
	device->outcome = VTD_FAULTS;
	device->fault = reason;
	return false;
}

/* Before 10.0 QEMU has one reason for all trouble with PASIDs. */
static bool
pasid_fault(const vtd_unit *unit, vtd_device *device, vtd_fault reason)
{
	return fault(device, unit->before_qemu_10 ? VTD_FAULT_PASID_ACCESS : reason);
}

/* A table that is not RAM fails QEMU's read as well; one that only we cannot read
 * leaves the question open. */
static bool
unreadable(vtd_device *device, const vtd_step *step, vtd_fault reason)
{
	if (step->status == VIOMMU_PAGE_NOT_RAM)
		return fault(device, reason);
	device->outcome = VTD_UNREADABLE;
	return false;
}

static vtd_step *
next_step(vtd_device *device, vtd_step_kind kind, viommu_gpa table, unsigned index)
{
	vtd_step *ret = &device->steps[device->n_steps++];

	*ret = (vtd_step){ .kind = kind, .table = table, .index = index };
	return ret;
}

static bool
judge_root(const vtd_unit *unit, vtd_device *device, const vtd_step *root, viommu_gpa *context_table)
{
	unsigned half = device->scalable && viommu_sid_devfn(device->sid) >= 128;
	vtd_sm_root_entry sm;
	vtd_root_entry legacy;
	bool present, reserved;

	if (!root->words)
		return unreadable(device, root, VTD_FAULT_ROOT_ACCESS);
	if (device->scalable) {
		vtd_decode_sm_root(unit, root->raw, &sm);
		present = sm.present[half];
		reserved = sm.reserved[0] || sm.reserved[1];
		*context_table = sm.context_table[half];
	} else {
		vtd_decode_root(unit, root->raw, &legacy);
		present = legacy.present;
		reserved = legacy.reserved[0] || legacy.reserved[1];
		*context_table = legacy.context_table;
	}
	if (!present)
		return fault(device, VTD_FAULT_ROOT_NOT_PRESENT);
	return !reserved || fault(device, VTD_FAULT_ROOT_RESERVED);
}

static bool
width_supported(const vtd_unit *unit, unsigned aw)
{
	return aw <= 4 && (vtd_cap_sagaw(unit->cap) >> aw & 1);
}

static unsigned
input_bits(const vtd_unit *unit, unsigned aw)
{
	return MIN(MIN(vtd_aw_bits(aw), vtd_cap_mgaw(unit->cap)), 63);
}

static void
judge_context(const vtd_unit *unit, vtd_device *device, const vtd_step *step)
{
	vtd_context_entry *context = &device->context;

	vtd_decode_context(unit, step->raw, context);
	device->did = context->did;
	if (!context->present)
		fault(device, VTD_FAULT_CONTEXT_NOT_PRESENT);
	else if (context->reserved[0] || context->reserved[1])
		fault(device, VTD_FAULT_CONTEXT_RESERVED);
	else if (!width_supported(unit, context->aw))
		fault(device, VTD_FAULT_CONTEXT_INVALID);
	else if (context->tt == VTD_TT_RESERVED || (context->tt == VTD_TT_DEV_TLB && !vtd_ecap_dt(unit->ecap)) ||
		(context->tt == VTD_TT_PASS_THROUGH && !vtd_ecap_pt(unit->ecap)))
		fault(device, VTD_FAULT_CONTEXT_INVALID);
	else if (context->tt == VTD_TT_PASS_THROUGH)
		device->outcome = VTD_PASS_THROUGH;
	else
		device->outcome = VTD_TRANSLATES;
	device->table = context->second_stage;
	device->levels = vtd_aw_levels(context->aw);
	device->input_bits = input_bits(unit, context->aw);
}

static bool
pgtt_supported(const vtd_unit *unit, const vtd_pasid_entry *entry)
{
	switch (entry->pgtt) {
	case VTD_PGTT_FIRST_STAGE:
		return unit->before_qemu_10 || vtd_ecap_fsts(unit->ecap);
	case VTD_PGTT_SECOND_STAGE:
		return unit->before_qemu_10 || vtd_ecap_ssts(unit->ecap);
	case VTD_PGTT_NESTED:
		return unit->before_qemu_10 || vtd_ecap_nest(unit->ecap);
	case VTD_PGTT_PASS_THROUGH:
		return vtd_ecap_pt(unit->ecap);
	default:
		return false;
	}
}

static bool
levels_supported(const vtd_unit *unit, const vtd_pasid_entry *entry)
{
	bool first = entry->fspm == 0 || (entry->fspm == 1 && vtd_cap_fs5lp(unit->cap));
	bool second = width_supported(unit, entry->aw);

	if (unit->before_qemu_10)
		return second;
	switch (entry->pgtt) {
	case VTD_PGTT_FIRST_STAGE:
		return first;
	case VTD_PGTT_SECOND_STAGE:
		return second;
	case VTD_PGTT_NESTED:
		return first && second;
	default:
		return true;
	}
}

/* The PASID entry is good: what does the DMA go through? */
static void
set_tables(const vtd_unit *unit, vtd_device *device)
{
	const vtd_pasid_entry *entry = &device->pasid_entry;
	bool second_only = entry->pgtt == VTD_PGTT_SECOND_STAGE || unit->before_qemu_10;

	device->did = entry->did;
	device->outcome = entry->pgtt == VTD_PGTT_PASS_THROUGH ? VTD_PASS_THROUGH : VTD_TRANSLATES;
	/* QEMU 10.0 takes the width of a first-stage input from the second stage's field. */
	device->input_bits = input_bits(unit, entry->aw);
	device->stage = second_only ? VTD_STAGE_SECOND
		: entry->pgtt == VTD_PGTT_NESTED ? VTD_STAGE_NESTED
						 : VTD_STAGE_FIRST;
	device->table = second_only ? entry->second_stage : entry->first_stage;
	device->levels = second_only ? vtd_aw_levels(entry->aw) : 4 + entry->fspm;
	device->outer_table = entry->second_stage;
	device->outer_levels = vtd_aw_levels(entry->aw);
	if (device->stage == VTD_STAGE_NESTED)
		device->input_bits = device->levels * 9 + 12;
}

static gboolean
find_pasid_entry(const vtd_unit *unit, viommu_memory *memory, vtd_device *device, GError **error)
{
	vtd_step *step = next_step(device, VTD_STEP_PASID_DIR, device->sm_context.pasid_directory, device->pasid >> 6);
	vtd_pasid_dir_entry dir;

	if (!vtd_read_step(memory, step, 1, error))
		return FALSE;
	if (!step->words) {
		unreadable(device, step, unit->before_qemu_10 ? VTD_FAULT_PASID_ACCESS : VTD_FAULT_PASID_DIR_ACCESS);
		return TRUE;
	}
	vtd_decode_pasid_dir(step->raw[0], &dir);
	if (!dir.present) {
		pasid_fault(unit, device, VTD_FAULT_PASID_DIR_NOT_PRESENT);
		return TRUE;
	}
	step = next_step(device, VTD_STEP_PASID, dir.pasid_table, device->pasid & 63);
	if (!vtd_read_step(memory, step, 8, error))
		return FALSE;
	if (!step->words) {
		unreadable(device, step, VTD_FAULT_PASID_ACCESS);
		return TRUE;
	}
	vtd_decode_pasid(step->raw, &device->pasid_entry);
	/* QEMU looks at the type and the levels before it looks at P. */
	if (!pgtt_supported(unit, &device->pasid_entry) || !levels_supported(unit, &device->pasid_entry))
		pasid_fault(unit, device, VTD_FAULT_PASID_INVALID);
	else if (!device->pasid_entry.present)
		pasid_fault(unit, device, VTD_FAULT_PASID_NOT_PRESENT);
	else
		set_tables(unit, device);
	return TRUE;
}

static gboolean
judge_sm_context(const vtd_unit *unit, viommu_memory *memory, vtd_device *device, const vtd_step *step,
	GError **error)
{
	vtd_sm_context_entry *context = &device->sm_context;

	vtd_decode_sm_context(unit, step->raw, context);
	if (!context->present) {
		fault(device, VTD_FAULT_CONTEXT_NOT_PRESENT);
		return TRUE;
	}
	if (context->reserved[0] || context->reserved[1] || context->reserved[2] || context->reserved[3]) {
		fault(device, VTD_FAULT_CONTEXT_RESERVED);
		return TRUE;
	}
	if (!device->pasid_requested)
		device->pasid = context->rid_pasid;
	return find_pasid_entry(unit, memory, device, error);
}

static gboolean
find(const vtd_unit *unit, viommu_memory *memory, vtd_device *ret, GError **error)
{
	unsigned devfn = viommu_sid_devfn(ret->sid);
	viommu_gpa root_table = { unit->rtaddr & VIOMMU_PAGE_MASK & ~(~0ull << unit->address_bits) };
	viommu_gpa context_table = { 0 };
	vtd_step *step;

	ret->scalable = unit->scalable;
	if (!vtd_gsts_tes(unit->gsts)) {
		ret->outcome = VTD_DISABLED;
		return TRUE;
	}
	step = next_step(ret, VTD_STEP_ROOT, root_table, viommu_sid_bus(ret->sid));
	if (!vtd_read_step(memory, step, 2, error))
		return FALSE;
	if (!judge_root(unit, ret, step, &context_table))
		return TRUE;
	step = next_step(ret, VTD_STEP_CONTEXT, context_table, ret->scalable ? devfn & 0x7f : devfn);
	if (!vtd_read_step(memory, step, ret->scalable ? 4 : 2, error))
		return FALSE;
	if (!step->words)
		unreadable(ret, step, VTD_FAULT_CONTEXT_ACCESS);
	else if (ret->scalable)
		return judge_sm_context(unit, memory, ret, step, error);
	else
		judge_context(unit, ret, step);
	return TRUE;
}

gboolean
vtd_find_device(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, vtd_device *ret, GError **error)
{
	*ret = (vtd_device){ .sid = sid };
	return find(unit, memory, ret, error);
}

gboolean
vtd_find_pasid(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, uint32_t pasid, vtd_device *ret,
	GError **error)
{
	*ret = (vtd_device){ .sid = sid, .pasid = pasid & 0xfffff, .pasid_requested = true };
	return find(unit, memory, ret, error);
}

bool
vtd_same_tables(const vtd_device *a, const vtd_device *b)
{
	return a->outcome == VTD_TRANSLATES && b->outcome == VTD_TRANSLATES && a->stage == b->stage &&
		a->table.v == b->table.v && a->levels == b->levels && a->input_bits == b->input_bits &&
		(a->stage != VTD_STAGE_NESTED ||
			(a->outer_table.v == b->outer_table.v && a->outer_levels == b->outer_levels));
}

static guint
hash_device(gconstpointer data)
{
	const vtd_device *device = data;
	uint64_t key = device->table.v >> VIOMMU_PAGE_SHIFT | (uint64_t) device->levels << 52 | (uint64_t) device->stage << 55;

	if (device->stage == VTD_STAGE_NESTED)
		key ^= device->outer_table.v << 8;
	return vtd_key_hash(GSIZE_TO_POINTER(key));
}

static gboolean
equal_devices(gconstpointer a, gconstpointer b)
{
	return vtd_same_tables(a, b);
}

GHashTable *
vtd_tables_new(GDestroyNotify free_key)
{
	return g_hash_table_new_full(hash_device, equal_devices, free_key, NULL);
}
