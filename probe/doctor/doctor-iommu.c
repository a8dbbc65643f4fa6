/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the IOMMUs and of the groups they make. */
#include <inttypes.h>
#include <string.h>

#include "doctor/doctor.h"
#include "sys/cap.h"
#include "sys/cmdline.h"

enum {
	IOMMUS_MAX = 32,
	MEMBERS_MAX = 64, /* devices listed; the rest is counted */
};

struct field_list {
	char text[1024];
	size_t len;
};

/* "CM 1 (caching mode); MGAW 39 bits (…); …" */
static void
add_field(const char *name, const char *value, const char *meaning, void *data)
{
	struct field_list *list = data;
	int wrote = snprintf(list->text + list->len, sizeof list->text - list->len, "%s%s %s (%s)",
		list->len ? "; " : "", name, value, meaning);

	if (wrote > 0 && (size_t) wrote < sizeof list->text - list->len)
		list->len += (size_t) wrote;
}

static void
check_caching_mode(struct doctor *doctor, const struct iommu_facts *iommu)
{
	if (cap_cm(iommu->cap_value)) {
		doctor_check(doctor, VERDICT_OK, "caching mode",
			"CAP.CM is 1: this kernel announces every new mapping to the vIOMMU, as a device "
			"assigned "
			"from the host needs it");
		return;
	}
	doctor_check(doctor, VERDICT_WARN, "caching mode",
		"CAP.CM is 0: new mappings are not announced. Enough for devices that QEMU emulates; a "
		"device "
		"assigned from the host (vfio-pci) would see none of them, and QEMU refuses to assign it");
	doctor_fix(doctor, "QEMU: -device intel-iommu,caching-mode=on");
}

static void
check_registers(struct doctor *doctor, const struct iommu_facts *iommu)
{
	struct field_list cap = { .len = 0 }, ecap = { .len = 0 };

	cap_each_field(iommu->cap_value, add_field, &cap);
	ecap_each_field(iommu->ecap_value, add_field, &ecap);
	doctor_more(doctor, "CAP %s: %s", iommu->cap, cap.text);
	doctor_more(doctor, "ECAP %s: %s", iommu->ecap, ecap.text);
	check_caching_mode(doctor, iommu);
	doctor_check(doctor, VERDICT_OK, "address width", "%u bits: IOVAs up to 0x%" PRIx64 "%s",
		cap_mgaw(iommu->cap_value),
		cap_mgaw(iommu->cap_value) < 64 ? (UINT64_C(1) << cap_mgaw(iommu->cap_value)) - 1
						: UINT64_MAX,
		cap_mgaw(iommu->cap_value) < 48 ? "; a mapping beyond fails with EINVAL. For more: QEMU "
						  "-device intel-iommu,aw-bits=48"
						: "");
	if (ecap_ir(iommu->ecap_value)) {
		doctor_check(doctor, VERDICT_OK, "intr. remapping", "ECAP.IR is 1");
		return;
	}
	doctor_check(doctor, VERDICT_WARN, "intr. remapping",
		"ECAP.IR is 0: VFIO refuses its IOMMU with EPERM unless vfio_iommu_type1 is loaded with "
		"allow_unsafe_interrupts=1");
	doctor_fix(doctor, "QEMU: -device intel-iommu,intremap=on (with KVM: -machine kernel-irqchip=split)");
}

static void
fail_no_iommu(struct doctor *doctor)
{
	if (sysfs_exists("/firmware/acpi/tables/DMAR")) {
		const bool asked = cmdline_switch(doctor->cmdline, "intel_iommu", "on", "off") == 1 &&
				   cmdline_switch(doctor->cmdline, "iommu", "off", "on") != 1;

		doctor_check(doctor, VERDICT_FAIL, "IOMMU",
			"the machine has one (an ACPI DMAR table is there), and the kernel does not use it%s",
			asked ? ", though intel_iommu=on is given" : "");
		doctor_fix(doctor,
			asked ? "either QEMU keeps every device away from it (default_bus_bypass_iommu=on, "
				"bypass_iommu=on: take that off), or the kernel lacks CONFIG_INTEL_IOMMU; "
				"dmesg | grep DMAR tells more"
			      : "boot the guest with intel_iommu=on, and without iommu=off; the kernel needs "
				"CONFIG_INTEL_IOMMU");
		return;
	}
	doctor_check(doctor, VERDICT_FAIL, "IOMMU",
		"none: /sys/class/iommu is empty and there is no ACPI DMAR table");
	doctor_fix(doctor, "QEMU: -machine q35 -device intel-iommu,intremap=on,caching-mode=on");
}

