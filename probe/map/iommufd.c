/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/iommufd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "map/vfio.h"
#include "sys/cap.h"
#include "sys/errno-text.h"
#include "sys/iommufd-uapi.h"

int
iommufd_open_context(int *ret, struct probe_error *error)
{
	*ret = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (*ret >= 0)
		return 0;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return probe_fail(error, errno,
			"there is no /dev/iommu: this kernel has no iommufd (Debian's kernels have none), or "
			"its module is not loaded (modprobe iommufd); use --backend vfio, or a kernel with "
			"CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV");
	case EACCES:
	case EPERM:
		return probe_fail(error, errno, "cannot open /dev/iommu: %s; run as root", strerror(errno));
	default:
		return probe_fail(error, errno, "cannot open /dev/iommu: %s", strerror(errno));
	}
}

enum { IOMMUS_MAX = 32 };

static void
take_name(const char *name, void *data)
{
	char *first = data;

	if (!first[0] && strncmp(name, "vfio", 4) == 0 && strlen(name) < 32)
		strcpy(first, name);
}

int
iommufd_device_path(const struct pci_facts *facts, char *ret, size_t size, struct probe_error *error)
{
	char path[128], name[32] = "";

	snprintf(path, sizeof path, "/bus/pci/devices/%s/vfio-dev", facts->bdf);
	(void) sysfs_each(path, take_name, name);
	/* Since 6.1 each VFIO device has a name there; a number only with the
	 * character devices of 6.6. */
	snprintf(path, sizeof path, "/bus/pci/devices/%s/vfio-dev/%s/dev", facts->bdf, name);
	if (!name[0] || !sysfs_exists(path))
		return probe_fail(error, ENODEV,
			"%s has no VFIO character device (no number in /sys/bus/pci/devices/%s/vfio-dev): "
			"use "
			"--backend vfio, or a kernel with CONFIG_VFIO_DEVICE_CDEV (6.6 or later)",
			facts->bdf, facts->bdf);
	snprintf(ret, size, "/dev/vfio/devices/%s", name);
	return 0;
}

static int
open_device(struct iommufd *iommufd, const struct pci_facts *facts, struct probe_error *error)
{
	char path[64];

	if (iommufd_device_path(facts, path, sizeof path, error) < 0)
		return -1;
	iommufd->device = open(path, O_RDWR | O_CLOEXEC);
	if (iommufd->device >= 0)
		return 0;
	return probe_fail(error, errno, "cannot open %s: %s%s", path, strerror(errno),
		errno == EACCES || errno == EPERM ? "; run as root"
		: errno == ENOENT                 ? "; is /dev a devtmpfs?"
						  : "");
}

/* What the errno values of VFIO_DEVICE_BIND_IOMMUFD come from in Linux 6.12:
 * drivers/vfio/device_cdev.c, drivers/iommu/iommufd/device.c. */
static int
fail_bind(const struct pci_facts *facts, struct probe_error *error)
{
	const int err = errno;
	char strangers[512];

	vfio_group_strangers(facts->group, facts->bdf, strangers, sizeof strangers);
	if (strangers[0])
		return probe_fail(error, err,
			"VFIO_DEVICE_BIND_IOMMUFD for %s: %s; other devices of its IOMMU group %d are in the "
			"way, bind them to vfio-pci too, or unbind them: %s",
			facts->bdf, strerror(err), facts->group, strangers);
	switch (err) {
	case EBUSY:
	case EINVAL:
		/* 6.12: EBUSY when its group is open, EINVAL when its character
		 * device is bound. */
		return probe_fail(error, EBUSY,
			"VFIO_DEVICE_BIND_IOMMUFD: %s; %s is in use by another program (a QEMU, or another "
			"viommu-probe); stop that one first",
			errno_name(err), facts->bdf);
	case EPERM:
		return probe_fail(error, err,
			"VFIO_DEVICE_BIND_IOMMUFD for %s: %s; another program has its IOMMU group, or "
			"interrupt remapping is off: give QEMU intel-iommu,intremap=on",
			facts->bdf, strerror(err));
	default:
		return probe_fail(error, err, "VFIO_DEVICE_BIND_IOMMUFD for %s: %s; see dmesg", facts->bdf,
			strerror(err));
	}
}

static bool
has_only_first_stage(const char *iommu)
{
	struct iommu_facts facts[IOMMUS_MAX];
	const size_t n = sysfs_iommus(facts, IOMMUS_MAX);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(facts[i].name, iommu) == 0)
			return facts[i].has_registers && ecap_first_stage_only(facts[i].ecap_value);
	}
	return false;
}

static int
fail_attach(const struct pci_facts *facts, struct probe_error *error)
{
	const int err = errno;

	/* intel_iommu_domain_alloc_user() of 6.12: "Do not use first stage for
	 * user domain translation". */
	if (err == EINVAL && has_only_first_stage(facts->iommu))
		return probe_fail(error, err,
			"VFIO_DEVICE_ATTACH_IOMMUFD_PT for %s: %s; this vIOMMU has a first stage only, and "
			"Linux 6.12 gives iommufd second-stage tables only; use --backend vfio, or QEMU's "
			"intel-iommu without x-flts, x-fsts",
			facts->bdf, strerror(err));
	return probe_fail(
		error, err, "VFIO_DEVICE_ATTACH_IOMMUFD_PT for %s: %s; see dmesg", facts->bdf, strerror(err));
}

