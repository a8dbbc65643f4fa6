/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's tracing, through libtracefs: an instance of our own, named
 * viommu-PID, that nobody else's tracing is disturbed by.
 */
#ifndef PROBE_TRACE_SOURCE_H
#define PROBE_TRACE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/report.h"
#include "trace/trace-event.h"

struct trace_source;

struct trace_source_options {
	uint64_t buffer_kib; /* of each CPU */
	bool invalidations;
	int only_thread; /* nothing but its invalidations; 0: everything */
};

/* Makes the instance; removes those of our like that have died.
 * NULL with ERROR: not root, no tracefs, lockdown, an old kernel. */
struct trace_source *trace_source_open(const struct trace_source_options *options, struct probe_error *error);
/* Calls FN for each event, CPU by CPU, each CPU's in order.  Every event up to
 * *UNTIL has been handed out then.  How many there were, or -1 with ERROR. */
int trace_source_read(struct trace_source *source, trace_event_fn *fn, void *data, uint64_t *until,
	struct probe_error *error);
/* All events begin at one moment: a mapping without what stands around it would
 * be told of as nobody's. */
int trace_source_start(struct trace_source *source, struct probe_error *error);
/* Nothing is traced any more; what is in the buffers can still be read. */
void trace_source_stop(struct trace_source *source);
/* Events that the kernel dropped and that no TRACE_LOST event has told of. */
uint64_t trace_source_untold(const struct trace_source *source);
/* What this kernel lacks and why that matters, for people; "" when nothing. */
const char *trace_source_lacks(const struct trace_source *source);
void trace_source_close(struct trace_source *source);

#endif
