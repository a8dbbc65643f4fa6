/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One address, step by step, through one stage or two.  The order of the checks is
 * QEMU's: vtd_iova_to_slpte() in 7.2 and 10.0, vtd_iova_to_flpte() in 10.0.  No QEMU
 * up to 10.0 emulates nested translation; there this follows the specification (3.8)
 * and gives the reason of the stage that refuses.
 */
#include <string.h>

#include "step.h"

typedef struct {
	const vtd_unit *unit;
	viommu_memory *memory;
	vtd_translation *ret;
	GError **error;
} walk;

static void
refuse(vtd_translation *ret, vtd_fault reason)
{
	int blame = (int) ret->n_steps - 1;

	if (ret->read.allowed)
		ret->read = (vtd_answer){ .fault = reason, .blame = blame };
	if (ret->write.allowed)
		ret->write = (vtd_answer){ .fault = reason, .blame = blame };
}

static void
refuse_write(vtd_translation *ret, vtd_fault reason)
{
	if (ret->write.allowed)
		ret->write = (vtd_answer){ .fault = reason, .blame = (int) ret->n_steps - 1 };
}

static void
refuse_read(vtd_translation *ret, vtd_fault reason)
{
	if (ret->read.allowed)
		ret->read = (vtd_answer){ .fault = reason, .blame = (int) ret->n_steps - 1 };
}

/* QEMU cannot tell an entry of all ones from one that it could not read. */
static bool
lost_entry(walk *w, const vtd_step *step, vtd_fault reason)
{
	if (step->words && step->raw[0] != UINT64_MAX)
		return false;
	if (!step->words && step->status != VIOMMU_PAGE_NOT_RAM) {
		w->ret->outcome = VTD_UNREADABLE;
		reason = VTD_FAULT_NONE;
	}
	refuse(w->ret, reason);
	return true;
}

/* Where one paging entry leads. */
typedef struct {
	bool leaf;
	viommu_gpa address;
	viommu_gpa tested; /* leaf: where QEMU begins to look for the interrupt range */
} target;

/* False: refused for reads and for writes. */
static bool
apply_second(walk *w, const vtd_step *step, bool top, target *to)
{
	vtd_ss_entry entry;

	if (lost_entry(w, step, top ? VTD_FAULT_CONTEXT_INVALID : VTD_FAULT_PAGING_ENTRY_ACCESS))
		return false;
	vtd_decode_ss(w->unit, step->raw[0], step->level, &entry);
	if (!entry.read)
		refuse_read(w->ret, VTD_FAULT_READ);
	if (!entry.write)
		refuse_write(w->ret, VTD_FAULT_WRITE);
	if (entry.reserved)
		refuse(w->ret, VTD_FAULT_PAGING_RESERVED);
	*to = (target){ entry.leaf, entry.address, entry.address };
	return w->ret->read.allowed || w->ret->write.allowed;
}

static bool
apply_first(walk *w, const vtd_step *step, bool top, target *to)
{
	vtd_fs_entry entry;

	if (lost_entry(w, step, top ? VTD_FAULT_FSPTPTR_ACCESS : VTD_FAULT_FS_ACCESS))
		return false;
	vtd_decode_fs(w->unit, step->raw[0], step->level, &entry);
	if (!entry.present)
		refuse(w->ret, VTD_FAULT_FS_NOT_PRESENT);
	if (!entry.user)
		refuse(w->ret, VTD_FAULT_PRIVILEGE);
	if (!entry.write)
		refuse_write(w->ret, VTD_FAULT_SM_WRITE);
	if (entry.reserved)
		refuse(w->ret, VTD_FAULT_FS_RESERVED);
	/* QEMU 10.0 leaves PAT of a large page in the address that it tests. */
	*to = (target){ entry.leaf, entry.address,
		VIOMMU_GPA(entry.address.v | (entry.leaf && step->level > 1 && entry.pat ? 0x1000 : 0)) };
	return w->ret->read.allowed || w->ret->write.allowed;
}

static void
check_interrupt_range(walk *w, viommu_gpa page, unsigned shift)
{
	if (page.v <= VTD_INTERRUPT_LAST && page.v + ((1ull << shift) - 1) >= VTD_INTERRUPT_FIRST)
		refuse(w->ret, vtd_ecap_smts(w->unit->ecap) ? VTD_FAULT_SM_INTERRUPT : VTD_FAULT_INTERRUPT);
}

/* Goes through second-stage tables. *found: there is a leaf; *out and *shift are its. */
static gboolean
walk_second(walk *w, viommu_gpa table, unsigned levels, uint64_t input, bool *found, uint64_t *out, unsigned *shift)
{
	target to = { .address = table };

	*found = false;
	for (unsigned level = levels; level >= 1; level--) {
		vtd_step *step = &w->ret->steps[w->ret->n_steps++];

		*step = (vtd_step){ .kind = VTD_STEP_SECOND_STAGE, .level = level, .table = to.address,
			.index = (unsigned) (input >> vtd_level_shift(level) & 511) };
		if (!vtd_read_step(w->memory, step, 1, w->error))
			return FALSE;
		if (!apply_second(w, step, level == levels, &to))
			return TRUE;
		if (!to.leaf)
			continue;
		*shift = vtd_level_shift(level);
		*out = to.address.v | (input & ((1ull << *shift) - 1));
		check_interrupt_range(w, to.tested, *shift);
		*found = w->ret->read.allowed || w->ret->write.allowed;
		return TRUE;
	}
	return TRUE;
}

