/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the vIOMMU and its devices are set up, its queue, its faults. */
#include "find/finding-kinds.h"

const viommu_finding_kind viommu_kinds_unit[] = {
	{
		"caching-mode-needed", FAULT, "caching mode is off, and devices are assigned to L1",
		"CAP.CM = 0: L1 announces no new mapping, so QEMU cannot pass them on, and the host's IOMMU never has them. DMA of an "
		"assigned device faults on the host. QEMU 7.2 and 10.0 refuse such a device, at their start and when it is plugged in, whether "
		"L1 has its IOMMU on or off; so this is a QEMU, or a kind of assignment, that does not.",
		"-device intel-iommu,caching-mode=on,intremap=on, before the vfio-pci devices on QEMU's command line.",
		"VT-d specification 6.1 (Caching Mode), CAP bit 7\n"
		"viommu explain qemu-refused-caching-mode has what QEMU says",
		"files: tests/unit/test-findings-unit",
	},
	{
		"caching-mode-off", NOTE, "caching mode is off, and no device is known to need it",
		"CAP.CM = 0: L1 announces unmaps and no new mappings. That is right for devices that QEMU emulates: it walks L1's tables "
		"itself at each DMA. Only devices assigned to L1 (vfio-pci) need more.",
		"Nothing; before a device is assigned: -device intel-iommu,caching-mode=on.",
		"VT-d specification 6.1 (Caching Mode), CAP bit 7",
		"guest: tests/vm/test_findings.py",
	},
	{
		"caching-mode-on", NOTE, "caching mode is on",
		"CAP.CM = 1: L1 announces new second-stage mappings too, so that QEMU can pass them on to the host for assigned devices. "
		"Emulated devices do not need it; it makes each mapping of theirs a little slower. First-stage mappings are not announced, "
		"caching mode or not.",
		"Nothing.",
		"VT-d specification 6.1 (Caching Mode), CAP bit 7\n"
		"L1 says \"IOMMU batching disallowed due to virtualization\" when it has seen CM = 1",
		"guest: tests/vm/test_findings.py",
	},
	{
		"translation-off", WARNING, "the vIOMMU translates nothing",
		"GSTS.TES = 0: L1 has not switched translation on, and DMA of every device goes to the GPA that equals its address. VFIO in "
		"L1 has no IOMMU to map anything with.",
		"intel_iommu=on on L1's kernel command line (many kernels leave it off by default).",
		"VT-d specification 11.4.4 (GSTS)\n"
		"L1 says \"DMAR: Intel(R) Virtualization Technology for Directed I/O\" when it is on",
		"guest: tests/vm/test_findings.py",
	},
	{
		"pass-through", WARNING, "the DMA of a device is not translated",
		"The device's context entry (in scalable mode its PASID entry) says pass-through: its addresses are GPAs, and no page table "
		"of its own is looked at. It reaches all of L1's memory. Nothing that its driver in L1 maps shows in a table.",
		"Take iommu=pt (iommu.passthrough=1) off L1's kernel command line. A device that is bound to vfio-pci and opened gets a "
		"table all the same.",
		"VT-d specification 9.3 (TT = 10b), 9.6 (PGTT = 100b)\n"
		"Linux: Documentation/admin-guide/kernel-parameters.txt, iommu=pt",
		"guest: tests/vm/test_findings.py",
	},
	{
		"mixed-pass-through", NOTE, "some devices are translated and some are passed through",
		"With iommu=pt that is how it should be once VFIO uses a device. Without it, L1 may have a reason of its own: a quirk of "
		"the device, or a driver that asked for it.",
		"Nothing, if the devices that matter are among the translated ones.",
		"viommu info shows each device's entry",
		"guest: tests/vm/test_findings.py",
	},
	{
		"device-bypasses-iommu", WARNING, "a device is not behind the vIOMMU",
		"The root bus that it hangs from has bypass_iommu: QEMU puts its DMA straight to L1's memory, and L1 finds no IOMMU for "
		"it. VFIO in L1 has no IOMMU group for it.",
		"Leave out bypass_iommu=on (of pxb-pcie) and default_bus_bypass_iommu=on (of the machine), or put the device on another bus.",
		"QEMU: docs/bypass-iommu.txt",
		"guest: tests/vm/test_findings.py",
	},
	{
		"device-not-in-tables", NOTE, "L1 has no entry for a device",
		"The vIOMMU translates, and its root or context entry for this device is not present: all its DMA is refused. L1 makes the "
		"entry when it attaches a domain to the device; one that no driver uses need not have any.",
		"If a driver uses it: see whether L1 lists it in /sys/kernel/iommu_groups, and whether it was plugged in later.",
		"fault reasons 1 and 2",
		"guest: tests/vm/test_findings.py",
	},
	{
		"device-entry-refused", FAULT, "QEMU refuses the entries of a device",
		"The root, context or PASID entry of the device is there, and is not one that this vIOMMU accepts: a reserved bit, a width or "
		"a translation type that it does not offer. All DMA of the device is refused.",
		"viommu walk TARGET BDF 0 decodes the entries. A kernel that relies on a capability which the vIOMMU does not offer "
		"(viommu info: CAP, ECAP) is a bug of that kernel.",
		"fault reasons 3, 0xa, 0xb, 0x50 to 0x5b",
		"guest: tests/vm/test_findings.py",
	},
	{
		"root-outside-ram", FAULT, "the root table is not in RAM",
		"RTADDR points to where L1 has no RAM, so QEMU can translate nothing. It is damaged, or L1 was reset while the registers "
		"were not.",
		"Boot L1 again; if it comes back, report it with a snapshot (viommu capture).",
		"VT-d specification 11.4.5 (RTADDR), fault reason 8",
		"guest: tests/vm/test_registers.py",
	},
	{
		"domain-shared", NOTE, "several devices go through the same tables",
		"They see the same mappings: what is mapped for one of them, all can reach. So it is for devices of one IOMMU group, for the "
		"devices of one VFIO container or IOAS, and behind a bridge to conventional PCI.",
		"Nothing, if that is meant. Containers of their own keep devices apart.",
		"viommu info shows each device's domain",
		"guest: tests/vm/test_findings.py",
	},
	{
		"domain-id-reused", WARNING, "two tables have the same domain id",
		"The specification lets hardware tag its caches with the domain id alone, so two second-stage tables with one id can be "
		"mixed up: a device may get the other's translations, and an invalidation of one hits both. QEMU tags its IOTLB with the "
		"device too.",
		"Report it to whoever makes L1's IOMMU driver.",
		"VT-d specification 9.3 and 6.2.1 (domain id)",
		"guest: tests/vm/test_findings.py",
	},
	{
		"property-contradicts-register", WARNING, "QEMU's property and the register differ",
		"The vIOMMU was configured one way and its registers say another. The registers are what L1 sees and what viommu goes by. It "
		"happens when a property was changed after the device was made, or with a QEMU that fixes up its configuration silently.",
		"Look at intel-iommu's options on QEMU's command line; viommu info shows both sides.",
		"QEMU: hw/i386/intel_iommu.c, vtd_cap_init()",
		"files: tests/unit/test-findings-unit",
	},
	{
		"interrupt-remapping-off", WARNING, "interrupt remapping is off",
		"A device can send L1 any interrupt. VFIO in L1 refuses a device (EPERM, \"No interrupt remapping support\") unless its "
		"module parameter allow_unsafe_interrupts is set.",
		"-device intel-iommu,intremap=on, with kernel-irqchip=split under KVM; and no intremap=off on L1's kernel command line.",
		"VT-d specification 5.1\n"
		"Linux: vfio_iommu_type1.allow_unsafe_interrupts",
		"guest: tests/vm/test_findings.py",
	},
	{
		"narrow-width", NOTE, "IOVAs have fewer than 48 bits",
		"Addresses above the width cannot be mapped: L1 refuses them, and QEMU faults them with reason 4. A program that uses its own "
		"virtual addresses as IOVAs, or a BAR that lies high, needs 48 bits. 39 bits is the default of QEMU up to 9.1.",
		"-device intel-iommu,aw-bits=48, if the host's IOMMU has them as well.",
		"CAP.MGAW, CAP.SAGAW; fault reason 4",
		"guest: tests/vm/test_findings.py",
	},
	{
		"ram-beyond-width", WARNING, "L1 has memory above the vIOMMU's width",
		"A GPA above the width cannot stand in an entry, so DMA to that memory cannot be expressed, and with pass-through a device "
		"does not reach it.",
		"-device intel-iommu,aw-bits=48 (or wider than the memory).",
		"CAP.MGAW",
		"guest: tests/vm/test_findings.py",
	},
	{
		"queue-error", FAULT, "QEMU takes no more invalidations",
		"A descriptor was refused, and the queue stands still until L1 clears the error. L1 waits, or goes on with old translations: "
		"nothing that it unmaps or maps from now on is announced.",
		"L1's kernel log names the descriptor (\"DMAR: VT-d detected Invalidation Queue Error\"); viommu dump --queue shows it. A "
		"reserved field in it is a bug of L1; one that only a newer specification has means that L1 expects what ECAP does not offer.",
		"VT-d specification 6.5.2.10, FSTS bits IQE, ICE, ITE",
		"guest: tests/vm/test_registers.py",
	},
	{
		"queue-stalled", FAULT, "QEMU has not taken the invalidations in the queue",
		"Head and tail differ and no error is set. QEMU takes descriptors while L1 writes the tail; after an error that L1 has cleared "
		"it goes on only when L1 writes the tail again.",
		"Look again: if it stays, and L1's kernel log has no Invalidation Queue Error, report it with a snapshot (viommu capture) and "
		"QEMU's version.",
		"QEMU: hw/i386/intel_iommu.c, vtd_fetch_inv_desc()",
		"guest: tests/vm/test_registers.py",
	},
	{
		"queue-off", NOTE, "queued invalidation is off",
		"L1 invalidates through registers, which leave no trace: whether a mapping was announced cannot be seen.",
		"Nothing, or a kernel that uses the queue: Linux does wherever ECAP.QI is 1.",
		"GSTS.QIES, ECAP.QI",
		"guest: tests/vm/test_registers.py",
	},
	{
		"queue-outside-ram", FAULT, "the invalidation queue is not in RAM",
		"IQA points to where L1 has no RAM: QEMU cannot read what L1 announces.",
		"Boot L1 again; if it comes back, report it with a snapshot (viommu capture).",
		"VT-d specification 11.4.9.3 (IQA)",
		"guest: tests/vm/test_registers.py",
	},
	{
		"fault-recorded", WARNING, "a DMA was refused",
		"QEMU refused a DMA and recorded it; L1 has not cleared the record yet. The reason is the one at that time, and what the "
		"tables say now stands beside it. 1, 2: no root or context entry; 4: above the width; 5, 6: no write or read permission; 0xc: "
		"a reserved bit; 0x50 to 0x7f: entries of scalable mode.",
		"viommu walk TARGET BDF IOVA shows the way to that address. Reasons 5 and 6 on an address that a driver once had: it was "
		"unmapped while the device still used it.",
		"VT-d specification 7.1 (fault reasons), 11.4.7 (FRCD)\n"
		"L1 says \"DMAR: [DMA Write] Request device [00:04.0] fault addr …\"",
		"guest: tests/vm/test_registers.py",
	},
	{
		"interrupt-fault-recorded", WARNING, "an interrupt was refused",
		"QEMU refused an interrupt of a device: its entry of the interrupt remapping table does not admit it. Fault reasons 0x20 to "
		"0x26.",
		"viommu dump --interrupts shows the table.",
		"VT-d specification 7.1, fault reasons 20h to 26h",
		"guest: tests/vm/test_registers.py",
	},
	{
		"fault-overflow", WARNING, "faults were lost",
		"A DMA was refused while the recording register still held another fault. At least one is not known, and QEMU records none "
		"until L1 clears the overflow.",
		"Look into L1's kernel log for the first fault.",
		"FSTS.PFO",
		"guest: tests/vm/test_registers.py",
	},
};
const guint viommu_n_kinds_unit = G_N_ELEMENTS(viommu_kinds_unit);
