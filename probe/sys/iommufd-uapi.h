/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the iommufd interface that the probe uses, with the numbers and
 * layouts of the kernel's ABI (Linux 6.6 and later: include/uapi/linux/iommufd.h,
 * and vfio.h for the last three).  Spelled out because the headers of build
 * hosts are older: Debian 12 has those of 6.1.
 */
#ifndef PROBE_IOMMUFD_UAPI_H
#define PROBE_IOMMUFD_UAPI_H

#include <stdint.h>
#include <sys/ioctl.h>

/* Each request begins with its own size, and reserved fields are 0. */
#define UAPI_IOMMU_DESTROY _IO(';', 0x80)
#define UAPI_IOMMU_IOAS_ALLOC _IO(';', 0x81)
#define UAPI_IOMMU_IOAS_IOVA_RANGES _IO(';', 0x84)
#define UAPI_IOMMU_IOAS_MAP _IO(';', 0x85)
#define UAPI_IOMMU_IOAS_UNMAP _IO(';', 0x86)
#define UAPI_VFIO_DEVICE_BIND_IOMMUFD _IO(';', 100 + 18)
#define UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(';', 100 + 19)
#define UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT _IO(';', 100 + 20)

enum uapi_ioas_map_flag {
	UAPI_IOAS_MAP_FIXED_IOVA = 1 << 0,
	UAPI_IOAS_MAP_WRITEABLE = 1 << 1,
	UAPI_IOAS_MAP_READABLE = 1 << 2,
};

struct uapi_iommu_destroy {
	uint32_t size, id;
};

struct uapi_ioas_alloc {
	uint32_t size, flags;
	uint32_t ioas_id; /* out */
};

struct uapi_iova_range {
	uint64_t first, last;
};

struct uapi_ioas_iova_ranges {
	uint32_t size, ioas_id;
	uint32_t n; /* in: room; out: how many there are, with EMSGSIZE when more than the room */
	uint32_t reserved;
	uint64_t ranges;    /* pointer to uapi_iova_range */
	uint64_t alignment; /* out */
};

struct uapi_ioas_map {
	uint32_t size, flags;
	uint32_t ioas_id, reserved;
	uint64_t vaddr, length, iova;
};

struct uapi_ioas_unmap {
	uint32_t size, ioas_id;
	uint64_t iova;
	uint64_t length; /* out: what was unmapped */
};

struct uapi_device_bind_iommufd {
	uint32_t size, flags;
	int32_t iommufd;
	uint32_t device_id; /* out */
};

struct uapi_device_attach_iommufd_pt {
	uint32_t size, flags;
	uint32_t pt_id; /* an IOAS; out: the page table that the kernel made for it */
};

struct uapi_device_detach_iommufd_pt {
	uint32_t size, flags;
};

#endif
