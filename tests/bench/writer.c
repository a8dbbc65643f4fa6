/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of many scattered pages, through viommu-probe's own writer:
 *
 *   bench-writer OUTPUT EXTENTS PER_MAP
 *
 * prints "CPU_NS WALL_NS" for one extent; the record goes to OUTPUT.  No page is mapped:
 * it is the writer and the way out that are measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "out/record-writer.h"

#define PAGE 4096u

static uint64_t
now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

/* No two neighbours. */
static void
put_map(struct record_writer *record, struct extents *extents, uint64_t at, uint64_t n, uint64_t all)
{
	struct record_map map = { .iova = { (1ull << 32) + at * PAGE }, .size = n * PAGE, .prot = 3,
		.vaddr = (const void *) (uintptr_t) (0x7f0000000000 + at * PAGE), .page_size = PAGE, .extents = extents };

	extents_clear(extents);
	for (uint64_t i = at; i < at + n; i++)
		if (extents_add_run(extents, (1ull << 32) + i * 0x9e3779b1u % all * PAGE, PAGE) < 0)
			exit(1);
	record_map(record, 1, &map);
}

int
main(int argc, char **argv)
{
	const uint64_t all = argc == 4 ? strtoull(argv[2], NULL, 0) : 0, part = argc == 4 ? strtoull(argv[3], NULL, 0) : 0;
	const struct iova_ranges ranges = { 0 };
	struct extents extents = { 0 };
	struct record_writer record;
	struct probe_error error;
	struct output output;
	uint64_t cpu, wall;

	if (all == 0 || part == 0 || output_open(&output, argv[1], true, &error) < 0)
		return 2;
	record_begin(&record, &output);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	wall = now(CLOCK_MONOTONIC);
	record_header(&record, "bench-writer");
	record_attach(&record, 1, "vfio-type1v2", "0000:00:04.0", -1, &ranges);
	for (uint64_t at = 0; at < all; at += part)
		put_map(&record, &extents, at, all - at < part ? all - at : part, all);
	record_mark(&record, "held");
	output_close(&output);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = now(CLOCK_MONOTONIC) - wall;
	printf("%.1f %.1f\n", (double) cpu / (double) all, (double) wall / (double) all);
	record_free(&record);
	extents_free(&extents);
	return record.failed;
}
