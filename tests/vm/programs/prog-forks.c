/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A parent that sets the container up, maps and goes; a child that goes on with
 * a duplicate of the descriptor. */
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

enum { RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE };

int
main(int argc, char **argv)
{
	struct vfio vfio;
	int old;

	expect(argc, 2, "arguments");
	vfio_open(&vfio, argv[1]);
	expect(vfio_map(&vfio, 0x40000000, memory(4 * PAGE, 0), 4 * PAGE, RW), 0, "map in the parent");
	if (fork() != 0) {
		step(1);
		return 3; /* the child runs on */
	}
	while (access("/run/go.1", F_OK) < 0)
		usleep(10000);
	usleep(200000); /* until the parent has gone */
	old = vfio.container;
	vfio.container = dup(old);
	expect(vfio_map(&vfio, 0x50000000, memory(4 * PAGE, 0), 4 * PAGE, RW), 0, "map in the child");
	close(old);
	expect(vfio_map(&vfio, 0x60000000, memory(PAGE, 0), PAGE, RW), 0, "map in the child");
	step(2);
	return 0;
}
