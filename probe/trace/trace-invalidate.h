/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The "invalidate" lines of a record: what L1 told an IOMMU to forget. */
#ifndef PROBE_TRACE_INVALIDATE_H
#define PROBE_TRACE_INVALIDATE_H

#include "out/record-writer.h"
#include "trace/trace-event.h"

/* EVENT is TRACE_QI or one of TRACE_FLUSH…; its time is the line's time. */
void trace_invalidate_write(struct record_writer *writer, const struct trace_event *event);

#endif
