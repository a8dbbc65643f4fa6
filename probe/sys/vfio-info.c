/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/vfio-info.h"

#include <linux/vfio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Younger than the header on some build hosts; values from the kernel's ABI. */
enum {
	INFO_PGSIZES = 1 << 0,
	INFO_CAPS = 1 << 1,
	CAP_IOVA_RANGE = 1, /* Linux 5.4 */
	CAP_DMA_AVAIL = 3,  /* Linux 5.10 */
	CAP_CHAIN_MAX = 64, /* a chain longer than this is a loop */
	INFO_SIZE_MAX = 1 << 20,
};

struct info_header {
	uint32_t argsz, flags;
	uint64_t page_sizes;
	uint32_t cap_offset, padding;
};

struct cap_header {
	uint16_t id, version;
	uint32_t next;
};

static bool
read_at(const void *info, size_t size, size_t offset, void *ret, size_t len)
{
	if (offset > size || len > size - offset)
		return false;
	memcpy(ret, (const char *) info + offset, len);
	return true;
}

static void
parse_ranges(struct vfio_info *ret, const void *info, size_t size, size_t offset)
{
	uint32_t n;

	if (!read_at(info, size, offset, &n, sizeof n))
		return;
	offset += 8; /* nr_iovas, reserved */
	for (uint32_t i = 0; i < n && i < IOVA_RANGES_MAX; i++) {
		struct {
			uint64_t first, last;
		} range;

		if (!read_at(info, size, offset + i * sizeof range, &range, sizeof range))
			return;
		iova_ranges_add(&ret->ranges, range.first, range.last);
		ret->ranges.from_kernel = true;
	}
}

void
vfio_parse_info(struct vfio_info *ret, const void *info, size_t size)
{
	struct info_header header = { 0 };
	struct cap_header cap;
	size_t offset;

	if (!read_at(info, size, 0, &header, offsetof(struct info_header, cap_offset)))
		return;
	if (header.flags & INFO_PGSIZES)
		ret->page_sizes = header.page_sizes;
	if (!(header.flags & INFO_CAPS) || !read_at(info, size, 0, &header, sizeof header))
		return;
	offset = header.cap_offset;
	for (unsigned i = 0; i < CAP_CHAIN_MAX && offset != 0; i++) {
		uint32_t available;

		if (!read_at(info, size, offset, &cap, sizeof cap))
			return;
		if (cap.id == CAP_IOVA_RANGE && ret->ranges.n == 0)
			parse_ranges(ret, info, size, offset + sizeof cap);
		else if (cap.id == CAP_DMA_AVAIL &&
			 read_at(info, size, offset + sizeof cap, &available, sizeof available))
			ret->available = available;
		offset = cap.next;
	}
}

static void
guess_ranges(struct vfio_info *ret)
{
	/* 39 bits is the narrowest VT-d, less the interrupt range (VT-d 3.14). */
	iova_ranges_add(&ret->ranges, 0, 0xfedfffff);
	iova_ranges_add(&ret->ranges, 0xfef00000, (1ull << 39) - 1);
}

void
vfio_read_info(struct vfio_info *ret, int container)
{
	size_t size = sizeof(struct info_header);
	struct info_header *info = calloc(1, size);

	/* The first call says how much room the second needs. */
	for (int call = 0; call < 2 && info != NULL; call++) {
		struct info_header *grown;
		uint32_t need;

		info->argsz = (uint32_t) size;
		if (ioctl(container, VFIO_IOMMU_GET_INFO, info) < 0)
			break;
		need = info->argsz;
		if (need <= size || need > INFO_SIZE_MAX || call == 1) {
			vfio_parse_info(ret, info, size);
			break;
		}
		grown = realloc(info, need);
		if (grown == NULL)
			break;
		info = grown;
		memset((char *) info + size, 0, need - size);
		size = need;
	}
	free(info);
	if (ret->ranges.n == 0)
		guess_ranges(ret);
}
