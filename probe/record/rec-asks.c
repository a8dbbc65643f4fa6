/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-asks.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "sys/iommufd-uapi.h"
#include "sys/pagemap.h"
#include "sys/vfio-info.h"

static void
watch_file(void *data, pid_t pid, int fd, dev_t device)
{
	rec_watch_add(data, pid, fd, device);
}

/* Both questions only read. */
static bool
ask_container(pid_t pid, int fd, struct iova_ranges *ret)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof info };
	const int container = rec_fd_borrow(pid, fd);
	struct vfio_info told = { .available = -1 };
	bool found;

	if (container < 0)
		return false;
	found = ioctl(container, VFIO_IOMMU_GET_INFO, &info) == 0;
	if (found)
		vfio_read_info(&told, container);
	close(container);
	*ret = told.ranges;
	return found;
}

static bool
ask_ioas(pid_t pid, int fd, uint32_t id, struct iova_ranges *ret)
{
	struct uapi_iova_range range[IOVA_RANGES_MAX];
	struct uapi_ioas_iova_ranges ask = {
		.size = sizeof ask, .ioas_id = id, .n = IOVA_RANGES_MAX, .ranges = (uintptr_t) range
	};
	const int iommufd = rec_fd_borrow(pid, fd);
	bool found;

	if (iommufd < 0)
		return false;
	found = ioctl(iommufd, UAPI_IOMMU_IOAS_IOVA_RANGES, &ask) == 0;
	close(iommufd);
	*ret = (struct iova_ranges){ .from_kernel = true };
	for (uint32_t i = 0; found && i < ask.n && i < IOVA_RANGES_MAX; i++)
		iova_ranges_add(ret, range[i].first, range[i].last);
	return found;
}

/* A file that is not bound gives no access to its device. */
static bool
ask_bound(pid_t pid, int fd)
{
	struct vfio_device_info info = { .argsz = sizeof info };
	const int device = rec_fd_borrow(pid, fd);
	bool ret;

	if (device < 0)
		return false;
	ret = ioctl(device, VFIO_DEVICE_GET_INFO, &info) == 0;
	close(device);
	return ret;
}

/* The pages are pinned and so in the page cache: mapping them here brings up the
 * same ones.  MAP_POPULATE and not a touch: the file may have become shorter. */
static int
ask_file(struct rec_backing *ret, pid_t pid, int fd, uint64_t from, uint64_t size)
{
	const int file = rec_fd_borrow(pid, fd);
	void *memory;
	int err;

	extents_clear(&ret->extents);
	ret->bar[0] = '\0';
	ret->page_size = 0;
	if (file < 0)
		return -1;
	memory = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, (off_t) from);
	close(file);
	if (memory == MAP_FAILED)
		return -1;
	err = pagemap_read(memory, size, &ret->extents);
	munmap(memory, size);
	return err;
}

void
rec_asks_begin(struct rec_asks *ret, struct rec_watch *watch)
{
	*ret = (struct rec_asks){
		.world = { .look = rec_fd_look,
			.same = rec_fd_same,
			.watch = watch_file,
			.watch_data = watch },
		.memory = rec_memory_read,
		.file = ask_file,
		.container = ask_container,
		.ioas = ask_ioas,
		.bound = ask_bound,
		.ending = rec_fd_ending,
	};
}