void
doctor_iommus(struct doctor *doctor)
{
	struct iommu_facts iommus[IOMMUS_MAX];

	doctor_section(doctor, "IOMMU");
	doctor->n_iommus = sysfs_iommus(iommus, IOMMUS_MAX);
	if (doctor->n_iommus == 0)
		fail_no_iommu(doctor);
	for (size_t i = 0; i < doctor->n_iommus; i++) {
		const struct iommu_facts *iommu = &iommus[i];

		if (!iommu->has_registers) {
			doctor_check(doctor, VERDICT_WARN, iommu->name,
				"not an Intel VT-d unit, or its registers cannot be read; viommu knows VT-d "
				"only");
			continue;
		}
		doctor_check(doctor, VERDICT_OK, iommu->name, "VT-d, registers at %s, version %s",
			iommu->address[0] ? iommu->address : "an address not told",
			iommu->version[0] ? iommu->version : "not told");
		check_registers(doctor, iommu);
	}
}

struct group_list {
	struct doctor *doctor;
	const char *group;
	size_t n_groups, n_members;
	size_t n_identity, n_other; /* default domains */
};

static const char *
without_0x(const char *text)
{
	return strncmp(text, "0x", 2) == 0 ? text + 2 : text;
}

static void
list_member(const char *name, void *data)
{
	struct group_list *list = data;
	struct pci_facts facts;
	char bdf[PCI_BDF_LEN];

	if (list->n_members++ >= MEMBERS_MAX)
		return;
	if (!parse_bdf(name, bdf) || !sysfs_pci_facts(bdf, &facts)) {
		doctor_more(list->doctor, "group %s: %s", list->group, name);
		return;
	}
	doctor_more(list->doctor, "group %s%s%s: %s [%s:%s] %s", list->group, facts.group_type[0] ? " " : "",
		facts.group_type, bdf, without_0x(facts.vendor), without_0x(facts.device),
		facts.driver[0] ? facts.driver : "(no driver)");
}

static void
list_group(const char *name, void *data)
{
	struct group_list *list = data;
	char path[320], type[32];

	list->n_groups++;
	list->group = name;
	snprintf(path, sizeof path, "/kernel/iommu_groups/%s/type", name);
	if (sysfs_read(path, type, sizeof type) > 0) {
		list->n_identity += strcmp(type, "identity") == 0;
		list->n_other += strcmp(type, "identity") != 0;
	}
	snprintf(path, sizeof path, "/kernel/iommu_groups/%s/devices", name);
	(void) sysfs_each(path, list_member, list);
}

static void
count_entry(const char *name, void *data)
{
	(void) name;
	++*(size_t *) data;
}

static void
check_default_domains(struct doctor *doctor, const struct group_list *list)
{
	if (list->n_identity + list->n_other == 0) {
		doctor_check(
			doctor, VERDICT_SKIP, "default domains", "the kernel does not tell (before 4.19)");
	} else if (list->n_identity == 0) {
		doctor_check(doctor, VERDICT_OK, "default domains",
			"all groups translate: what kernel drivers map is in the tables");
	} else {
		doctor_check(doctor, VERDICT_WARN, "default domains",
			"%zu of %zu groups have an identity domain (pass-through): what kernel drivers map "
			"there is "
			"in no table; with VFIO such a group is translated all the same",
			list->n_identity, list->n_identity + list->n_other);
		doctor_fix(doctor,
			"unbind the device's driver and echo DMA > /sys/kernel/iommu_groups/N/type; or "
			"boot without iommu=pt");
	}
}

void
doctor_groups(struct doctor *doctor)
{
	struct group_list list = { .doctor = doctor };

	(void) sysfs_each("/kernel/iommu_groups", count_entry, &doctor->n_groups);
	if (doctor->n_groups == 0) {
		doctor_check(doctor, VERDICT_FAIL, "groups", "no IOMMU groups: no device is translated");
		doctor_fix(doctor, "as above; with an IOMMU and intel_iommu=on the kernel makes the groups");
		return;
	}
	doctor_check(doctor, VERDICT_OK, "groups", "%zu", doctor->n_groups);
	(void) sysfs_each("/kernel/iommu_groups", list_group, &list);
	if (list.n_members > MEMBERS_MAX)
		doctor_more(doctor, "and %zu devices more", list.n_members - MEMBERS_MAX);
	check_default_domains(doctor, &list);
}
