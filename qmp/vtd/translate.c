/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One address, step by step.  The order of the checks is QEMU's
 * (vtd_dev_to_context_entry() and vtd_iova_to_slpte() in 7.2), because the first
 * check that fails names the fault reason.
 */
#include <string.h>

#include <viommu/vtd.h>

/* Reads the entry that step names. FALSE: the source is gone. */
static gboolean
read_step(viommu_memory *memory, vtd_step *step, unsigned words, GError **error)
{
	uint8_t page[VIOMMU_PAGE_SIZE];
	viommu_page_read read = { .gpa = step->table, .buffer = page };

	step->entry = VIOMMU_GPA(step->table.v + (uint64_t) step->index * words * 8);
	if (!viommu_memory_read_pages(memory, &read, 1, error))
		return FALSE;
	step->status = read.status;
	if (read.status != VIOMMU_PAGE_OK)
		return TRUE;
	step->words = words;
	for (unsigned i = 0; i < words; i++) {
		memcpy(&step->raw[i], read.data + (step->index * words + i) * 8, 8);
		step->raw[i] = GUINT64_FROM_LE(step->raw[i]);
	}
	return TRUE;
}

static void
device_fault(vtd_device *device, vtd_fault fault)
{
	device->outcome = VTD_FAULTS;
	device->fault = fault;
}

/* A table that is not RAM fails QEMU's read as well; one that only we cannot read
 * leaves the question open. */
static void
device_unreadable(vtd_device *device, const vtd_step *step, vtd_fault fault)
{
	if (step->status == VIOMMU_PAGE_NOT_RAM)
		device_fault(device, fault);
	else
		device->outcome = VTD_UNREADABLE;
}

static void
judge_context(const vtd_unit *unit, vtd_device *device)
{
	const vtd_context_entry *context = &device->context;
	unsigned sagaw = vtd_cap_sagaw(unit->cap);

	if (!context->present)
		device_fault(device, VTD_FAULT_CONTEXT_NOT_PRESENT);
	else if (context->reserved[0] || context->reserved[1])
		device_fault(device, VTD_FAULT_CONTEXT_RESERVED);
	else if (context->aw > 4 || !(sagaw >> context->aw & 1))
		device_fault(device, VTD_FAULT_CONTEXT_INVALID);
	else if (context->tt == VTD_TT_RESERVED || (context->tt == VTD_TT_DEV_TLB && !vtd_ecap_dt(unit->ecap)) ||
		(context->tt == VTD_TT_PASS_THROUGH && !vtd_ecap_pt(unit->ecap)))
		device_fault(device, VTD_FAULT_CONTEXT_INVALID);
	else if (context->tt == VTD_TT_PASS_THROUGH)
		device->outcome = VTD_PASS_THROUGH;
	else
		device->outcome = VTD_TRANSLATES;
	device->table = context->second_stage;
	device->levels = vtd_aw_levels(context->aw);
	device->input_bits = MIN(MIN(vtd_aw_bits(context->aw), vtd_cap_mgaw(unit->cap)), 63);
}

gboolean
vtd_find_device(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, vtd_device *ret, GError **error)
{
	vtd_step *root = &ret->steps[0], *context = &ret->steps[1];
	vtd_root_entry root_entry;

	*ret = (vtd_device){ .sid = sid };
	if (!vtd_gsts_tes(unit->gsts)) {
		ret->outcome = VTD_DISABLED;
		return TRUE;
	}
	if (vtd_rtaddr_ttm(unit->rtaddr) != 0) {
		ret->outcome = VTD_UNSUPPORTED;
		return TRUE;
	}
	*root = (vtd_step){ .kind = VTD_STEP_ROOT, .table = VIOMMU_GPA(unit->rtaddr & VIOMMU_PAGE_MASK),
		.index = viommu_sid_bus(sid) };
	ret->n_steps = 1;
	if (!read_step(memory, root, 2, error))
		return FALSE;
	if (!root->words) {
		device_unreadable(ret, root, VTD_FAULT_ROOT_ACCESS);
		return TRUE;
	}
	vtd_decode_root(unit, root->raw, &root_entry);
	if (!root_entry.present) {
		device_fault(ret, VTD_FAULT_ROOT_NOT_PRESENT);
		return TRUE;
	}
	if (root_entry.reserved[0] || root_entry.reserved[1]) {
		device_fault(ret, VTD_FAULT_ROOT_RESERVED);
		return TRUE;
	}
	*context = (vtd_step){ .kind = VTD_STEP_CONTEXT, .table = root_entry.context_table,
		.index = viommu_sid_devfn(sid) };
	ret->n_steps = 2;
	if (!read_step(memory, context, 2, error))
		return FALSE;
	if (!context->words) {
		device_unreadable(ret, context, VTD_FAULT_CONTEXT_ACCESS);
		return TRUE;
	}
	vtd_decode_context(unit, context->raw, &ret->context);
	judge_context(unit, ret);
	return TRUE;
}

