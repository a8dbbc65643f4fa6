/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forms of mapping and unmapping, huge pages and a BAR; ends what it made in
 * different ways, and begins anew with the same descriptor numbers. */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/mman.h>

#include "program.h"

enum { RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE };

static struct vfio_region_info info = { .argsz = sizeof info, .index = VFIO_PCI_BAR0_REGION_INDEX };
static void *registers;

static void *
bar(struct vfio *vfio)
{

	expect((int) do_ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &info), 0,
		"VFIO_DEVICE_GET_REGION_INFO");
	registers =
		mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, vfio->device, (off_t) info.offset);
	expect(registers == MAP_FAILED, 0, "mmap of a BAR");
	return registers;
}

static void
first(struct vfio *vfio)
{
	expect(vfio_map(vfio, 0x40000000, memory(16 * PAGE, 0), 16 * PAGE, RW), 0, "map");
	expect(vfio_map(vfio, 0x50000000, memory(PAGE, 0), PAGE, VFIO_DMA_MAP_FLAG_READ), 0, "map read-only");
	expect(vfio_map(vfio, 0x60000000, memory(4 << 20, MAP_HUGETLB), 4 << 20, RW), 0, "map huge pages");
	expect(vfio_map(vfio, 0x70000000, (char *) bar(vfio) + PAGE, 2 * PAGE, RW), 0, "map a BAR");
	expect(vfio_map(vfio, 0x40001000, memory(PAGE, 0), PAGE, RW), EEXIST, "map twice");
	expect(vfio_map(vfio, 1ull << 57, memory(PAGE, 0), PAGE, RW), EINVAL, "map beyond every width");
	expect(vfio_map(vfio, 0xfee00000, memory(PAGE, 0), PAGE, RW), EINVAL, "map a reserved IOVA");
	expect(vfio_map(vfio, 0x90000000, NULL, PAGE, RW), EFAULT, "map no memory");
}

int
main(int argc, char **argv)
{
	struct vfio vfio;

	expect(argc, 2, "arguments");
	vfio_open(&vfio, argv[1]);
	first(&vfio);
	step(1);
	expect(vfio_unmap(&vfio, 0x50000000, PAGE, 0), 0, "unmap");
	expect(vfio_unmap(&vfio, 0x40000000, 8 * PAGE, 0), EINVAL, "unmap half of a mapping");
	step(2);
	expect(vfio_unmap(&vfio, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 0, "unmap all");
	expect(vfio_map(&vfio, 0x80000000, memory(PAGE, 0), PAGE, RW), 0, "map");
	step(3);
	munmap(registers, info.size); /* it holds the device */
	vfio_close(&vfio);
	vfio_open(&vfio, argv[1]);
	expect(vfio_map(&vfio, 0xa0000000, memory(3 * PAGE, 0), 3 * PAGE, RW), 0, "map anew");
	step(4);
	return 7;
}
