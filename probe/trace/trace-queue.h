/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events of all CPUs in the order of time.  They wait here until what
 * follows them can be seen: the flush that tells the domain of a mapping, and
 * the driver's own event that tells its device, come just after it.
 */
#ifndef PROBE_TRACE_QUEUE_H
#define PROBE_TRACE_QUEUE_H

#include <stddef.h>

#include "trace/trace-event.h"

#define TRACE_FOLLOW_NS 20000000ull /* how long after an event its sequel may come */

struct trace_queue {
	struct trace_event *event;
	size_t head, n, capacity;
	size_t sorted; /* events before this one are in order */
	uint64_t dropped;
};

/* EVENT of one CPU after the other; drops and counts it if memory runs out. */
void trace_queue_add(struct trace_queue *queue, const struct trace_event *event);
void trace_queue_sort(struct trace_queue *queue);
/* The first event if it happened at or before UNTIL, or NULL. */
const struct trace_event *trace_queue_first(const struct trace_queue *queue, uint64_t until);
void trace_queue_pop(struct trace_queue *queue);
void trace_queue_free(struct trace_queue *queue);

/* What the events after the first one, a map or an unmap, tell of it. */
struct trace_sequel {
	bool has_did;
	uint16_t did;                  /* VT-d domain id */
	const char *iommu;             /* whose; valid until the next call on the queue */
	const struct trace_event *dma; /* the driver's event, or NULL */
};

/* CACHING_MODE: each map is followed by a flush of its own (second stage), so
 * that a flush of another mapping cannot be taken for it. */
struct trace_sequel trace_queue_sequel(const struct trace_queue *queue, bool caching_mode);

#endif
