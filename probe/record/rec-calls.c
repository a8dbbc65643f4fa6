/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-calls.h"

#include <stdio.h>
#include <string.h>

#include <linux/vfio.h>

#include "sys/iommufd-uapi.h"
#include "sys/parse.h"

/* Newer than the headers of build hosts (see iommufd-uapi.h). */
#define UAPI_IOMMU_IOAS_COPY _IO(';', 0x83)
#define UAPI_IOMMU_HWPT_ALLOC _IO(';', 0x89)
#define UAPI_IOMMU_IOAS_MAP_FILE _IO(';', 0x8f) /* Linux 6.13 */

struct uapi_ioas_copy {
	uint32_t size, flags;
	uint32_t dst_ioas_id, src_ioas_id;
	uint64_t length, dst_iova, src_iova;
};

struct uapi_ioas_map_file {
	uint32_t size, flags;
	uint32_t ioas_id;
	int32_t fd;
	uint64_t start, length, iova;
};

/* The beginning, which is all of it that matters here. */
struct uapi_hwpt_alloc {
	uint32_t size, flags;
	uint32_t dev_id, pt_id;
	uint32_t out_hwpt_id;
};

const struct rec_request rec_requests[] = {
	{ VFIO_SET_IOMMU, REC_SET_IOMMU, REC_CONTAINER, 0, "VFIO_SET_IOMMU" },
	{ VFIO_GROUP_SET_CONTAINER, REC_SET_CONTAINER, REC_GROUP, 4, "VFIO_GROUP_SET_CONTAINER" },
	{ VFIO_GROUP_UNSET_CONTAINER, REC_UNSET_CONTAINER, REC_GROUP, 0, "VFIO_GROUP_UNSET_CONTAINER" },
	{ VFIO_GROUP_GET_DEVICE_FD, REC_GET_DEVICE, REC_GROUP, REC_DEVICE_NAME, "VFIO_GROUP_GET_DEVICE_FD" },
	{ VFIO_IOMMU_MAP_DMA, REC_MAP, REC_CONTAINER, sizeof(struct vfio_iommu_type1_dma_map),
		"VFIO_IOMMU_MAP_DMA" },
	{ VFIO_IOMMU_UNMAP_DMA, REC_UNMAP, REC_CONTAINER, sizeof(struct vfio_iommu_type1_dma_unmap),
		"VFIO_IOMMU_UNMAP_DMA" },
	{ UAPI_VFIO_DEVICE_BIND_IOMMUFD, REC_BIND, REC_CDEV, sizeof(struct uapi_device_bind_iommufd),
		"VFIO_DEVICE_BIND_IOMMUFD" },
	{ UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, REC_ATTACH, REC_CDEV,
		sizeof(struct uapi_device_attach_iommufd_pt), "VFIO_DEVICE_ATTACH_IOMMUFD_PT" },
	{ UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, REC_DETACH, REC_CDEV,
		sizeof(struct uapi_device_detach_iommufd_pt), "VFIO_DEVICE_DETACH_IOMMUFD_PT" },
	{ UAPI_IOMMU_DESTROY, REC_DESTROY, REC_IOMMUFD, sizeof(struct uapi_iommu_destroy), "IOMMU_DESTROY" },
	{ UAPI_IOMMU_IOAS_ALLOC, REC_IOAS_ALLOC, REC_IOMMUFD, sizeof(struct uapi_ioas_alloc),
		"IOMMU_IOAS_ALLOC" },
	{ UAPI_IOMMU_IOAS_COPY, REC_IOAS_COPY, REC_IOMMUFD, sizeof(struct uapi_ioas_copy),
		"IOMMU_IOAS_COPY" },
	{ UAPI_IOMMU_IOAS_MAP, REC_IOAS_MAP, REC_IOMMUFD, sizeof(struct uapi_ioas_map), "IOMMU_IOAS_MAP" },
	{ UAPI_IOMMU_IOAS_UNMAP, REC_IOAS_UNMAP, REC_IOMMUFD, sizeof(struct uapi_ioas_unmap),
		"IOMMU_IOAS_UNMAP" },
	{ UAPI_IOMMU_IOAS_MAP_FILE, REC_IOAS_MAP_FILE, REC_IOMMUFD, sizeof(struct uapi_ioas_map_file),
		"IOMMU_IOAS_MAP_FILE" },
	{ UAPI_IOMMU_HWPT_ALLOC, REC_HWPT_ALLOC, REC_IOMMUFD, sizeof(struct uapi_hwpt_alloc),
		"IOMMU_HWPT_ALLOC" },
};
const size_t rec_n_requests = sizeof rec_requests / sizeof rec_requests[0];

const struct rec_request *
rec_request_find(uint32_t number, enum rec_kind kind)
{
	for (size_t i = 0; i < rec_n_requests; i++) {
		if (rec_requests[i].number == number && rec_requests[i].kind == kind)
			return &rec_requests[i];
	}
	return NULL;
}

/* The two backends number the permissions differently. */
static unsigned
prot_of_vfio(uint32_t flags)
{
	return (flags & VFIO_DMA_MAP_FLAG_READ ? DMA_PROT_READ : 0) |
	       (flags & VFIO_DMA_MAP_FLAG_WRITE ? DMA_PROT_WRITE : 0);
}

static unsigned
prot_of_ioas(uint32_t flags)
{
	return (flags & UAPI_IOAS_MAP_READABLE ? DMA_PROT_READ : 0) |
	       (flags & UAPI_IOAS_MAP_WRITEABLE ? DMA_PROT_WRITE : 0);
}

