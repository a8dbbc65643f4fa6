/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iommufd: an address space that is filled before a device comes, a copy of it,
 * a page table made by hand, and an end by close(). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "program.h"

/* Those of include/uapi/linux/iommufd.h (Linux 6.6 and later), which build hosts
 * need not have. */
struct ioas_alloc {
	uint32_t size, flags, id;
};
struct ioas_map {
	uint32_t size, flags, ioas, reserved;
	uint64_t vaddr, length, iova;
};
struct ioas_map_file {
	uint32_t size, flags, ioas;
	int32_t fd;
	uint64_t start, length, iova;
};
struct ioas_unmap {
	uint32_t size, ioas;
	uint64_t iova, length;
};
struct ioas_copy {
	uint32_t size, flags, dst, src;
	uint64_t length, dst_iova, src_iova;
};
struct hwpt_alloc {
	uint32_t size, flags, device, pt, id, reserved, type, length;
	uint64_t data;
	uint32_t fault, reserved2;
};
struct bind {
	uint32_t size, flags;
	int32_t iommufd;
	uint32_t device;
};
struct attach {
	uint32_t size, flags, pt;
};
struct destroy {
	uint32_t size, id;
};

enum { FIXED_RW = 1 | 2 | 4, RW = 2 | 4 };

static int iommufd, device;

static int
call(int fd, int number, void *arg)
{
	return do_ioctl(fd, _IO(';', number), arg) < 0 ? errno : 0;
}

static uint32_t
alloc(void)
{
	struct ioas_alloc alloc = { .size = sizeof alloc };

	expect(call(iommufd, 0x81, &alloc), 0, "IOMMU_IOAS_ALLOC");
	return alloc.id;
}

static int
map(uint32_t ioas, uint64_t iova, size_t size, uint32_t flags)
{
	struct ioas_map map = { sizeof map, flags, ioas, 0, (uintptr_t) memory(size, 0), size, iova };

	return call(iommufd, 0x85, &map);
}

/* ENOTTY before Linux 6.13. */
static void
map_file(uint32_t ioas)
{
	struct ioas_map_file map = { sizeof map, FIXED_RW, ioas, memfd_create("pages", 0), PAGE, 2 * PAGE,
		0xb0000000 };
	int err;

	expect(ftruncate(map.fd, 4 * PAGE), 0, "ftruncate");
	err = call(iommufd, 0x8f, &map);
	expect(err == 0 || err == ENOTTY, 1, "IOMMU_IOAS_MAP_FILE");
	close(map.fd);
}

static void
unmap(uint32_t ioas, uint64_t iova, uint64_t length, int wanted)
{
	struct ioas_unmap unmap = { sizeof unmap, ioas, iova, length };

	expect(call(iommufd, 0x86, &unmap), wanted, "IOMMU_IOAS_UNMAP");
}

static void
attach(uint32_t pt)
{
	struct attach attach = { sizeof attach, 0, pt };

	expect(call(device, 100 + 19, &attach), 0, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

static uint32_t
bind(const char *path)
{
	struct bind bind = { .size = sizeof bind };

	iommufd = open("/dev/iommu", O_RDWR);
	device = open(path, O_RDWR);
	expect(iommufd < 0 || device < 0, 0, path);
	bind.iommufd = iommufd;
	expect(call(device, 100 + 18, &bind), 0, "VFIO_DEVICE_BIND_IOMMUFD");
	return bind.device;
}

int
main(int argc, char **argv)
{
	struct hwpt_alloc hwpt = { .size = sizeof hwpt };
	struct ioas_copy copy = { .size = sizeof copy, .flags = FIXED_RW };
	struct attach detach = { .size = 8 };
	uint32_t first, second;

	expect(argc, 2, "arguments"); /* /dev/vfio/devices/vfioN */
	hwpt.device = bind(argv[1]);
	first = alloc();
	second = alloc();
	expect(map(first, 0x40000000, 8 * PAGE, FIXED_RW), 0, "map");
	expect(map(first, 0, 4 * PAGE, RW), 0, "map where the kernel likes");
	expect(map(first, 0x40000000, PAGE, FIXED_RW), EEXIST, "map twice");
	step(1); /* no device yet */
	attach(first);
	expect(map(first, 0xc0000000, 2 * PAGE, FIXED_RW), 0, "map");
	unmap(first, 0xc0000000, 2 * PAGE, 0);
	unmap(first, 0xc0000000, 2 * PAGE, ENOENT);
	map_file(first);
	step(2);
	copy.dst = second;
	copy.src = first;
	copy.length = 4 * PAGE;
	copy.dst_iova = 0x90000000;
	copy.src_iova = 0x40002000;
	expect(call(iommufd, 0x83, &copy), 0, "IOMMU_IOAS_COPY");
	hwpt.pt = second;
	expect(call(iommufd, 0x89, &hwpt), 0, "IOMMU_HWPT_ALLOC");
	attach(hwpt.id); /* in the place of the first */
	step(3);
	unmap(first, 0, UINT64_MAX, 0);
	expect(call(device, 100 + 20, &detach), 0, "VFIO_DEVICE_DETACH_IOMMUFD_PT");
	attach(second);
	step(4);
	close(device);
	close(iommufd);
	(void) bind(argv[1]); /* the same numbers again */
	first = alloc();
	expect(map(first, 0xa0000000, PAGE, FIXED_RW), 0, "map anew");
	attach(first);
	step(5);
	return 0;
}
