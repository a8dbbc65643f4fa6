/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/backend.h"

#include <string.h>

#include "map/bind.h"
#include "sys/errno-text.h"

static int
open_vfio(struct backend *ret, const struct pci_facts *facts, struct probe_error *error)
{
	*ret = (struct backend){ .kind = &backend_vfio, .space = 1, .group = facts->group };
	ret->ranges = &ret->vfio.info.ranges;
	return vfio_open(&ret->vfio, facts, VFIO_STEP_DEVICE, error);
}

static void
close_vfio(struct backend *backend)
{
	vfio_close(&backend->vfio);
}

static int
map_vfio(struct backend *backend, viommu_iova iova, uint64_t size, const void *memory, unsigned prot)
{
	return vfio_map(&backend->vfio, iova, size, memory, prot);
}

static int
unmap_vfio(struct backend *backend, viommu_iova iova, uint64_t size, uint64_t *gone)
{
	return vfio_unmap(&backend->vfio, iova, size, gone);
}

static int
open_iommufd(struct backend *ret, const struct pci_facts *facts, struct probe_error *error)
{
	*ret = (struct backend){ .kind = &backend_iommufd, .group = -1 };
	if (iommufd_open(&ret->iommufd, facts, error) < 0)
		return -1;
	ret->space = ret->iommufd.ioas;
	ret->ranges = &ret->iommufd.ranges;
	return 0;
}

static void
close_iommufd(struct backend *backend)
{
	iommufd_close(&backend->iommufd);
}

static int
map_iommufd(struct backend *backend, viommu_iova iova, uint64_t size, const void *memory, unsigned prot)
{
	return iommufd_map(&backend->iommufd, iova, size, memory, prot);
}

static int
unmap_iommufd(struct backend *backend, viommu_iova iova, uint64_t size, uint64_t *gone)
{
	return iommufd_unmap(&backend->iommufd, iova, size, gone);
}

const struct backend_kind backend_vfio = {
	.name = "vfio",
	.record_name = "vfio-type1v2",
	.map_call = "MAP_DMA",
	.unmap_call = "UNMAP_DMA",
	.load = vfio_load_modules,
	.open = open_vfio,
	.close = close_vfio,
	.map = map_vfio,
	.unmap = unmap_vfio,
	.map_hint = errno_map_dma_hint,
};

const struct backend_kind backend_iommufd = {
	.name = "iommufd",
	.record_name = "iommufd",
	.map_call = "IOAS_MAP",
	.unmap_call = "IOAS_UNMAP",
	.load = iommufd_load_modules,
	.open = open_iommufd,
	.close = close_iommufd,
	.map = map_iommufd,
	.unmap = unmap_iommufd,
	.map_hint = errno_ioas_map_hint,
};

const struct backend_kind *
backend_find(const char *name)
{
	const struct backend_kind *const kinds[] = { &backend_vfio, &backend_iommufd };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	return NULL;
}
