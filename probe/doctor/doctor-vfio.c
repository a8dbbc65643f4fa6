/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the device and of VFIO. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "map/backend.h"
#include "map/bind.h"
#include "doctor/doctor.h"
#include "sys/errno-table.h"

/* Not in every build host's header: spelled out, with the kernel's numbers. */
static const struct {
	int number;
	const char *name;
} extensions[] = {
	{ 1, "TYPE1" },
	{ 2, "SPAPR_TCE" },
	{ 3, "TYPE1v2" },
	{ 4, "DMA_CC" },
	{ 5, "EEH" },
	{ 6, "TYPE1_NESTING" },
	{ 7, "SPAPR_TCE_v2" },
	{ 8, "NOIOMMU" },
	{ 9, "UNMAP_ALL" },
	{ 10, "UPDATE_VADDR" },
};

static void
check_group_type(struct doctor *doctor)
{
	const struct pci_facts *device = &doctor->device;

	if (device->group < 0) {
		doctor_check(doctor, VERDICT_FAIL, "group",
			"%s is in no IOMMU group: no IOMMU translates for it", device->bdf);
		doctor_fix(doctor, "put the device behind the vIOMMU (on q35's root bus or a root port, "
				   "without bypass_iommu), and "
				   "boot with intel_iommu=on");
		return;
	}
	if (strcmp(device->group_type, "identity") != 0 || strcmp(device->driver, "vfio-pci") == 0) {
		doctor_check(doctor, VERDICT_OK, "group", "%d%s%s%s%s", device->group,
			device->group_type[0] ? ", default domain " : "", device->group_type,
			device->iommu[0] ? ", behind " : "", device->iommu);
		return;
	}
	doctor_check(doctor, VERDICT_WARN, "group",
		"%d, default domain identity: the device's kernel driver bypasses translation (pass-through)",
		device->group);
}

static void
count_peer(const char *name, void *data)
{
	(void) name;
	++*(size_t *) data;
}

/* Devices that could reach each other behind the IOMMU's back share a group. */
static void
check_isolation(struct doctor *doctor)
{
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof path, "/kernel/iommu_groups/%d/devices", doctor->device.group);
	(void) sysfs_each(path, count_peer, &n);
	if (n < 2) {
		doctor_check(doctor, VERDICT_OK, "isolation", "the device has its IOMMU group for itself");
		return;
	}
	doctor_check(doctor, VERDICT_WARN, "isolation",
		"%zu devices share the group, since no ACS (PCIe 6.12) keeps them apart: all of them, or "
		"none, go to "
		"VFIO",
		n);
	doctor_fix(doctor,
		"QEMU: give the device a pcie-root-port of its own; not a function beside others, nor "
		"behind a PCI bridge");
}

static void
check_binding(struct doctor *doctor)
{
	const struct pci_facts *device = &doctor->device;
	char text[768];

	if (strcmp(device->driver, "vfio-pci") == 0) {
		doctor_check(doctor, VERDICT_OK, "driver", "vfio-pci");
	} else {
		pci_bind_commands(device, text, sizeof text);
		doctor_check(doctor, VERDICT_WARN, "driver", "%s; VFIO needs vfio-pci",
			device->driver[0] ? device->driver : "none");
		doctor_fix(doctor, "viommu-probe map %s --bind, or:\n%s", device->bdf, text);
	}
	if (device->group < 0)
		return;
	check_isolation(doctor);
	vfio_group_strangers(device->group, device->bdf, text, sizeof text);
	if (text[0]) {
		doctor_check(doctor, VERDICT_FAIL, "group members",
			"the group cannot be used by VFIO while these devices of it have their drivers: %s",
			text);
		doctor_fix(doctor, "bind them to vfio-pci too, or unbind them");
	} else {
		doctor_check(
			doctor, VERDICT_OK, "group members", "no other device of the group is in the way");
	}
}

void
doctor_device(struct doctor *doctor)
{
	doctor_section(doctor, "Device");
	if (doctor->bdf == NULL) {
		doctor_check(doctor, VERDICT_SKIP, "device", "none named; try: viommu-probe doctor 00:04.0");
		return;
	}
	doctor->device_found = sysfs_pci_facts(doctor->bdf, &doctor->device);
	if (!doctor->device_found) {
		doctor_check(doctor, VERDICT_FAIL, "device", "there is no PCI device %s", doctor->bdf);
		doctor_fix(doctor, "ls /sys/bus/pci/devices shows those there are");
		return;
	}
	doctor_check(doctor, VERDICT_OK, "device", "%s [%s:%s] class %s", doctor->device.bdf,
		doctor->device.vendor, doctor->device.device, doctor->device.class);
	check_group_type(doctor);
	check_binding(doctor);
}

