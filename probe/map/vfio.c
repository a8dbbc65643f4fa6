/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/errno-table.h"

struct stranger_list {
	const char *bdf;
	char *text;
	size_t size, len;
};

static void
add_stranger(const char *name, void *data)
{
	struct stranger_list *list = data;
	struct pci_facts facts;
	char bdf[PCI_BDF_LEN];
	int wrote;

	if (!parse_bdf(name, bdf) || strcmp(bdf, list->bdf) == 0 || !sysfs_pci_facts(bdf, &facts))
		return;
	/* What the kernel tolerates beside vfio-pci: nothing, bridges' pcieport,
	 * and pci-stub. */
	if (!facts.driver[0] || strcmp(facts.driver, "vfio-pci") == 0 ||
		strcmp(facts.driver, "pci-stub") == 0 || strcmp(facts.driver, "pcieport") == 0)
		return;
	wrote = snprintf(list->text + list->len, list->size - list->len, "%s%s (%s)", list->len ? ", " : "",
		bdf, facts.driver);
	if (wrote > 0 && (size_t) wrote < list->size - list->len)
		list->len += (size_t) wrote;
	else
		list->text[list->len] = '\0';
}

void
vfio_group_strangers(int group, const char *bdf, char *text, size_t size)
{
	struct stranger_list list = { bdf, text, size, 0 };
	char path[128];

	text[0] = '\0';
	snprintf(path, sizeof path, "/kernel/iommu_groups/%d/devices", group);
	(void) sysfs_each(path, add_stranger, &list);
}

static int
open_container(struct vfio *vfio, struct probe_error *error)
{
	int version;

	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (vfio->container < 0 && (errno == ENOENT || errno == ENODEV))
		return probe_fail(error, errno,
			"there is no /dev/vfio/vfio: load the vfio module (modprobe vfio-pci), or use a "
			"kernel "
			"with CONFIG_VFIO");
	if (vfio->container < 0)
		return probe_fail(error, errno, "cannot open /dev/vfio/vfio: %s%s", strerror(errno),
			errno == EACCES || errno == EPERM ? "; run as root" : "");
	version = ioctl(vfio->container, VFIO_GET_API_VERSION);
	if (version != VFIO_API_VERSION)
		return probe_fail(error, 0, "the kernel speaks VFIO API version %d, this program version %d",
			version, VFIO_API_VERSION);
	if (ioctl(vfio->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return probe_fail(error, 0,
			"this kernel's VFIO has no type1v2 IOMMU driver: modprobe vfio_iommu_type1");
	return 0;
}

static int
fail_group_open(const struct pci_facts *facts, const char *path, struct probe_error *error)
{
	switch (errno) {
	case EBUSY:
		return probe_fail(error, EBUSY,
			"%s is in use by another program (a QEMU, or another viommu-probe); stop that one "
			"first",
			path);
	case EACCES:
	case EPERM:
		return probe_fail(error, errno, "cannot open %s: %s; run as root", path, strerror(errno));
	case ENOENT:
		return probe_fail(error, ENOENT,
			"there is no %s although %s is bound to vfio-pci; is /dev a devtmpfs?", path,
			facts->bdf);
	default:
		return probe_fail(error, errno, "cannot open %s: %s", path, strerror(errno));
	}
}

static int
open_group(struct vfio *vfio, const struct pci_facts *facts, struct probe_error *error)
{
	struct vfio_group_status status = { .argsz = sizeof status };
	char path[64], strangers[512];

	snprintf(path, sizeof path, "/dev/vfio/%d", facts->group);
	vfio->group = open(path, O_RDWR | O_CLOEXEC);
	if (vfio->group < 0 && errno == ENOENT) {
		snprintf(path, sizeof path, "/dev/vfio/noiommu-%d", facts->group);
		if (access(path, F_OK) == 0)
			return probe_fail(error, 0,
				"group %d is in VFIO's no-IOMMU mode: no IOMMU translates for %s; give the "
				"guest an intel-iommu and boot it with intel_iommu=on",
				facts->group, facts->bdf);
		snprintf(path, sizeof path, "/dev/vfio/%d", facts->group);
		errno = ENOENT;
	}
	if (vfio->group < 0)
		return fail_group_open(facts, path, error);
	if (ioctl(vfio->group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return probe_fail(error, errno, "VFIO_GROUP_GET_STATUS on %s: %s", path, strerror(errno));
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	vfio_group_strangers(facts->group, facts->bdf, strangers, sizeof strangers);
	return probe_fail(error, EPERM,
		"IOMMU group %d is not viable: bind the other devices of the group to vfio-pci too, or "
		"unbind "
		"them: %s",
		facts->group, strangers[0] ? strangers : "(none found; see dmesg)");
}

/* "VFIO_SET_IOMMU for group 5: Operation not permitted: why; what to do" */
static int
fail_call(enum errno_call call, const char *about, const struct pci_facts *facts, struct probe_error *error)
{
	const int err = errno;

	return probe_fail(error, err, "%s%s for group %d: %s: %s", errno_call_name(call), about, facts->group,
		strerror(err), errno_hint(call, err));
}

static int
attach(struct vfio *vfio, const struct pci_facts *facts, struct probe_error *error)
{
	if (ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container) < 0)
		return fail_call(ERRNO_SET_CONTAINER, "", facts, error);
	if (ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return fail_call(ERRNO_SET_IOMMU, "(VFIO_TYPE1v2_IOMMU)", facts, error);
	vfio_read_info(&vfio->info, vfio->container);
	return 0;
}

static int
open_device(struct vfio *vfio, const struct pci_facts *facts, struct probe_error *error)
{
	char about[PCI_BDF_LEN + 4];

	vfio->device = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, facts->bdf);
	if (vfio->device >= 0)
		return 0;
	snprintf(about, sizeof about, "(%s)", facts->bdf);
	return fail_call(ERRNO_GET_DEVICE_FD, about, facts, error);
}

int
vfio_open(struct vfio *ret, const struct pci_facts *facts, enum vfio_step last, struct probe_error *error)
{
	*ret = (struct vfio){ .container = -1, .group = -1, .device = -1, .info.available = -1 };
	if (open_container(ret, error) < 0 ||
		(last >= VFIO_STEP_GROUP && open_group(ret, facts, error) < 0) ||
		(last >= VFIO_STEP_ATTACH && attach(ret, facts, error) < 0) ||
		(last >= VFIO_STEP_DEVICE && open_device(ret, facts, error) < 0)) {
		vfio_close(ret);
		return -1;
	}
	return 0;
}

static void
close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
vfio_close(struct vfio *vfio)
{
	close_one(&vfio->device);
	close_one(&vfio->group);
	close_one(&vfio->container);
}

int
vfio_map(struct vfio *vfio, viommu_iova iova, uint64_t size, const void *memory, unsigned prot)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof map,
		.flags = (prot & DMA_PROT_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (prot & DMA_PROT_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uint64_t) (uintptr_t) memory,
		.iova = iova.v,
		.size = size,
	};

	return ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

int
vfio_unmap(struct vfio *vfio, viommu_iova iova, uint64_t size, uint64_t *gone)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof unmap, .iova = iova.v, .size = size };

	if (ioctl(vfio->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		return -errno;
	*gone = unmap.size;
	return 0;
}
