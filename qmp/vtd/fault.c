/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <viommu/vtd.h>

static const struct {
	vtd_fault fault;
	const char *text;
} faults[] = {
	{ VTD_FAULT_NONE, "no fault" },
	{ VTD_FAULT_ROOT_NOT_PRESENT, "the root entry is not present" },
	{ VTD_FAULT_CONTEXT_NOT_PRESENT, "the context entry is not present" },
	{ VTD_FAULT_CONTEXT_INVALID, "the context entry is programmed wrongly" },
	{ VTD_FAULT_BEYOND_WIDTH, "the address is beyond the address width" },
	{ VTD_FAULT_WRITE, "no write permission" },
	{ VTD_FAULT_READ, "no read permission" },
	{ VTD_FAULT_PAGING_ENTRY_ACCESS, "a paging entry cannot be read" },
	{ VTD_FAULT_ROOT_ACCESS, "the root entry cannot be read" },
	{ VTD_FAULT_CONTEXT_ACCESS, "the context entry cannot be read" },
	{ VTD_FAULT_ROOT_RESERVED, "a reserved bit is set in the root entry" },
	{ VTD_FAULT_CONTEXT_RESERVED, "a reserved bit is set in the context entry" },
	{ VTD_FAULT_PAGING_RESERVED, "a reserved bit is set in a paging entry" },
	{ VTD_FAULT_BLOCKED, "the translation type blocks the request" },
	{ VTD_FAULT_INTERRUPT, "the page lies in the interrupt address range" },
	{ VTD_FAULT_PASID_DIR_ACCESS, "the PASID directory entry cannot be read" },
	{ VTD_FAULT_PASID_DIR_NOT_PRESENT, "the PASID directory entry is not present" },
	{ VTD_FAULT_PASID_ACCESS, "the PASID table entry cannot be read or used" },
	{ VTD_FAULT_PASID_NOT_PRESENT, "the PASID table entry is not present" },
	{ VTD_FAULT_PASID_INVALID, "the PASID table entry is programmed wrongly" },
	{ VTD_FAULT_FS_ACCESS, "a first-stage paging entry cannot be read" },
	{ VTD_FAULT_FS_NOT_PRESENT, "a first-stage paging entry is not present" },
	{ VTD_FAULT_FS_RESERVED, "a reserved bit is set in a first-stage paging entry" },
	{ VTD_FAULT_FSPTPTR_ACCESS, "the top first-stage table cannot be read" },
	{ VTD_FAULT_NON_CANONICAL, "the address is not canonical" },
	{ VTD_FAULT_PRIVILEGE, "a first-stage entry is for supervisors only (U/S = 0)" },
	{ VTD_FAULT_SM_WRITE, "no write permission in a first-stage entry" },
	{ VTD_FAULT_SM_INTERRUPT, "the page lies in the interrupt address range" },
	/* Interrupt remapping: reasons of recorded faults only. */
	{ (vtd_fault) 0x20, "an interrupt request with reserved fields set" },
	{ (vtd_fault) 0x21, "an interrupt index beyond the table" },
	{ (vtd_fault) 0x22, "the interrupt entry is not present" },
	{ (vtd_fault) 0x23, "the interrupt table cannot be read" },
	{ (vtd_fault) 0x24, "a reserved bit is set in the interrupt entry" },
	{ (vtd_fault) 0x25, "a compatibility-format interrupt while those are blocked" },
	{ (vtd_fault) 0x26, "the requester is not the one that the interrupt entry admits" },
	{ (vtd_fault) 0x91, "the accessed or dirty bit could not be written" },
};

const char *
vtd_fault_text(vtd_fault fault)
{
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
		if (faults[i].fault == fault)
			return faults[i].text;
	return "a reason that this version does not know";
}