static void
check_extensions(struct doctor *doctor, int container)
{
	char text[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
		if (ioctl(container, VFIO_CHECK_EXTENSION, extensions[i].number) > 0 && len < sizeof text)
			len += (size_t) snprintf(text + len, sizeof text - len, "%s%s (%d)", len ? ", " : "",
				extensions[i].name, extensions[i].number);
	}
	if (ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) > 0) {
		doctor_check(doctor, VERDICT_OK, "extensions", "%s", text);
		return;
	}
	doctor_check(doctor, doctor->modules_absent ? VERDICT_SKIP : VERDICT_FAIL, "extensions",
		"no TYPE1v2 (3); there are: %s", text[0] ? text : "none");
	doctor_fix(doctor, "modprobe vfio_iommu_type1");
}

static void
check_entry_limit(struct doctor *doctor)
{
	char text[32];
	uint64_t limit;

	if (sysfs_read("/module/vfio_iommu_type1/parameters/dma_entry_limit", text, sizeof text) < 0 ||
		!sysfs_number(text, 10, &limit))
		return;
	doctor_check(doctor, limit < 65535 ? VERDICT_WARN : VERDICT_OK, "dma_entry_limit",
		"%" PRIu64 " mappings for each container; the next MAP_DMA fails with ENOSPC", limit);
	if (limit < 65535)
		doctor_fix(doctor, "before the container is opened:\n"
				   "  echo 65535 > /sys/module/vfio_iommu_type1/parameters/dma_entry_limit");
}

static void
fail_container(struct doctor *doctor, int err)
{
	if (err == EACCES || err == EPERM) {
		doctor_check(doctor, VERDICT_SKIP, "/dev/vfio/vfio", "%s; run as root to look further",
			strerror(err));
		return;
	}
	if (doctor->modules_absent) {
		doctor_check(doctor, VERDICT_SKIP, "/dev/vfio/vfio", "%s, for want of the modules above",
			strerror(err));
		return;
	}
	doctor_check(doctor, VERDICT_FAIL, "/dev/vfio/vfio", "%s: %s", strerror(err),
		errno_hint(ERRNO_OPEN_CONTAINER, err));
}

static void
check_group_node(struct doctor *doctor)
{
	struct probe_error error;
	struct vfio vfio;

	if (!doctor->device_found || doctor->device.group < 0 ||
		strcmp(doctor->device.driver, "vfio-pci") != 0)
		return;
	if (vfio_open(&vfio, &doctor->device, VFIO_STEP_GROUP, &error) == 0) {
		doctor_check(doctor, VERDICT_OK, "group viable",
			"/dev/vfio/%d opens, the group is viable and free", doctor->device.group);
		vfio_close(&vfio);
	} else if (error.err == EBUSY || error.err == EACCES) {
		doctor_check(doctor, VERDICT_SKIP, "group viable", "%s", error.text);
	} else {
		doctor_check(doctor, VERDICT_FAIL, "group viable", "%s", error.text);
	}
}

/* A kernel without it is as good: VFIO's own containers do the same. */
static void
check_iommufd(struct doctor *doctor)
{
	struct probe_error error;
	char path[64];
	int iommu;

	if (iommufd_open_context(&iommu, &error) < 0) {
		doctor_check(doctor, VERDICT_SKIP, "iommufd", "%s", error.text);
		return;
	}
	close(iommu);
	doctor_check(doctor, VERDICT_OK, "iommufd", "/dev/iommu opens");
	if (!doctor->device_found || strcmp(doctor->device.driver, "vfio-pci") != 0)
		return;
	doctor->has_iommufd = iommufd_device_path(&doctor->device, path, sizeof path, &error) == 0;
	doctor_check(doctor, doctor->has_iommufd ? VERDICT_OK : VERDICT_WARN, "VFIO device", "%s",
		doctor->has_iommufd ? path : error.text);
}

static void
check_container(struct doctor *doctor)
{
	int container, version;

	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container < 0) {
		fail_container(doctor, errno);
		return;
	}
	version = ioctl(container, VFIO_GET_API_VERSION);
	doctor_check(doctor, version == VFIO_API_VERSION ? VERDICT_OK : VERDICT_FAIL, "/dev/vfio/vfio",
		"opens, API version %d", version);
	check_extensions(doctor, container);
	close(container);
	check_entry_limit(doctor);
	check_group_node(doctor);
}

void
doctor_vfio(struct doctor *doctor)
{
	doctor_section(doctor, "VFIO");
	doctor_modules(doctor);
	check_container(doctor);
	check_iommufd(doctor);
}
