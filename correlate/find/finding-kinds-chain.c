/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links 3 to 5: what becomes of a mapping behind the tables.  They exist only for
 * devices that are assigned to L1. */
#include "find/finding-kinds.h"

const viommu_finding_kind viommu_kinds_chain[] = {
	{
		"map-not-announced", FAULT, "L1 did not announce a new mapping",
		"The table has the mapping, and L1 sent no invalidation that covers it. With caching mode on (CAP.CM = 1) L1 has to "
		"invalidate new second-stage mappings too: that is the only way QEMU gets to know of them. Nothing behind QEMU, and so "
		"no assigned device, knows this mapping. A device that QEMU emulates does not need it.",
		"Use a kernel in L1 that flushes new mappings under caching mode. L1 says \"IOMMU batching disallowed due to "
		"virtualization\" when it saw CM = 1; if it does not, it may not know of caching mode at all.",
		"VT-d specification 6.1 (Caching Mode)\n"
		"Linux before 87684fd997a6, and some kernels since\n"
		"tracepoints intel_iommu:qi_submit, intel_iommu:cache_tag_flush_range_np (Linux 6.12)",
		"guest: tests/nested/test_chain.py",
	},
	{
		"unmap-not-announced", SECURITY, "L1 did not announce that a mapping is gone",
		"The entry was cleared, and up to the moment that was looked at L1 had sent no invalidation that covers it. Until one comes, "
		"QEMU's IOTLB and the host's IOMMU may still have the old translation: a device can go on reaching memory that L1 has "
		"taken away and may have given to somebody else. Linux's drivers unmap in batches where they are let (DMA-FQ), up to a "
		"second late; what is later than that, or was unmapped by VFIO, is told here.",
		"Find out why L1 does not flush on unmap: a driver of its own, or a kernel with lazy invalidation "
		"(iommu.strict=1 on L1's command line, or DMA in /sys/kernel/iommu_groups/N/type, makes it flush at once).",
		"VT-d specification 6.5 (Invalidation of Translation Caches)\n"
		"Linux: Documentation/admin-guide/kernel-parameters.txt, iommu.strict\n"
		"Linux: Documentation/ABI/testing/sysfs-kernel-iommu_groups, type",
		"guest: tests/nested/test_chain.py",
	},
	{
		"map-not-noticed", FAULT, "QEMU did not pass on a new mapping",
		"L1's table has the mapping, and QEMU's trace shows no notice to vfio or vhost for it. Whether L1 announced it is link 3; "
		"where it did, QEMU is to blame. The host's IOMMU does not have it.",
		"Look at QEMU's trace around the invalidation (vtd_inv_desc_iotlb_pages, vtd_page_walk_one, vfio_iommu_map_notify). A "
		"table that QEMU could not read, or an entry with a reserved bit, ends its walk early.",
		"QEMU: hw/i386/intel_iommu.c, vtd_page_walk_one()",
		"guest: tests/nested/test_notice.py",
	},
	{
		"unmap-not-noticed", SECURITY, "QEMU did not pass on that a mapping is gone",
		"L1's table has no mapping any more, and QEMU's trace shows no notice of that to vfio or vhost. Whether L1 announced it is "
		"link 3; where it did, QEMU is to blame. An assigned device can go on reaching memory that L1 has taken away.",
		"Where L1 announced it: update QEMU, and look at vtd_page_walk_one_skip_unmap in its trace.",
		"QEMU: hw/i386/intel_iommu.c, vtd_page_walk_one()",
		"guest: tests/nested/test_notice.py",
	},
	{
		"unmap-skipped", SECURITY, "QEMU skipped an unmap of a whole directory entry",
		"L1 unmapped and announced all that an upper-level entry covers, or more, and QEMU sent no unmap for it. The host's IOMMU "
		"keeps the pages: an assigned device can go on reaching memory that L1 has taken away, and mapping the IOVA again fails "
		"with EEXIST.",
		"Update QEMU.",
		"QEMU 36d2d52bdb45; hw/i386/intel_iommu.c, vtd_iotlb_page_invalidate_notify(), vtd_page_walk_level()",
		"files: tests/unit/test-link-notice",
	},
	{
		"shadow-missing", FAULT, "the host's IOMMU does not have the mapping",
		"L1's table translates this IOVA, and the host's IOMMU does not. DMA of the assigned device to it faults on the host.",
		"Look at the first broken link of the mapping: whether L1 announced it, and whether QEMU noticed. If both did, QEMU's log "
		"has the failure (\"vfio_dma_map\" … \"= -28\" is dma_entry_limit, \"= -12\" the limit of locked memory).",
		"QEMU: hw/vfio, vfio_iommu_map_notify()\n"
		"Linux: drivers/vfio/vfio_iommu_type1.c, dma_entry_limit",
		"guest: tests/nested/test_shadow.py",
	},
	{
		"shadow-stale", SECURITY, "the host's IOMMU still has a mapping that L1 removed",
		"L1's table has nothing at this IOVA any more, and the host's IOMMU still translates it. The assigned device can go on "
		"reaching memory that L1 has taken away and may have given to somebody else.",
		"Look at the first broken link of the unmap: not announced by L1 (or not yet, see unmap-not-announced), or not passed on by "
		"QEMU. Detaching the device from its domain in L1, or resetting the guest, clears the host's mappings.",
		"QEMU: hw/i386/intel_iommu.c, vtd_page_walk_level()\n"
		"a later map of the same IOVA fails with EEXIST",
		"guest: tests/nested/test_shadow.py",
	},
	{
		"shadow-wrong-page", SECURITY, "the host's IOMMU maps another page",
		"The host's IOMMU translates this IOVA, but not to the page of QEMU's that stands behind L1's GPA. The assigned device "
		"reads and writes the wrong memory.",
		"If the GPA's page was moved or dropped on the host after it was mapped (a balloon, MADV_DONTNEED, a discarded RAM block), "
		"keep that from happening: QEMU refuses to balloon with vfio, other tools do not. Else it is a bug: make a report with the "
		"record and the snapshot.",
		"Linux: vfio pins the page that is there when the mapping is made",
		"guest: tests/nested/test_shadow.py",
	},
	{
		"shadow-wrong-permission", SECURITY, "the host's IOMMU gives other permissions",
		"The host's IOMMU maps the right page with other permissions than L1's table. More than L1 gave lets the device write what "
		"L1 wanted read only; less makes its DMA fault on the host.",
		"A change of permissions needs an unmap and a map in L1; QEMU passes on a change in place as both.",
		"QEMU: hw/i386/intel_iommu.c, vtd_page_walk_one()",
		"guest: tests/nested/test_shadow.py",
	},
	{
		"first-stage-not-shadowed", WARNING, "an assigned device goes through a first stage",
		"L1 uses first-stage translation for a device that is assigned to it. Caching mode covers second-stage mappings only: L1 "
		"does not announce new first-stage ones, so a shadow cannot follow them. It works only where the host's IOMMU walks L1's "
		"first stage itself (nested translation through iommufd).",
		"Take the first stage away from the vIOMMU (x-flts=off; flts or fsts in other versions), or scalable mode as a whole "
		"(x-scalable-mode=off); or use a QEMU and a host kernel that nest through iommufd.",
		"VT-d specification 6.1: caching mode does not apply to first-stage mappings\n"
		"QEMU 10.0 refuses vfio-pci then: \"host device is uncompatible with stage-1 translation\"",
		"files: tests/unit/test-findings-unit",
	},
};
const guint viommu_n_kinds_chain = G_N_ELEMENTS(viommu_kinds_chain);