union argument {
	char bytes[REC_ARG_MAX];
	int32_t fd;
	struct vfio_iommu_type1_dma_map map;
	struct vfio_iommu_type1_dma_unmap unmap;
	struct uapi_device_bind_iommufd bind;
	struct uapi_device_attach_iommufd_pt attach;
	struct uapi_iommu_destroy destroy;
	struct uapi_ioas_alloc ioas_alloc;
	struct uapi_ioas_copy copy;
	struct uapi_ioas_map ioas_map;
	struct uapi_ioas_unmap ioas_unmap;
	struct uapi_ioas_map_file map_file;
	struct uapi_hwpt_alloc hwpt;
};

static void
take_vfio(struct rec_call *ret, const union argument *arg)
{
	switch (ret->request->op) {
	case REC_SET_CONTAINER:
		ret->other_fd = arg->fd;
		break;
	case REC_GET_DEVICE:
		snprintf(ret->device, sizeof ret->device, "%.*s", REC_DEVICE_NAME - 1, arg->bytes);
		break;
	case REC_MAP:
		ret->vaddr_only = arg->map.flags & VFIO_DMA_MAP_FLAG_VADDR;
		ret->prot = prot_of_vfio(arg->map.flags);
		ret->iova = arg->map.iova;
		ret->size = arg->map.size;
		ret->vaddr = arg->map.vaddr;
		break;
	case REC_UNMAP:
		ret->all = arg->unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL;
		ret->vaddr_only = arg->unmap.flags & VFIO_DMA_UNMAP_FLAG_VADDR;
		ret->iova = arg->unmap.iova;
		ret->size = arg->unmap.size;
		break;
	case REC_BIND:
		ret->other_fd = arg->bind.iommufd;
		break;
	case REC_ATTACH:
		ret->id = arg->attach.pt_id;
		break;
	default:
		break;
	}
}

static void
take_ioas(struct rec_call *ret, const union argument *arg)
{
	switch (ret->request->op) {
	case REC_DESTROY:
		ret->id = arg->destroy.id;
		break;
	case REC_IOAS_COPY:
		ret->prot = prot_of_ioas(arg->copy.flags);
		ret->id = arg->copy.dst_ioas_id;
		ret->source = arg->copy.src_ioas_id;
		ret->size = arg->copy.length;
		ret->iova = arg->copy.dst_iova;
		ret->from = arg->copy.src_iova;
		break;
	case REC_IOAS_MAP:
		ret->prot = prot_of_ioas(arg->ioas_map.flags);
		ret->id = arg->ioas_map.ioas_id;
		ret->vaddr = arg->ioas_map.vaddr;
		ret->size = arg->ioas_map.length;
		ret->iova = arg->ioas_map.iova;
		break;
	case REC_IOAS_UNMAP:
		ret->id = arg->ioas_unmap.ioas_id;
		ret->iova = arg->ioas_unmap.iova;
		ret->size = arg->ioas_unmap.length;
		ret->all = ret->iova == 0 && ret->size == UINT64_MAX;
		break;
	case REC_IOAS_MAP_FILE:
		ret->prot = prot_of_ioas(arg->map_file.flags);
		ret->id = arg->map_file.ioas_id;
		ret->other_fd = arg->map_file.fd;
		ret->from = arg->map_file.start;
		ret->size = arg->map_file.length;
		ret->iova = arg->map_file.iova;
		break;
	case REC_HWPT_ALLOC:
		ret->source = arg->hwpt.pt_id;
		break;
	default:
		break;
	}
}

bool
rec_decode(struct rec_call *ret, const struct rec_request *request, int fd, uint64_t arg, const void *bytes,
	size_t size)
{
	union argument argument = { 0 };

	*ret = (struct rec_call){ .request = request, .fd = fd, .arg = arg, .other_fd = -1 };
	if (request->op == REC_SET_IOMMU)
		ret->id = (uint32_t) arg;
	/* A name ends where it ends; the rest has to be there. */
	if (request->op == REC_GET_DEVICE ? size == 0 : size < request->size)
		return false;
	if (size > 0)
		memcpy(&argument, bytes, size < sizeof argument ? size : sizeof argument);
	ret->readable = true;
	take_vfio(ret, &argument);
	take_ioas(ret, &argument);
	return true;
}

void
rec_decode_answer(struct rec_call *call, const void *bytes, size_t size)
{
	union argument argument = { 0 };

	if (size == 0 || size < call->request->size)
		return;
	memcpy(&argument, bytes, size < sizeof argument ? size : sizeof argument);
	switch (call->request->op) {
	case REC_IOAS_ALLOC:
		call->id = argument.ioas_alloc.ioas_id;
		break;
	case REC_HWPT_ALLOC:
		call->id = argument.hwpt.out_hwpt_id;
		break;
	/* Without FIXED_IOVA the kernel chooses. */
	case REC_IOAS_MAP:
		call->iova = argument.ioas_map.iova;
		break;
	case REC_IOAS_COPY:
		call->iova = argument.copy.dst_iova;
		break;
	case REC_IOAS_MAP_FILE:
		call->iova = argument.map_file.iova;
		break;
	default:
		break;
	}
}

bool
rec_restarts(int64_t result)
{
	/* ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK: seen
	 * by a tracer only (Linux, include/linux/errno.h). */
	return result == -512 || result == -513 || result == -514 || result == -516;
}
