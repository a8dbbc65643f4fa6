/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts a byte stream into JSON objects.  QMP puts one on a line, but "pretty=on"
 * spreads it over many, answers come in pieces, and a peer may send anything.
 */
#ifndef VIOMMU_FRAMER_H
#define VIOMMU_FRAMER_H

#include <glib.h>

typedef struct {
	GByteArray *bytes;
	size_t scanned; /* how much of bytes the state below has seen            */
	size_t limit;   /* bytes; an object that grows past it is refused        */
	unsigned depth;
	gboolean in_string, escaped, broken;
} viommu_framer;

void viommu_framer_init(viommu_framer *self, size_t limit);
void viommu_framer_clear(viommu_framer *self);
void viommu_framer_push(viommu_framer *self, const void *data, size_t len);

/* Takes the next whole object out, or returns NULL: more bytes are needed, or,
 * with self->broken set, what came is not a stream of JSON objects or is larger
 * than the limit. */
GBytes *viommu_framer_pop(viommu_framer *self);

#endif
