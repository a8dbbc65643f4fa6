/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the record of L1's requests shows, alone or against the tables. */
#include "find/finding-kinds.h"

const viommu_finding_kind viommu_kinds_record[] = {
	{
		"iova-beyond-width", FAULT, "L1 asked for an IOVA above the width",
		"The device's tables cannot express this address: nothing can be mapped there, L1's kernel refuses it (EINVAL), and "
		"QEMU faults DMA to it with reason 4.",
		"-device intel-iommu,aw-bits=48 (39 is the default of QEMU up to 9.1), or lower IOVAs in L1.",
		"CAP.MGAW, AW of the context entry; fault reason 4",
		"guest: tests/vm/test_record.py",
	},
	{
		"mapping-stale", SECURITY, "a mapping that L1 removed is still in the table",
		"The program unmapped these addresses, and L1's table still translates them: the device can go on reaching memory that may "
		"belong to somebody else by now.",
		"If L1's kernel unmaps lazily, it follows within 10 ms: look again, or iommu.strict=1 on its command line. Else it is a bug "
		"of L1's kernel or of what drives its tables.",
		"Linux: Documentation/admin-guide/kernel-parameters.txt, iommu.strict",
		"guest: tests/vm/test_findings.py",
	},
	{
		"dma-entry-limit", FAULT, "L1's kernel has no room for more mappings",
		"VFIO type1 counts the mappings of a container and refuses more than its limit, 65,535 by default, with ENOSPC. What came "
		"after is not mapped.",
		"Fewer and larger mappings, or a higher /sys/module/vfio_iommu_type1/parameters/dma_entry_limit in L1 (before the container "
		"is made). iommufd has no such limit.",
		"Linux: drivers/vfio/vfio_iommu_type1.c, \"Maximum number of user DMA mappings per container (65535)\"",
		"guest: tests/vm/test_findings.py",
	},
	{
		"map-exists", NOTE, "a map failed because something was mapped there",
		"VFIO refused a map with EEXIST. A program that replays its own mappings sees that for identical ones: noise. Else an unmap "
		"before it was lost.",
		"Compare with the event of the record that mapped the IOVA first.",
		"Linux: drivers/vfio/vfio_iommu_type1.c",
		"guest: tests/vm/test_record.py",
	},
	{
		"map-overlaps", WARNING, "the record maps an IOVA that is mapped already",
		"L1's kernel does not do that within one address space, so the record lacks an unmap, or takes two address spaces for one. The "
		"later mapping is taken to be the valid one.",
		"Make the record anew; with a record of this version's, report it.",
		"viommu-record(5)",
		"files: tests/unit/test-findings-record",
	},
	{
		"memory-replaced-while-mapped", WARNING, "a program gave memory back that is still mapped",
		"The program mapped an address of its own twice, and another page stood behind it the second time: between the two it freed "
		"the first (munmap, MADV_DONTNEED, a copy after fork) without unmapping it. The device goes on using the old page, which "
		"the kernel keeps for it; the program does not see what arrives there.",
		"Unmap from the device before memory is freed; MADV_DONTFORK for memory that is mapped when the program forks.",
		"Linux: Documentation/core-api/pin_user_pages.rst",
		"files: tests/unit/test-findings-record",
	},
	{
		"record-not-held", WARNING, "nothing of what a record has mapped is in the table",
		"Either L1's kernel wrote none of it, or the record is not of here and now: it was copied before its program ended, or it is of "
		"another guest, or of an earlier boot of this one. Nothing outside L1 tells two guests with the same options apart, nor two boots. "
		"A GPA that is no RAM of this guest is a sign of another guest, unless it is device memory (a BAR) or memory that was unplugged.",
		"See in L1 whether the program still runs, and whether boot_id in the record's first line is that of "
		"/proc/sys/kernel/random/boot_id. For the moment of the record: its mark (--at) and a snapshot that was captured then.",
		"viommu-record(5): boot_id; viommu-verify(1): --at",
		"guest: tests/vm/test_verify.py",
	},
	{
		"record-of-another-iommu", WARNING, "the record was not made behind this vIOMMU",
		"L1 saw other capabilities than the registers have. The record is of another guest, or of this one before it was started anew "
		"with other options.",
		"Make the record again in the guest that runs now.",
		"viommu-record(5): iommus; CAP and ECAP do not change while QEMU runs",
		"guest: tests/vm/test_findings.py",
	},
};
const guint viommu_n_kinds_record = G_N_ELEMENTS(viommu_kinds_record);
