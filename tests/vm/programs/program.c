/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static long
libc_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

long (*do_ioctl)(int fd, unsigned long request, void *arg) = libc_ioctl;

void
expect(int got, int wanted, const char *what)
{
	if (got == wanted)
		return;
	fprintf(stderr, "%s: %d (%s) and not %d\n", what, got, strerror(got), wanted);
	exit(1);
}

static int
checked(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return (int) result;
}

void
vfio_open(struct vfio *ret, const char *bdf)
{
	char path[96], target[256] = "";

	snprintf(ret->bdf, sizeof ret->bdf, "%s", bdf);
	snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/iommu_group", bdf);
	checked(readlink(path, target, sizeof target - 1), path);
	snprintf(path, sizeof path, "/dev/vfio%s", strrchr(target, '/'));
	ret->container = checked(open("/dev/vfio/vfio", O_RDWR), "/dev/vfio/vfio");
	ret->group = checked(open(path, O_RDWR), path);
	checked(do_ioctl(ret->group, VFIO_GROUP_SET_CONTAINER, &ret->container), "VFIO_GROUP_SET_CONTAINER");
	checked(do_ioctl(ret->container, VFIO_SET_IOMMU, (void *) VFIO_TYPE1v2_IOMMU), "VFIO_SET_IOMMU");
	ret->device =
		checked(do_ioctl(ret->group, VFIO_GROUP_GET_DEVICE_FD, ret->bdf), "VFIO_GROUP_GET_DEVICE_FD");
}

void
vfio_close(struct vfio *vfio)
{
	close(vfio->device);
	close(vfio->group);
	close(vfio->container);
}

int
vfio_map(struct vfio *vfio, uint64_t iova, void *bytes, size_t size, unsigned flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof map, .flags = flags, .vaddr = (uintptr_t) bytes, .iova = iova, .size = size
	};

	return do_ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? errno : 0;
}

int
vfio_unmap(struct vfio *vfio, uint64_t iova, size_t size, unsigned flags)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof unmap, .flags = flags, .iova = iova, .size = size
	};

	return do_ioctl(vfio->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0 ? errno : 0;
}

void *
memory(size_t size, int flags)
{
	void *ret = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);

	if (ret == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return ret;
}

void
step(int number)
{
	char path[32];

	snprintf(path, sizeof path, "/run/at.%d", number);
	close(checked(open(path, O_WRONLY | O_CREAT, 0600), path));
	snprintf(path, sizeof path, "/run/go.%d", number);
	while (access(path, F_OK) < 0)
		usleep(10000);
}

uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}