static void
refuse(vtd_translation *ret, vtd_fault read, vtd_fault write, int blame)
{
	if (ret->read.allowed)
		ret->read = (vtd_answer){ .fault = read, .blame = blame };
	if (ret->write.allowed)
		ret->write = (vtd_answer){ .fault = write, .blame = blame };
}

/* Applies one paging entry. Returns TRUE when the walk goes on below it. */
static gboolean
apply_entry(const vtd_unit *unit, vtd_translation *ret, vtd_step *step, viommu_gpa *next)
{
	int blame = (int) ret->n_steps - 1;
	vtd_ss_entry entry;

	if (!step->words) {
		gboolean top = step->level == ret->device.levels;
		vtd_fault fault = top ? VTD_FAULT_CONTEXT_INVALID : VTD_FAULT_PAGING_ENTRY_ACCESS;

		if (step->status != VIOMMU_PAGE_NOT_RAM) {
			ret->outcome = VTD_UNREADABLE;
			fault = VTD_FAULT_NONE;
		}
		refuse(ret, fault, fault, blame);
		return FALSE;
	}
	vtd_decode_ss(unit, step->raw[0], step->level, &entry);
	if (!entry.read && ret->read.allowed)
		ret->read = (vtd_answer){ .fault = VTD_FAULT_READ, .blame = blame };
	if (!entry.write && ret->write.allowed)
		ret->write = (vtd_answer){ .fault = VTD_FAULT_WRITE, .blame = blame };
	if (entry.reserved)
		refuse(ret, VTD_FAULT_PAGING_RESERVED, VTD_FAULT_PAGING_RESERVED, blame);
	if (!ret->read.allowed && !ret->write.allowed)
		return FALSE;
	*next = entry.address;
	if (!entry.leaf)
		return TRUE;
	ret->page_shift = vtd_level_shift(step->level);
	ret->gpa = VIOMMU_GPA(entry.address.v | (ret->iova.v & ((1ull << ret->page_shift) - 1)));
	return FALSE;
}

gboolean
vtd_translate_in(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, viommu_iova iova,
	vtd_translation *ret, GError **error)
{
	viommu_gpa table = device->table;
	gboolean deeper = TRUE;

	*ret = (vtd_translation){ .device = *device, .iova = iova, .outcome = device->outcome,
		.read = { .allowed = true, .blame = -1 }, .write = { .allowed = true, .blame = -1 } };
	memcpy(ret->steps, device->steps, sizeof(device->steps));
	ret->n_steps = device->n_steps;
	if (device->outcome == VTD_PASS_THROUGH || device->outcome == VTD_DISABLED) {
		ret->gpa = VIOMMU_GPA(iova.v);
		return TRUE;
	}
	if (device->outcome != VTD_TRANSLATES) {
		refuse(ret, device->fault, device->fault, (int) ret->n_steps - 1);
		return TRUE;
	}
	if (iova.v >> device->input_bits) {
		refuse(ret, VTD_FAULT_BEYOND_WIDTH, VTD_FAULT_BEYOND_WIDTH, -1);
		deeper = FALSE;
	}
	for (unsigned level = device->levels; deeper && level >= 1; level--) {
		vtd_step *step = &ret->steps[ret->n_steps++];

		*step = (vtd_step){ .kind = VTD_STEP_SECOND_STAGE, .level = level, .table = table,
			.index = (unsigned) (iova.v >> vtd_level_shift(level) & 511) };
		if (!read_step(memory, step, 1, error))
			return FALSE;
		deeper = apply_entry(unit, ret, step, &table);
	}
	if (ret->outcome == VTD_TRANSLATES && !ret->read.allowed && !ret->write.allowed)
		ret->outcome = VTD_FAULTS;
	return TRUE;
}

gboolean
vtd_translate(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, viommu_iova iova,
	vtd_translation *ret, GError **error)
{
	vtd_device device;

	return vtd_find_device(unit, memory, sid, &device, error) &&
		vtd_translate_in(unit, memory, &device, iova, ret, error);
}

gboolean
vtd_for_each_device(const vtd_unit *unit, viommu_memory *memory, vtd_device_visitor visit, void *user,
	GError **error)
{
	if (!vtd_gsts_tes(unit->gsts) || vtd_rtaddr_ttm(unit->rtaddr) != 0)
		return TRUE;
	for (unsigned bus = 0; bus < 256; bus++) {
		for (unsigned devfn = 0; devfn < 256; devfn++) {
			vtd_device device;

			if (!vtd_find_device(unit, memory, viommu_sid_make(bus, devfn >> 3, devfn & 7), &device, error))
				return FALSE;
			if (device.fault == VTD_FAULT_ROOT_NOT_PRESENT)
				break;
			if (device.fault != VTD_FAULT_CONTEXT_NOT_PRESENT)
				visit(&device, user);
			if (device.n_steps < 2 || !device.steps[1].words)
				break; /* the whole bus shares this trouble */
		}
	}
	return TRUE;
}
