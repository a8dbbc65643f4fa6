/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory behind a test mapping. */
#ifndef PROBE_BUFFER_H
#define PROBE_BUFFER_H

#include <stdint.h>

#include "base/report.h"
#include "map/pattern.h"
#include "map/prng.h"

struct buffer {
	void *addr;
	uint64_t size;
};

/* Allocates and populates the memory that ITEM asks for.  -1 with ERROR when
 * the guest has none of that kind. */
int buffer_alloc(
	struct buffer *ret, const struct pattern_item *item, struct prng *prng, struct probe_error *error);
void buffer_free(struct buffer *buffer);

/* Whether BYTES of ordinary memory can be touched without the OOM killer
 * ending us; true when the kernel does not say. */
int memory_available(uint64_t bytes, struct probe_error *error);
/* Lets root pin what it maps.  Silent when it cannot: the mapping tells. */
void memory_unlimit_lock(void);

#endif
