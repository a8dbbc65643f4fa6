/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which mappings `viommu-probe map` makes.  Pure: it chooses addresses and
 * sizes and touches nothing; buffer.c and vfio.c make them real.
 */
#ifndef PROBE_PATTERN_H
#define PROBE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/ranges.h"
#include "viommu/addr.h"

#define PAGE_4K ((uint64_t) 1 << 12)
#define PAGE_2M ((uint64_t) 1 << 21)
#define PAGE_1G ((uint64_t) 1 << 30)

struct pattern_item {
	const char *name; /* what the mapping is there for; constant text */
	viommu_iova iova;
	uint64_t size;
	uint64_t page_size; /* of the memory behind it: PAGE_4K, PAGE_2M, PAGE_1G */
	unsigned prot;      /* enum dma_prot */
	bool scattered;     /* physically scattered pages (PAGE_4K only) */
	bool optional;      /* skipped, with a note, when the memory is not to be had */
};

struct pattern {
	struct pattern_item *item;
	size_t n;
	size_t capacity;
	/* Items that found no place in the IOVA ranges, by name. */
	const char *unplaced[32];
	size_t n_unplaced;
};

struct pattern_shape {
	uint64_t size; /* of each mapping, a multiple of page_size */
	uint64_t page_size;
	uint64_t count;
	uint64_t iova; /* where the first one goes, or the next free place */
	unsigned prot;
	bool spaced; /* random gaps between them, from the seed */
};

/* The default set.  No two items overlap, each lies in RANGES.  The same
 * ranges and seed give the same set.  -1 when memory runs out. */
int pattern_default(struct pattern *ret, const struct iova_ranges *ranges, uint64_t seed);
/* COUNT mappings of one shape, at rising IOVAs.  -1 when memory runs out,
 * -2 when the ranges have no room for all of them. */
int pattern_shaped(struct pattern *ret, const struct iova_ranges *ranges, const struct pattern_shape *shape,
	uint64_t seed);
void pattern_free(struct pattern *pattern);

/* Bytes of memory the items need in all; saturates. */
uint64_t pattern_bytes(const struct pattern *pattern);

#endif
