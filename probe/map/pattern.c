/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/pattern.h"

#include <stdlib.h>

#include "sys/parse.h"
#include "map/prng.h"

#define R DMA_PROT_READ
#define W DMA_PROT_WRITE
#define RW (DMA_PROT_READ | DMA_PROT_WRITE)

struct wish {
	struct pattern_item item;
	/* When the place is taken or forbidden, the next one tried is this far
	 * on, so that what is there for a boundary still crosses one. */
	uint64_t step;
};

/* Each row is here for a way in which tables go wrong. */
static const struct wish wishes[] = {
	/* One page table's first entries, with a different permission each, and
	 * holes between them. */
	{ { "single page, low", { 0x2000 }, PAGE_4K, PAGE_4K, RW, false, false }, PAGE_4K },
	{ { "single page, low", { 0x4000 }, PAGE_4K, PAGE_4K, R, false, false }, PAGE_4K },
	{ { "single page, low", { 0x6000 }, PAGE_4K, PAGE_4K, W, false, false }, PAGE_4K },
	/* Neighbours that differ in permission only. */
	{ { "single page", { 0x40000000 }, PAGE_4K, PAGE_4K, RW, false, false }, PAGE_4K },
	{ { "single page", { 0x40001000 }, PAGE_4K, PAGE_4K, R, false, false }, PAGE_4K },
	{ { "single page", { 0x40002000 }, PAGE_4K, PAGE_4K, W, false, false }, PAGE_4K },
	/* Contiguous IOVAs over pages that are not: every entry counts. */
	{ { "scattered pages", { 0x40010000 }, 64 * PAGE_4K, PAGE_4K, RW, true, false }, PAGE_4K },
	{ { "scattered pages", { 0x40080000 }, 16 * PAGE_4K, PAGE_4K, R, true, false }, PAGE_4K },
	/* Two page tables, neither from its start to its end. */
	{ { "across a 2 MiB boundary", { 0x401f5000 }, 48 * PAGE_4K, PAGE_4K, RW, false, false }, PAGE_2M },
	{ { "several MiB of 4 KiB pages", { 0x40803000 }, 768 * PAGE_4K, PAGE_4K, RW, true, false },
		PAGE_4K },
	/* Two page directories. */
	{ { "across a 1 GiB boundary", { 0x7fff8000 }, 16 * PAGE_4K, PAGE_4K, RW, true, false }, PAGE_1G },
	{ { "across the 4 GiB boundary", { 0xffff8000 }, 16 * PAGE_4K, PAGE_4K, RW, true, false }, PAGE_1G },
	{ { "2 MiB page", { 0x41000000 }, PAGE_2M, PAGE_2M, RW, false, true }, PAGE_2M },
	{ { "two 2 MiB pages", { 0x41400000 }, 2 * PAGE_2M, PAGE_2M, R, false, true }, PAGE_2M },
	/* The memory is a huge page, the table has to use 4 KiB entries. */
	{ { "2 MiB page, unaligned", { 0x41a01000 }, PAGE_2M, PAGE_2M, RW, false, true }, PAGE_2M },
	{ { "1 GiB page", { 0x180000000 }, PAGE_1G, PAGE_1G, RW, false, true }, PAGE_1G },
};

enum {
	RANDOM_ITEMS = 8,
	RANDOM_PAGES_MAX = 16,
	RANDOM_TRIES = 64,
};

static int
append(struct pattern *pattern, const struct pattern_item *item)
{
	if (pattern->n == pattern->capacity) {
		size_t capacity = pattern->capacity ? pattern->capacity * 2 : 64;
		struct pattern_item *grown = reallocarray(pattern->item, capacity, sizeof *grown);

		if (grown == NULL)
			return -1;
		pattern->item = grown;
		pattern->capacity = capacity;
	}
	pattern->item[pattern->n++] = *item;
	return 0;
}

/* The last address of the item that touches [iova, iova + size - 1], if any. */
static bool
overlaps(const struct pattern *pattern, uint64_t iova, uint64_t size, uint64_t *last)
{
	for (size_t i = 0; i < pattern->n; i++) {
		const struct pattern_item *item = &pattern->item[i];
		uint64_t end = item->iova.v + (item->size - 1);

		if (iova <= end && item->iova.v <= iova + (size - 1)) {
			*last = end;
			return true;
		}
	}
	return false;
}

/* The first free place at or after FROM that lies as *IOVA does within a block
 * of STEP bytes (a power of two); FROM itself must lie so. */
static bool
find_place(const struct pattern *pattern, const struct iova_ranges *ranges, uint64_t size, uint64_t step,
	uint64_t from, uint64_t *iova)
{
	const uint64_t offset = *iova & (step - 1);

	for (size_t i = 0; i < ranges->n; i++) {
		const viommu_iova_range *range = &ranges->range[i];
		uint64_t at = from;

		while (at <= range->last && size - 1 <= range->last - at) {
			uint64_t taken;

			if (at < range->first) {
				taken = range->first - 1;
			} else if (!overlaps(pattern, at, size, &taken)) {
				*iova = at;
				return true;
			}
			if (taken > UINT64_MAX - 2 * step)
				return false;
			at = ((taken + step - offset) & ~(step - 1)) + offset;
		}
	}
	return false;
}

