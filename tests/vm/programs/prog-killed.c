/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dies by SIGKILL, holding mappings. */
#include <linux/vfio.h>
#include <signal.h>

#include "program.h"

enum { RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE };

int
main(int argc, char **argv)
{
	struct vfio vfio;

	expect(argc, 2, "arguments");
	vfio_open(&vfio, argv[1]);
	for (unsigned i = 0; i < 4; i++)
		expect(vfio_map(&vfio, 0x40000000 + 0x10000 * i, memory(4 * PAGE, 0), 4 * PAGE, RW), 0,
			"map");
	step(1);
	raise(SIGKILL);
	return 0;
}
