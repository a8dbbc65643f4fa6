/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/live.h"

#include <stdlib.h>
#include <string.h>

size_t
live_find(const struct live *live, uint64_t iova)
{
	size_t low = 0, high = live->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (live->mapping[middle].iova.last < iova)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
live_overlaps(const struct live *live, viommu_iova_range range)
{
	const size_t at = live_find(live, range.first);

	return at < live->n && live->mapping[at].iova.first <= range.last;
}

static int
insert(struct live *live, size_t at, const struct live_mapping *mapping)
{
	if (live->n == live->capacity) {
		const size_t capacity = live->capacity ? live->capacity * 2 : 64;
		struct live_mapping *grown = reallocarray(live->mapping, capacity, sizeof *grown);

		if (grown == NULL)
			return -1;
		live->mapping = grown;
		live->capacity = capacity;
	}
	memmove(live->mapping + at + 1, live->mapping + at, (live->n - at) * sizeof *live->mapping);
	live->mapping[at] = *mapping;
	live->n++;
	return 0;
}

int
live_add(struct live *live, const struct live_mapping *mapping)
{
	if (live_overlaps(live, mapping->iova) && live_cut(live, mapping->iova) < 0)
		return -1;
	return insert(live, live_find(live, mapping->iova.first), mapping);
}

int
live_cut(struct live *live, viommu_iova_range range)
{
	size_t at = live_find(live, range.first), end;
	struct live_mapping *first;

	if (at == live->n || live->mapping[at].iova.first > range.last)
		return 0;
	first = &live->mapping[at];
	if (first->iova.first < range.first) {
		struct live_mapping rest = *first;

		first->iova.last = range.first - 1;
		at++;
		if (rest.iova.last > range.last) { /* a hole in the middle */
			rest.vaddr += rest.vaddr ? range.last + 1 - rest.iova.first : 0;
			rest.iova.first = range.last + 1;
			return insert(live, at, &rest);
		}
	}
	for (end = at; end < live->n && live->mapping[end].iova.last <= range.last; end++)
		;
	if (end < live->n && live->mapping[end].iova.first <= range.last) {
		struct live_mapping *last = &live->mapping[end];

		last->vaddr += last->vaddr ? range.last + 1 - last->iova.first : 0;
		last->iova.first = range.last + 1;
	}
	memmove(live->mapping + at, live->mapping + end, (live->n - end) * sizeof *live->mapping);
	live->n -= end - at;
	return 0;
}

void
live_free(struct live *live)
{
	free(live->mapping);
	*live = (struct live){ 0 };
}

size_t
live_run(const struct live *live, size_t at, viommu_iova_range *ret)
{
	*ret = live->mapping[at].iova;
	for (at++; at < live->n && live->mapping[at].iova.first - 1 == ret->last; at++)
		ret->last = live->mapping[at].iova.last;
	return at;
}
