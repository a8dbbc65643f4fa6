/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole lines on their way to an output whose reader may be slow, or absent.
 * Putting a line never waits; a line that finds no room is refused whole.
 */
#ifndef PROBE_QUEUE_H
#define PROBE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "out/output.h"

struct queue {
	struct output *output;
	size_t limit; /* bytes that may wait */
	char *data;   /* `len` bytes wait, from `start` on */
	size_t start, len, capacity;
	bool full; /* refuses until half of it has gone: losses in one piece, not in many */
};

void queue_begin(struct queue *ret, struct output *output, size_t limit);
void queue_free(struct queue *queue);

/* Writes the line, or keeps it for later; false when it was refused. */
bool queue_put(struct queue *queue, const char *bytes, size_t len);
/* Writes what the output takes now.  -1 once the output has failed. */
int queue_flush(struct queue *queue);
/* Writes all, waiting as output_write() does. */
int queue_drain(struct queue *queue);

#endif
