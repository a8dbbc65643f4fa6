/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children map and unmap in their parent's container, each in a place of its own, and are
 * killed after a random time: in a call, mostly. */
#include <linux/vfio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

enum { RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, SIZE = 2048 * PAGE };

static void
map_for_ever(struct vfio *vfio, uint64_t iova, void *bytes)
{
	for (;;) {
		(void) vfio_map(vfio, iova, bytes, SIZE, RW);
		(void) vfio_unmap(vfio, iova, SIZE, 0);
	}
}

int
main(int argc, char **argv)
{
	struct vfio vfio;
	void *bytes;
	int n;

	expect(argc, 3, "arguments"); /* BDF CHILDREN */
	n = atoi(argv[2]);
	vfio_open(&vfio, argv[1]);
	bytes = memory(SIZE, 0);
	srand(1);
	for (int i = 0; i < n; i++) {
		const uint64_t iova = 0x40000000 + (uint64_t) i * 2 * SIZE;
		const useconds_t wait_us = (useconds_t) (rand() % 40000);
		const pid_t pid = fork();

		expect(pid >= 0, 1, "fork");
		if (pid == 0)
			map_for_ever(&vfio, iova, bytes);
		usleep(wait_us);
		expect(kill(pid, SIGKILL), 0, "kill");
		expect(waitpid(pid, NULL, 0), pid, "waitpid");
	}
	step(1);
	vfio_close(&vfio);
	return 0;
}
