/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps and unmaps one page, many times, and says what that and a call that has
 * nothing to do with VFIO cost: "map+unmap NS, getppid NS, other ioctl NS". */
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "program.h"

enum { RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, CALLS = 100000 };

int
main(int argc, char **argv)
{
	const long rounds = argc == 3 ? atol(argv[2]) : 0;
	void *page = memory(PAGE, 0);
	uint64_t begin, maps, calls, ioctls;
	struct vfio vfio;

	expect(argc, 3, "arguments");
	vfio_open(&vfio, argv[1]);
	expect(vfio_map(&vfio, 0x40000000, page, PAGE, RW), 0, "map");
	begin = now_ns();
	for (long i = 0; i < rounds; i++) {
		expect(vfio_map(&vfio, 0x50000000, page, PAGE, RW), 0, "map");
		expect(vfio_unmap(&vfio, 0x50000000, PAGE, 0), 0, "unmap");
	}
	maps = now_ns() - begin;
	begin = now_ns();
	for (long i = 0; i < CALLS; i++)
		(void) syscall(SYS_getppid);
	calls = now_ns() - begin;
	begin = now_ns();
	for (long i = 0; i < CALLS; i++)
		(void) do_ioctl(vfio.container, VFIO_GET_API_VERSION, NULL);
	ioctls = now_ns() - begin;
	printf("map+unmap %" PRIu64 " getppid %" PRIu64 " ioctl %" PRIu64 "\n", maps / (uint64_t) rounds,
		calls / CALLS, ioctls / CALLS);
	fflush(stdout);
	step(1);
	return 0;
}
