/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in the paging entries. */
#include "find/finding-kinds.h"

const viommu_finding_kind viommu_kinds_tables[] = {
	{
		"reserved-bit", FAULT, "a paging entry has a reserved bit set",
		"QEMU refuses all that the entry covers, with fault reason 0xc. Which bits are reserved follows from CAP and ECAP: addresses "
		"above the width, page sizes, and features that this vIOMMU does not offer.",
		"viommu walk decodes the entry. An address above the width: more aw-bits. A feature bit: L1 relies on what ECAP does not "
		"offer.",
		"VT-d specification 9.8, 9.7\n"
		"QEMU says \"detected splte reserve non-zero\" once",
		"guest: tests/vm/test_findings.py",
	},
	{
		"snoop-bit", FAULT, "the snoop bit is set, and the vIOMMU does not offer it",
		"Bit 11 (SNP) of a last-level second-stage entry asks for snoop control. Without ECAP.SC it is reserved, and QEMU refuses the "
		"page. It is the usual cause of QEMU's \"detected splte reserve non-zero\".",
		"A kernel in L1 that sets SNP only with ECAP.SC; for emulated devices also -device intel-iommu,snoop-control=on (QEMU refuses "
		"vfio and vhost with it).",
		"VT-d specification 9.8 (SNP), ECAP bit 7\n"
		"QEMU says \"detected splte reserve non-zero\" once; fault reason 0xc",
		"guest: tests/vm/test_findings.py",
	},
	{
		"table-loop", FAULT, "a table leads back to itself",
		"An entry names a table that leads to that entry. A translation ends after its levels, with memory read as tables that is "
		"none, or the other way round. L1's tables are damaged, or meant to do harm.",
		"Find out what wrote it: the entry's place is named.",
		"viommu does not follow it",
		"guest: tests/vm/test_findings.py",
	},
	{
		"table-in-two-places", WARNING, "a table is in use at two places",
		"Two entries name the same table, so the IOVAs below both translate alike. L1's kernel makes each table for one place; this "
		"one is damaged, or a driver of its own kind shares tables on purpose.",
		"Find out what wrote it: the entry's place is named.",
		"viommu dump tells such a table once",
		"guest: tests/vm/test_findings.py",
	},
	{
		"table-outside-ram", FAULT, "a table is not in RAM",
		"An entry names a table where L1 has no RAM. QEMU cannot read it and refuses all that it covers.",
		"The entry or the register that names it is damaged: find out what wrote it.",
		"fault reasons 7, 9, 0x50, 0x58, 0x70",
		"guest: tests/vm/test_findings.py",
	},
	{
		"table-unread", WARNING, "a table could not be read",
		"viommu could not read a table that is in L1's RAM, so it does not know what is mapped there. That says nothing about L1.",
		"Run viommu as root or as the user that QEMU runs as; take a new snapshot if one lacks the page.",
		"viommu --debug says how the tables are read",
		"files: tests/unit/test-findings-tables",
	},
	{
		"walk-unfinished", WARNING, "the tables claim more than was looked at",
		"A walk has a budget, so that hostile tables end it. What lies behind is unknown.",
		"viommu dump -d BDF looks at one device alone.",
		"docs/design.md: hostile tables end the walk",
		"files: tests/unit/test-findings-tables",
	},
	{
		"interrupt-range-mapped", FAULT, "a mapping leads into the interrupt address range",
		"The page it translates to overlaps 0xfee00000 to 0xfeefffff: QEMU refuses it. For a huge page that is all of the page.",
		"Map less: the range is reserved in /sys/kernel/iommu_groups/*/reserved_regions.",
		"VT-d specification 3.14; fault reason 0xe, 0x87",
		"guest: tests/vm/test_findings.py",
	},
	{
		"supervisor-page", FAULT, "a first-stage entry is for supervisors only",
		"U/S = 0: QEMU refuses it, because no emulated device makes requests with supervisor privilege.",
		"A kernel in L1 that sets U/S for DMA, as Linux does.",
		"VT-d specification 9.7; fault reason 0x81",
		"guest: tests/vm/test_findings.py",
	},
	{
		"gpa-in-mmio-hole", NOTE, "a mapping leads below 4 GiB to where there is no RAM",
		"Right for peer-to-peer DMA, where L1 maps another device's BAR. Else the GPA is wrong: an emulated device's DMA goes to "
		"whatever register is there, and for an assigned device QEMU maps nothing. (Linux's own mapping of the first 16 MiB for the "
		"ISA bridge is not told.)",
		"See in L1's lspci whether a BAR is there.",
		"vfio in QEMU: \"iommu map to non memory area\"",
		"guest: tests/vm/test_findings.py",
	},
	{
		"gpa-outside-ram", WARNING, "a mapping leads above 4 GiB to where there is no RAM",
		"Right only where L1 maps a 64-bit BAR of another device. Else the GPA is wrong, or the memory was unplugged while it was "
		"mapped.",
		"See in L1's lspci whether a BAR is there.",
		"vfio in QEMU: \"iommu map to non memory area\"",
		"guest: tests/vm/test_findings.py",
	},
	{
		"gpa-mapped-twice", NOTE, "a device has the same memory at two IOVAs",
		"That is allowed, and drivers do it: two buffers in one page are two mappings. After a lost unmap it looks the same.",
		"Nothing, if the driver in L1 is one that maps parts of pages.",
		"viommu dump -d BDF shows the runs",
		"guest: tests/vm/test_findings.py",
	},
};
const guint viommu_n_kinds_tables = G_N_ELEMENTS(viommu_kinds_tables);