static unsigned
outer_bits(const walk *w)
{
	return MIN(MIN(vtd_level_shift(w->ret->device.outer_levels) + 9, vtd_cap_mgaw(w->unit->cap)), 63);
}

/* Nested: translates an address that the first stage put out. For a table only the
 * permission to read counts, and a request that cannot have it is refused as a read. */
static gboolean
through_outer(walk *w, bool table, uint64_t input, bool *found, uint64_t *out, unsigned *shift)
{
	vtd_answer write = w->ret->write;

	*found = false;
	if (input >> outer_bits(w)) {
		refuse(w->ret, VTD_FAULT_BEYOND_WIDTH);
		return TRUE;
	}
	if (!walk_second(w, w->ret->device.outer_table, w->ret->device.outer_levels, input, found, out, shift))
		return FALSE;
	if (table)
		w->ret->write = write.allowed && !w->ret->read.allowed ? w->ret->read : write;
	return TRUE;
}

static gboolean
walk_first(walk *w)
{
	const vtd_device *device = &w->ret->device;
	bool nested = device->stage == VTD_STAGE_NESTED, found;
	target to = { .address = device->table };
	unsigned shift = 0, outer_shift = 0;

	for (unsigned level = device->levels; level >= 1; level--) {
		uint64_t table = to.address.v;
		vtd_step *step;

		if (nested) {
			if (!through_outer(w, true, to.address.v, &found, &table, &outer_shift))
				return FALSE;
			if (!found || !w->ret->read.allowed)
				return TRUE;
		}
		step = &w->ret->steps[w->ret->n_steps++];
		*step = (vtd_step){ .kind = VTD_STEP_FIRST_STAGE, .level = level, .table = VIOMMU_GPA(table),
			.index = (unsigned) (w->ret->iova.v >> vtd_level_shift(level) & 511) };
		if (!vtd_read_step(w->memory, step, 1, w->error))
			return FALSE;
		if (!apply_first(w, step, level == device->levels, &to))
			return TRUE;
		if (!to.leaf)
			continue;
		shift = vtd_level_shift(level);
		w->ret->gpa = VIOMMU_GPA(to.address.v | (w->ret->iova.v & ((1ull << shift) - 1)));
		w->ret->page_shift = shift;
		check_interrupt_range(w, to.tested, shift);
		if (!nested)
			return TRUE;
		w->ret->nested_gpa = w->ret->gpa;
		if (!through_outer(w, false, w->ret->gpa.v, &found, &w->ret->gpa.v, &outer_shift))
			return FALSE;
		w->ret->page_shift = MIN(shift, outer_shift);
		return TRUE;
	}
	return TRUE;
}

static bool
is_canonical(uint64_t iova, unsigned bits)
{
	uint64_t upper = iova >> (bits - 1);

	return upper == 0 || upper == UINT64_MAX >> (bits - 1);
}

static gboolean
walk_tables(walk *w)
{
	const vtd_device *device = &w->ret->device;
	uint64_t iova = w->ret->iova.v, gpa = 0;
	bool found;

	if (device->stage != VTD_STAGE_SECOND) {
		if (is_canonical(iova, device->input_bits))
			return walk_first(w);
		refuse(w->ret, VTD_FAULT_NON_CANONICAL);
		w->ret->read.blame = w->ret->write.blame = -1;
		return TRUE;
	}
	if (iova >> device->input_bits) {
		refuse(w->ret, VTD_FAULT_BEYOND_WIDTH);
		w->ret->read.blame = w->ret->write.blame = -1;
		return TRUE;
	}
	if (!walk_second(w, device->table, device->levels, iova, &found, &gpa, &w->ret->page_shift))
		return FALSE;
	w->ret->gpa = VIOMMU_GPA(gpa);
	return TRUE;
}

gboolean
vtd_translate_in(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, viommu_iova iova,
	vtd_translation *ret, GError **error)
{
	walk w = { unit, memory, ret, error };

	*ret = (vtd_translation){ .device = *device, .iova = iova, .outcome = device->outcome,
		.read = { .allowed = true, .blame = -1 }, .write = { .allowed = true, .blame = -1 } };
	memcpy(ret->steps, device->steps, sizeof(device->steps));
	ret->n_steps = device->n_steps;
	if (!device->pasid_requested && iova.v >= VTD_INTERRUPT_FIRST && iova.v <= VTD_INTERRUPT_LAST) {
		ret->outcome = VTD_INTERRUPT;
		ret->read.allowed = ret->write.allowed = false;
		return TRUE;
	}
	if (device->outcome == VTD_PASS_THROUGH || device->outcome == VTD_DISABLED) {
		ret->gpa = VIOMMU_GPA(iova.v);
		return TRUE;
	}
	if (device->outcome != VTD_TRANSLATES) {
		refuse(ret, device->fault);
		return TRUE;
	}
	if (!walk_tables(&w))
		return FALSE;
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
