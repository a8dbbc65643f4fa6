/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that map and unmap at the same time, some of them in the same place,
 * where one has to wait for another's unmap to succeed. */
#include <errno.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "program.h"

enum { THREADS = 6, ROUNDS = 30, RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE };

#define SHARED 0x80000000

static struct vfio vfio;
static atomic_int refused;

static void *
work(void *data)
{
	const uint64_t own = 0x40000000 + 0x1000000 * (uint64_t) (uintptr_t) data;
	void *bytes = memory(4 * PAGE, 0);

	/* It is main()'s until all have tried. */
	expect(vfio_map(&vfio, SHARED, bytes, PAGE, RW), EEXIST, "map what is mapped");
	atomic_fetch_add(&refused, 1);
	for (int i = 0; i < ROUNDS; i++) {
		expect(vfio_map(&vfio, own, bytes, 4 * PAGE, RW), 0, "map");
		while (vfio_map(&vfio, SHARED, bytes, PAGE, RW) == EEXIST)
			usleep(1000);
		expect(vfio_unmap(&vfio, SHARED, PAGE, 0), 0, "unmap");
		if (i < ROUNDS - 1)
			expect(vfio_unmap(&vfio, own, 4 * PAGE, 0), 0, "unmap");
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	expect(argc, 2, "arguments");
	vfio_open(&vfio, argv[1]);
	expect(vfio_map(&vfio, SHARED, memory(PAGE, 0), PAGE, RW), 0, "map");
	for (uintptr_t i = 0; i < THREADS; i++)
		expect(pthread_create(&thread[i], NULL, work, (void *) i), 0, "pthread_create");
	while (atomic_load(&refused) < THREADS)
		usleep(1000);
	expect(vfio_unmap(&vfio, SHARED, PAGE, 0), 0, "unmap");
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	step(1);
	return 0;
}
