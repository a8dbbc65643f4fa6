/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What calls cost, in ns, the median of many batches: "NAME NS" in each line.
 * tests/bench/record.py runs it with and without `viommu-probe record`. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "program.h"

enum {
	RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	BATCHES = 25,
	CALLS = 4000,
	MAPS = 8,
	BIG = 512, /* pages */
};

static struct vfio vfio;
static void *page, *pages;
static int zero;

static void
map_page(int i)
{
	expect(vfio_map(&vfio, 0x50000000 + (uint64_t) i * PAGE, page, PAGE, RW), 0, "map");
}

static void
unmap_page(int i)
{
	expect(vfio_unmap(&vfio, 0x50000000 + (uint64_t) i * PAGE, PAGE, 0), 0, "unmap");
}

static void
map_pages(int i)
{
	expect(vfio_map(&vfio, 0x60000000 + (uint64_t) i * BIG * PAGE, pages, BIG * PAGE, RW), 0, "map");
}

static void
unmap_pages(int i)
{
	expect(vfio_unmap(&vfio, 0x60000000 + (uint64_t) i * BIG * PAGE, BIG * PAGE, 0), 0, "unmap");
}

static void
call_getppid(int i)
{
	(void) i;
	(void) syscall(SYS_getppid);
}

static void
call_read(int i)
{
	char byte;

	(void) i;
	expect((int) read(zero, &byte, 1), 1, "read");
}

/* A request of VFIO that maps nothing. */
static void
call_ioctl(int i)
{
	(void) i;
	(void) do_ioctl(vfio.container, VFIO_GET_API_VERSION, NULL);
}

static void
call_nothing(int i)
{
	__asm__ volatile("" : : "r"(i));
}

static const struct {
	const char *name;
	void (*call)(int i);
	int n;
} what[] = {
	{ "map-4k", map_page, MAPS },
	{ "unmap-4k", unmap_page, MAPS },
	{ "map-2m", map_pages, MAPS },
	{ "unmap-2m", unmap_pages, MAPS },
	{ "getppid", call_getppid, CALLS },
	{ "read", call_read, CALLS },
	{ "ioctl", call_ioctl, CALLS },
	{ "no-call", call_nothing, 100 * CALLS },
};
enum { KINDS = sizeof what / sizeof what[0] };

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
	static uint64_t ps[KINDS][BATCHES]; /* picoseconds a call */

	expect(argc == 2 || argc == 3, 1, "arguments"); /* BDF ["wait"] */
	if (argc == 3)
		step(1);
	vfio_open(&vfio, argv[1]);
	page = memory(PAGE, 0);
	pages = memory(BIG * PAGE, 0);
	zero = open("/dev/zero", O_RDONLY);
	for (int batch = 0; batch < BATCHES; batch++) {
		for (int kind = 0; kind < KINDS; kind++) {
			const uint64_t begin = now_ns();

			for (int i = 0; i < what[kind].n; i++)
				what[kind].call(i);
			ps[kind][batch] = (now_ns() - begin) * 1000 / (uint64_t) what[kind].n;
		}
	}
	for (int kind = 0; kind < KINDS; kind++) {
		qsort(ps[kind], BATCHES, sizeof ps[kind][0], compare);
		printf("%s %.1f\n", what[kind].name, (double) ps[kind][BATCHES / 2] / 1000);
	}
	return 0;
}
