/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When an unmapping began.  The kernel tells of it at its end, and flushes parts of it
 * before that where they are of several page sizes: its gather of pages holds one size at
 * a time (iommu_iotlb_gather_add_page(), Linux 6.1 and 6.12).
 */
#ifndef PROBE_TRACE_SPAN_H
#define PROBE_TRACE_SPAN_H

#include "trace/trace-event.h"

enum { SPAN_CPUS = 1024 };

/* Of one thread, or of the interrupts of one CPU. */
struct trace_span {
	uint64_t flushed_ns; /* the first flush since its last map, unmap, attach or ioctl; 0: none */
	bool mapped;         /* the next flush is that of a mapping, which comes behind it */
};

void trace_span_see(struct trace_span *span, const struct trace_event *event, bool caching_mode);

#endif
