/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shadow by the tables of an outer vIOMMU: L0 is itself a guest, and what its kernel
 * maps stands in its memory as L1's does in L1's.  What those tables call a GPA is a page
 * of L0's.
 */
#include <viommu/shadow.h>

#include "text/text.h"

static void
on_run(const vtd_run *run, void *user)
{
	viommu_shadow *self = user;
	viommu_shadow_piece piece = { .iova = run->iova };

	switch (run->kind) {
	case VTD_RUN_MAPPED:
		piece.hpa.v = run->gpa.v;
		piece.hpa_known = piece.prot_known = true;
		piece.read = run->read;
		piece.write = run->write;
		break;
	case VTD_RUN_RESERVED: /* the outer vIOMMU refuses these: nothing is mapped */
	case VTD_RUN_INTERRUPT:
	case VTD_RUN_PRIVILEGE:
		return;
	case VTD_RUN_UNREADABLE:
		if (run->status == VIOMMU_PAGE_NOT_RAM)
			return;
		piece.unknown = "a table of the outer vIOMMU could not be read";
		break;
	case VTD_RUN_LOOP:
	case VTD_RUN_REPEATED:
	case VTD_RUN_UNVISITED:
		piece.unknown = "the tables of the outer vIOMMU were not read to their end";
		break;
	}
	viommu_shadow_add(self, &piece);
}

viommu_shadow *
viommu_shadow_of_snapshot(
	const viommu_snapshot *outer, const char *name, viommu_sid device, const char *host, GError **error)
{
	g_autofree char *title = g_strdup_printf("the outer vIOMMU (%s)", name);
	g_autoptr(viommu_shadow) self = viommu_shadow_new(title, device, host);
	g_autoptr(viommu_memory) memory = viommu_snapshot_memory(outer);
	const viommu_machine *machine = viommu_snapshot_machine(outer);
	vtd_budget budget = VTD_DEFAULT_BUDGET;
	vtd_device found;
	vtd_unit unit;
	viommu_sid sid;

	if (!viommu_parse_bdf(host, &sid) || !viommu_machine_pci_at(machine, sid)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
			"the QEMU of %s has no device %s; name L0's device with --shadow-device", name, host);
		return NULL;
	}
	viommu_machine_unit(machine, viommu_snapshot_registers(outer), &unit);
	if (!vtd_find_device(&unit, memory, viommu_machine_alias(machine, sid), &found, error))
		return NULL;
	if (viommu_machine_bypassed(machine, sid) || found.outcome == VTD_PASS_THROUGH || found.outcome == VTD_DISABLED)
		self->absence = "the outer vIOMMU does not translate this device's DMA";
	else if (found.outcome == VTD_UNREADABLE)
		self->absence = "the outer vIOMMU's root, context or PASID table could not be read";
	else if (found.outcome == VTD_TRANSLATES && !vtd_walk_device(&unit, memory, &found, &budget, on_run, self, error))
		return NULL;
	return g_steal_pointer(&self);
}
