/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest-physical pages behind a buffer, from /proc/self/pagemap words.
 * Pure; pagemap.c does the reading. */
#ifndef PROBE_EXTENTS_H
#define PROBE_EXTENTS_H

#include <stddef.h>
#include <stdint.h>

#include "viommu/addr.h"

/* Linux, Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT ((uint64_t) 1 << 63)
#define PAGEMAP_PFN_MASK (((uint64_t) 1 << 55) - 1)

struct extent {
	viommu_gpa gpa;
	uint64_t size;
};

struct extents {
	struct extent *extent;
	size_t n;
	size_t capacity;
	uint64_t size; /* the sum of the extents */
	/* Why what follows the extents is not known; NULL while all is known. */
	const char *unknown;
};

/* The reason of extents_add() for a page that is not there. */
extern const char extents_not_present[];

/* Adds the pages of N pagemap words in order, joining neighbours; stops for
 * good at the first page whose address the kernel did not give.  -1 when
 * memory runs out. */
int extents_add(struct extents *extents, const uint64_t *words, size_t n);
/* Adds SIZE bytes, whole pages, at GPA. */
int extents_add_run(struct extents *extents, uint64_t gpa, uint64_t size);
/* Stops: REASON, constant text, is why the rest is unknown. */
void extents_stop(struct extents *extents, const char *reason);
void extents_clear(struct extents *extents); /* empties, keeps the memory */
void extents_free(struct extents *extents);

/* How many of the pages that both know differ. */
uint64_t extents_difference(const struct extents *a, const struct extents *b);

#endif
