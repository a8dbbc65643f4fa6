/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the bytes in the kernel's trace buffer to struct trace_event, by way of
 * the kernel's own description of them (events/…/format), because fields move
 * between versions.  Text is not parsed: iommu:map has been printed in two
 * ways, its fields were always the same.
 */
#ifndef PROBE_TRACE_FORMAT_H
#define PROBE_TRACE_FORMAT_H

#include <stddef.h>

#include "trace/trace-event.h"

struct trace_format;

struct trace_format *trace_format_new(void); /* NULL: out of memory */
void trace_format_free(struct trace_format *format);

/* Learns an event from the text of its format file.  -1 when it is none that
 * we know, or lacks a field that we need. */
int trace_format_add(struct trace_format *format, const char *system, const char *event, const char *text);

/* Calls FN for what SIZE bytes at RECORD say; more than once for a list of
 * ranges.  An event that was not learnt, or is too short for its fields, is
 * dropped: -1. */
int trace_format_decode(const struct trace_format *format, unsigned cpu, uint64_t ns, const void *record,
	size_t size, trace_event_fn *fn, void *data);

/* The events to learn, in a table that ends with system NULL. */
struct trace_wanted {
	const char *system, *event;
	enum trace_kind kind;
	enum {
		TRACE_NEEDED,       /* without it there is no trace */
		TRACE_OPTIONAL,     /* not in every kernel */
		TRACE_INVALIDATION, /* optional, and off with --no-invalidations */
	} need;
};
extern const struct trace_wanted trace_wanted[];

#endif