static int
read_ranges(struct iommufd *iommufd, struct probe_error *error)
{
	struct uapi_iova_range range[IOVA_RANGES_MAX];
	struct uapi_ioas_iova_ranges request = { .size = sizeof request,
		.ioas_id = iommufd->ioas,
		.n = IOVA_RANGES_MAX,
		.ranges = (uint64_t) (uintptr_t) range };

	/* EMSGSIZE: there are more, and those that fit were given. */
	if (ioctl(iommufd->iommu, UAPI_IOMMU_IOAS_IOVA_RANGES, &request) < 0 && errno != EMSGSIZE)
		return probe_fail(error, errno, "IOMMU_IOAS_IOVA_RANGES: %s", strerror(errno));
	for (uint32_t i = 0; i < request.n && i < IOVA_RANGES_MAX; i++)
		iova_ranges_add(&iommufd->ranges, range[i].first, range[i].last);
	iommufd->ranges.from_kernel = true;
	if (iommufd->ranges.n == 0)
		return probe_fail(error, ENOSPC, "the IOMMU allows no IOVA at all (IOMMU_IOAS_IOVA_RANGES)");
	return 0;
}

static int
attach(struct iommufd *iommufd, const struct pci_facts *facts, struct probe_error *error)
{
	struct uapi_device_bind_iommufd bind = { .size = sizeof bind, .iommufd = iommufd->iommu };
	struct uapi_ioas_alloc alloc = { .size = sizeof alloc };
	struct uapi_device_attach_iommufd_pt attach = { .size = sizeof attach };

	if (ioctl(iommufd->device, UAPI_VFIO_DEVICE_BIND_IOMMUFD, &bind) < 0)
		return fail_bind(facts, error);
	if (ioctl(iommufd->iommu, UAPI_IOMMU_IOAS_ALLOC, &alloc) < 0)
		return probe_fail(error, errno, "IOMMU_IOAS_ALLOC: %s", strerror(errno));
	iommufd->ioas = attach.pt_id = alloc.ioas_id;
	iommufd->has_ioas = true;
	if (ioctl(iommufd->device, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) < 0)
		return fail_attach(facts, error);
	iommufd->attached = true;
	/* Asked now: an attached device is what narrows them. */
	return read_ranges(iommufd, error);
}

int
iommufd_open(struct iommufd *ret, const struct pci_facts *facts, struct probe_error *error)
{
	*ret = (struct iommufd){ .iommu = -1, .device = -1 };
	if (iommufd_open_context(&ret->iommu, error) < 0 || open_device(ret, facts, error) < 0 ||
		attach(ret, facts, error) < 0) {
		iommufd_close(ret);
		return -1;
	}
	return 0;
}

void
iommufd_close(struct iommufd *iommufd)
{
	struct uapi_device_detach_iommufd_pt detach = { .size = sizeof detach };
	struct uapi_iommu_destroy destroy = { .size = sizeof destroy, .id = iommufd->ioas };

	/* Closing would do the same; done one by one, a recorder of ioctls sees
	 * what a careful program does. */
	if (iommufd->attached)
		(void) ioctl(iommufd->device, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
	if (iommufd->has_ioas)
		(void) ioctl(iommufd->iommu, UAPI_IOMMU_DESTROY, &destroy);
	iommufd->attached = iommufd->has_ioas = false;
	if (iommufd->device >= 0)
		close(iommufd->device);
	if (iommufd->iommu >= 0)
		close(iommufd->iommu);
	iommufd->device = iommufd->iommu = -1;
}

int
iommufd_map(struct iommufd *iommufd, viommu_iova iova, uint64_t size, const void *memory, unsigned prot)
{
	struct uapi_ioas_map map = {
		.size = sizeof map,
		.flags = UAPI_IOAS_MAP_FIXED_IOVA | (prot & DMA_PROT_READ ? UAPI_IOAS_MAP_READABLE : 0) |
			 (prot & DMA_PROT_WRITE ? UAPI_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = iommufd->ioas,
		.vaddr = (uint64_t) (uintptr_t) memory,
		.length = size,
		.iova = iova.v,
	};

	return ioctl(iommufd->iommu, UAPI_IOMMU_IOAS_MAP, &map) < 0 ? -errno : 0;
}

int
iommufd_unmap(struct iommufd *iommufd, viommu_iova iova, uint64_t size, uint64_t *gone)
{
	struct uapi_ioas_unmap unmap = {
		.size = sizeof unmap, .ioas_id = iommufd->ioas, .iova = iova.v, .length = size
	};

	if (ioctl(iommufd->iommu, UAPI_IOMMU_IOAS_UNMAP, &unmap) < 0)
		return -errno;
	*gone = unmap.length;
	return 0;
}
