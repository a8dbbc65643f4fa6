/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the device and of VFIO, and the trial that shows both at work. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backend.h"
#include "bind.h"
#include "buffer.h"
#include "doctor.h"

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
	doctor_check(
		doctor, VERDICT_FAIL, "extensions", "no TYPE1v2 (3); there are: %s", text[0] ? text : "none");
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
}

static void
fail_container(struct doctor *doctor, int err)
{
	if (err == EACCES || err == EPERM) {
		doctor_check(doctor, VERDICT_SKIP, "/dev/vfio/vfio", "%s; run as root to look further",
			strerror(err));
		return;
	}
	doctor_check(doctor, VERDICT_FAIL, "/dev/vfio/vfio", "%s", strerror(err));
	doctor_fix(doctor, "modprobe vfio-pci (`map --bind` does it); the kernel needs CONFIG_VFIO, "
			   "CONFIG_VFIO_IOMMU_TYPE1, CONFIG_VFIO_PCI");
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
	check_container(doctor);
	check_iommufd(doctor);
}

/* VFIO_IOMMU_ENABLE is where many people stop, for no reason. */
static void
try_enable(struct doctor *doctor, struct vfio *vfio)
{
	if (ioctl(vfio->container, VFIO_IOMMU_ENABLE) == 0) {
		doctor_check(doctor, VERDICT_WARN, "IOMMU_ENABLE",
			"succeeded, which a type1 container does not do");
		return;
	}
	if (errno != ENOTTY) {
		doctor_check(doctor, VERDICT_WARN, "IOMMU_ENABLE", "%s, where type1 answers ENOTTY",
			errno_name(errno));
		return;
	}
	doctor_check(doctor, VERDICT_OK, "IOMMU_ENABLE",
		"ENOTTY, and that is right: VFIO_IOMMU_ENABLE belongs to the sPAPR TCE backend (POWER). A "
		"type1 "
		"container has no such ioctl, on bare metal neither; it is not a limit of nested "
		"virtualization. Type1 is enabled by VFIO_SET_IOMMU, and mapping works without it, as shown "
		"next");
}

static void
try_map(struct doctor *doctor, struct backend *backend)
{
	const struct backend_kind *kind = backend->kind;
	const struct pattern_item item = { .size = PAGE_4K, .page_size = PAGE_4K };
	struct prng prng = { 1 };
	struct buffer buffer = { 0 };
	struct probe_error error;
	uint64_t iova = 0x40000000, gone = 0;
	int err;

	if (!iova_ranges_hold(backend->ranges, iova, PAGE_4K))
		iova = backend->ranges->range[0].first;
	if (buffer_alloc(&buffer, &item, &prng, &error) < 0) {
		doctor_check(doctor, VERDICT_SKIP, kind->map_call, "%s", error.text);
		return;
	}
	err = kind->map(backend, VIOMMU_IOVA(iova), PAGE_4K, buffer.addr, DMA_PROT_READ | DMA_PROT_WRITE);
	if (err < 0) {
		doctor_check(doctor, VERDICT_FAIL, kind->map_call, "one page at IOVA 0x%" PRIx64 ": %s: %s",
			iova, errno_name(-err), kind->map_hint(-err));
	} else {
		doctor_check(
			doctor, VERDICT_OK, kind->map_call, "one page at IOVA 0x%" PRIx64 " mapped", iova);
		err = kind->unmap(backend, VIOMMU_IOVA(iova), PAGE_4K, &gone);
		doctor_check(doctor, err == 0 && gone == PAGE_4K ? VERDICT_OK : VERDICT_FAIL, kind->unmap_call,
			"%s, 0x%" PRIx64 " bytes unmapped", err == 0 ? "done" : errno_name(-err), gone);
	}
	buffer_free(&buffer);
}

static void
tell_ranges(struct doctor *doctor, const struct iova_ranges *ranges)
{
	if (!ranges->from_kernel)
		doctor_more(doctor, "the kernel (before 5.4) does not tell which IOVAs it allows");
	for (size_t i = 0; ranges->from_kernel && i < ranges->n; i++)
		doctor_more(doctor, "IOVAs allowed: 0x%" PRIx64 " - 0x%" PRIx64, ranges->range[i].first,
			ranges->range[i].last);
}

/* Opens the device in an address space of its own.  BAD: the verdict when that
 * fails; NAME: of the check; SEEN: what to say when it worked. */
static bool
try_open(struct doctor *doctor, const struct backend_kind *kind, struct backend *ret, enum verdict bad,
	const char *name, const char *seen)
{
	struct probe_error error;

	if (kind->open(ret, &doctor->device, &error) < 0) {
		const bool cannot_look = error.err == EBUSY || error.err == EACCES;

		doctor_check(doctor, cannot_look ? VERDICT_SKIP : bad, name, "%s", error.text);
		return false;
	}
	doctor_check(doctor, VERDICT_OK, name, "%s, %s is open and attached", seen, doctor->device.bdf);
	tell_ranges(doctor, ret->ranges);
	return true;
}

static void
try_iommufd(struct doctor *doctor)
{
	struct backend backend;

	if (!doctor->has_iommufd)
		return;
	/* Most programs do without it, so it is no reason to say FAIL. */
	if (!try_open(doctor, &backend_iommufd, &backend, VERDICT_WARN, "ATTACH_IOMMUFD",
		    "bound to an iommufd"))
		return;
	try_map(doctor, &backend);
	backend.kind->close(&backend);
}

void
doctor_trial(struct doctor *doctor)
{
	struct backend backend;

	doctor_section(doctor, "Trial");
	if (!doctor->device_found || doctor->device.group < 0 ||
		strcmp(doctor->device.driver, "vfio-pci") != 0) {
		doctor_check(doctor, VERDICT_SKIP, "mapping",
			"needs a device in an IOMMU group that is bound to vfio-pci");
		return;
	}
	if (try_open(doctor, &backend_vfio, &backend, VERDICT_FAIL, "SET_IOMMU", "type1v2 set")) {
		if (backend.vfio.available >= 0)
			doctor_more(doctor, "mappings still available: %" PRId64, backend.vfio.available);
		try_enable(doctor, &backend.vfio);
		try_map(doctor, &backend);
		backend.kind->close(&backend);
	}
	try_iommufd(doctor);
}