static int
place(struct pattern *pattern, const struct iova_ranges *ranges, const struct wish *wish)
{
	struct pattern_item item = wish->item;
	const uint64_t lowest = item.iova.v & (wish->step - 1);

	if (!find_place(pattern, ranges, item.size, wish->step, item.iova.v, &item.iova.v) &&
		!find_place(pattern, ranges, item.size, wish->step, lowest, &item.iova.v)) {
		if (pattern->n_unplaced < sizeof pattern->unplaced / sizeof pattern->unplaced[0])
			pattern->unplaced[pattern->n_unplaced++] = item.name;
		return 0;
	}
	return append(pattern, &item);
}

static int
append_page(struct pattern *pattern, const char *name, uint64_t iova)
{
	struct pattern_item item = { name, { iova }, PAGE_4K, PAGE_4K, RW, false, false };
	uint64_t taken;

	return overlaps(pattern, iova, PAGE_4K, &taken) ? 0 : append(pattern, &item);
}

/* The lowest and the highest page of each range: the ends of the address
 * space, and the edges of the holes in it (0xfee00000 and its like). */
static int
append_edges(struct pattern *pattern, const struct iova_ranges *ranges)
{
	for (size_t i = 0; i < ranges->n; i++) {
		const uint64_t last_page = ranges->range[i].last & VIOMMU_PAGE_MASK;
		const char *low = i == 0 ? "lowest IOVA" : "first page after a hole";
		const char *high = i == ranges->n - 1 ? "highest IOVA" : "last page before a hole";

		if (append_page(pattern, low, ranges->range[i].first) < 0 ||
			append_page(pattern, high, last_page) < 0)
			return -1;
	}
	return 0;
}

static uint64_t
random_iova(const struct iova_ranges *ranges, struct prng *prng)
{
	const viommu_iova_range *range = &ranges->range[prng_below(prng, ranges->n)];
	const uint64_t pages_less_one = (range->last - range->first) >> VIOMMU_PAGE_SHIFT;

	return range->first + (prng_below(prng, pages_less_one + 1) << VIOMMU_PAGE_SHIFT);
}

static int
append_random(struct pattern *pattern, const struct iova_ranges *ranges, struct prng *prng)
{
	for (unsigned i = 0; i < RANDOM_ITEMS; i++) {
		struct pattern_item item = { "random place", { 0 }, 0, PAGE_4K, 0, true, false };

		item.size = (1 + prng_below(prng, RANDOM_PAGES_MAX)) * PAGE_4K;
		item.prot = 1 + (unsigned) prng_below(prng, 3);
		for (unsigned try = 0; try < RANDOM_TRIES; try++) {
			uint64_t taken;

			item.iova.v = random_iova(ranges, prng);
			if (!iova_ranges_hold(ranges, item.iova.v, item.size) ||
				overlaps(pattern, item.iova.v, item.size, &taken))
				continue;
			if (append(pattern, &item) < 0)
				return -1;
			break;
		}
	}
	return 0;
}

int
pattern_default(struct pattern *ret, const struct iova_ranges *ranges, uint64_t seed)
{
	struct prng prng = { seed };

	*ret = (struct pattern){ 0 };
	if (ranges->n == 0)
		return 0;
	if (append_edges(ret, ranges) < 0)
		return -1;
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
		if (place(ret, ranges, &wishes[i]) < 0)
			return -1;
	}
	return append_random(ret, ranges, &prng);
}

/* The first place at or after AT that holds SIZE bytes.  The items before it
 * all end below AT, so only the ranges matter. */
static bool
next_in_ranges(const struct iova_ranges *ranges, uint64_t size, uint64_t *at)
{
	for (size_t i = 0; i < ranges->n; i++) {
		const viommu_iova_range *range = &ranges->range[i];
		uint64_t first = *at > range->first ? *at : range->first;

		if (first <= range->last && size - 1 <= range->last - first) {
			*at = first;
			return true;
		}
	}
	return false;
}

int
pattern_shaped(struct pattern *ret, const struct iova_ranges *ranges, const struct pattern_shape *shape,
	uint64_t seed)
{
	struct pattern_item item = { "as given", { 0 }, shape->size, shape->page_size, shape->prot,
		shape->page_size == PAGE_4K, false };
	struct prng prng = { seed };
	uint64_t at = shape->iova;

	*ret = (struct pattern){ 0 };
	for (uint64_t i = 0; i < shape->count; i++) {
		uint64_t step = shape->size;

		if (!next_in_ranges(ranges, shape->size, &at))
			return -2;
		item.iova.v = at;
		if (append(ret, &item) < 0)
			return -1;
		if (shape->spaced)
			step += prng_below(&prng, 256) * shape->page_size;
		if (step < shape->size || at > UINT64_MAX - step)
			return i + 1 == shape->count ? 0 : -2;
		at += step;
	}
	return 0;
}

void
pattern_free(struct pattern *pattern)
{
	free(pattern->item);
	*pattern = (struct pattern){ 0 };
}

uint64_t
pattern_bytes(const struct pattern *pattern)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < pattern->n; i++) {
		if (pattern->item[i].size > UINT64_MAX - sum)
			return UINT64_MAX;
		sum += pattern->item[i].size;
	}
	return sum;
}
