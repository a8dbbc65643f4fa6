/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What calls cost, in ns, the median of many batches: "NAME NS" in each line.
 * tests/bench/record.py runs it with and without `viommu-probe record`; without a
 * device (tests/bench/unrecorded.py) it makes those calls that are not recorded. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
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
static int zero, ends[2];

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

/* A request of anything else. */
static void
call_fionread(int i)
{
	int n;

	(void) i;
	expect(do_ioctl(ends[0], FIONREAD, &n), 0, "FIONREAD");
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
	bool vfio;
} what[] = {
	{ "map-4k", map_page, MAPS, true },
	{ "unmap-4k", unmap_page, MAPS, true },
	{ "map-2m", map_pages, MAPS, true },
	{ "unmap-2m", unmap_pages, MAPS, true },
	{ "getppid", call_getppid, CALLS, false },
	{ "read", call_read, CALLS, false },
	{ "ioctl", call_ioctl, CALLS, true },
	{ "fionread", call_fionread, CALLS, false },
	{ "no-call", call_nothing, 100 * CALLS, false },
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

	expect(argc <= 3, 1, "arguments"); /* [BDF ["wait"]] */
	if (argc == 3)
		step(1);
	if (argc > 1)
		vfio_open(&vfio, argv[1]);
	page = memory(PAGE, 0);
	pages = memory(BIG * PAGE, 0);
	zero = open("/dev/zero", O_RDONLY);
	expect(pipe(ends), 0, "pipe");
	for (int batch = 0; batch < BATCHES; batch++) {
		for (int kind = 0; kind < KINDS; kind++) {
			const uint64_t begin = now_ns();

			if (what[kind].vfio && argc == 1)
				continue;
			for (int i = 0; i < what[kind].n; i++)
				what[kind].call(i);
			ps[kind][batch] = (now_ns() - begin) * 1000 / (uint64_t) what[kind].n;
		}
	}
	for (int kind = 0; kind < KINDS; kind++) {
		if (what[kind].vfio && argc == 1)
			continue;
		qsort(ps[kind], BATCHES, sizeof ps[kind][0], compare);
		printf("%s %.1f\n", what[kind].name, (double) ps[kind][BATCHES / 2] / 1000);
	}
	return 0;
}
