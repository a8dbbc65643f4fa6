/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes its ioctls by bare system calls: those of 64-bit programs, and those of
 * 32-bit ones (int 0x80), for which all it hands over lies below 4 GiB. */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>

#include "program.h"

enum { RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE };

static long
answer(long result)
{
	if (result >= 0)
		return result;
	errno = (int) -result;
	return -1;
}

static long
raw_64(int fd, unsigned long request, void *arg)
{
	long ret;

	/* The kernel takes the low half of the request alone. */
	request |= 0xabcdefull << 32;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(16L), "D"((long) fd), "S"(request), "d"(arg)
			 : "rcx", "r11", "memory");
	return answer(ret);
}

static long
raw_32(int fd, unsigned long request, void *arg)
{
	static char *low;
	int ret;

	if (low == NULL)
		low = memory(PAGE, MAP_32BIT);
	memcpy(low, arg, 32);
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(54), "b"(fd), "c"((unsigned) request), "d"((unsigned) (uintptr_t) low)
			 : "memory", "r8", "r9", "r10", "r11");
	return answer(ret);
}

int
main(int argc, char **argv)
{
	struct vfio vfio;

	expect(argc, 2, "arguments");
	do_ioctl = raw_64;
	vfio_open(&vfio, argv[1]);
	expect(vfio_map(&vfio, 0x40000000, memory(5 * PAGE, 0), 5 * PAGE, RW), 0, "map");
	do_ioctl = raw_32;
	expect(vfio_map(&vfio, 0x41000000, memory(7 * PAGE, 0), 7 * PAGE, RW), 0, "map, 32-bit");
	expect(vfio_map(&vfio, 0x42000000, memory(PAGE, 0), PAGE, RW), 0, "map, 32-bit");
	expect(vfio_unmap(&vfio, 0x42000000, PAGE, 0), 0, "unmap, 32-bit");
	step(1);
	return 0;
}
