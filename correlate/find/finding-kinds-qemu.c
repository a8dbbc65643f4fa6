/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU's log says. */
#include "find/finding-kinds.h"

const viommu_finding_kind viommu_kinds_qemu[] = {
	{
		"qemu-refused-caching-mode", FAULT, "QEMU refuses an assigned device because caching mode is off",
		"A device that is assigned to L1 needs to see the mappings that L1 makes, and QEMU gets to know of them only with caching "
		"mode. So it refuses the device (at the start, when it is plugged in, or, in old versions, when L1 switches the IOMMU on). "
		"The text changed between versions; the meaning did not.",
		"-device intel-iommu,caching-mode=on,intremap=on, and put it before the vfio-pci devices on the command line.",
		"\"We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.\"\n"
		"\"Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.\"\n"
		"\"Region vtd-…-dmar: device … requires caching mode: Operation not supported\"",
		"guest: tests/nested/test_refused.py",
	},
	{
		"qemu-aw-bits", FAULT, "the vIOMMU is wider than the host's IOMMU",
		"L1 may map IOVAs that the host's IOMMU cannot, so QEMU refuses the assigned device.",
		"-device intel-iommu,aw-bits=N with the host's width: CAP.MGAW of the host's IOMMU, plus 1 "
		"(/sys/class/iommu/dmar0/intel-iommu/cap, bits 21:16).",
		"\"aw-bits N > host aw-bits M\"",
		"guest: tests/nested/test_refused.py",
	},
	{
		"qemu-device-iotlb", FAULT, "vhost needs device-IOTLB mode",
		"vhost keeps translations of its own and has to be told when they end; it asked for device-IOTLB invalidations, which this "
		"vIOMMU does not offer.",
		"-device intel-iommu,device-iotlb=on, and ats=on for the virtio device.",
		"\"device … requires device IOTLB mode\"",
		"files: tests/unit/test-qemu-log",
	},
	{
		"qemu-snoop-control", FAULT, "snoop control does not go with vhost and vfio",
		"With snoop-control=on L1 may set bit 11 of its entries, and QEMU has no way to carry that out for devices that it does not "
		"emulate itself; so it refuses them.",
		"-device intel-iommu,snoop-control=off (the default).",
		"\"Snoop Control with vhost or VFIO is not supported\"",
		"guest: tests/nested/test_refused.py",
	},
	{
		"qemu-vfio-dma-map-failed", FAULT, "QEMU could not map memory for an assigned device",
		"QEMU noticed L1's mapping, and the host's kernel refused to map it for the device. The number at the end says why: -28 "
		"(ENOSPC) is type1's limit of mappings, -12 (ENOMEM) the limit of locked memory, -17 (EEXIST) a mapping that was there "
		"already, -22 (EINVAL) an IOVA that the host's IOMMU does not allow, -14 (EFAULT) memory that cannot be pinned, as another "
		"device's BAR.",
		"-28: raise /sys/module/vfio_iommu_type1/parameters/dma_entry_limit on the host. -12: raise RLIMIT_MEMLOCK of QEMU. -17: "
		"harmless when the same mapping is replayed; else an earlier unmap was lost (shadow-stale). -22: an IOVA above the host's "
		"width, or in a reserved range.",
		"\"vfio_dma_map(…) = -N\", \"vfio_container_dma_map(…) = -N\"\n"
		"Linux: drivers/vfio/vfio_iommu_type1.c",
		"guest: tests/nested/test_refused.py",
	},
	{
		"qemu-vfio-dma-unmap-failed", SECURITY, "QEMU could not unmap memory from an assigned device",
		"QEMU noticed that L1 removed a mapping, and the host's kernel did not remove it from the device's IOMMU: the device can go "
		"on reaching memory that L1 has taken away.",
		"Look at the number at the end: -22 (EINVAL) is a range that cuts a mapping in two, or one that was never made. Make a report "
		"with the log; detaching the device from its domain in L1 clears the host's mappings.",
		"\"vfio_dma_unmap(…) = -N\", \"vfio_container_dma_unmap(…) = -N\"\n"
		"Linux: drivers/vfio/vfio_iommu_type1.c, vfio_dma_do_unmap()",
		"files: tests/unit/test-qemu-log",
	},
	{
		"qemu-reserved-bit", FAULT, "QEMU met a reserved bit in a paging entry",
		"QEMU refuses an entry that has a bit set which this vIOMMU treats as reserved, and all that the entry covers. QEMU says it "
		"once only, and compresses the faults that follow. The usual one is SNP, bit 11, of a last-level entry, while snoop control "
		"is not offered (ECAP.SC = 0).",
		"viommu walk shows the entry and names the bit. viommu explain snoop-bit is about SNP.",
		"\"detected splte reserve non-zero iova=…\" (sic; QEMU 7.2 and 10.0)\n"
		"fault reason 12 (0xc)",
		"guest: tests/vm/test_registers.py",
	},
};
const guint viommu_n_kinds_qemu = G_N_ELEMENTS(viommu_kinds_qemu);
