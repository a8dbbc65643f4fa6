/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-span.h"

#include "trace/trace-qi.h"

void
trace_span_see(struct trace_span *span, const struct trace_event *event, bool caching_mode)
{
	switch (event->kind) {
	case TRACE_MAP:
	case TRACE_UNMAP:
	case TRACE_CALL:
	case TRACE_RETURN:
	case TRACE_ATTACH:
	case TRACE_DETACH:
		span->flushed_ns = 0;
		span->mapped = event->kind == TRACE_MAP && caching_mode;
		break;
	case TRACE_QI:
		if (!trace_qi_decode(&event->qi).is_iotlb)
			break;
		if (!span->mapped && span->flushed_ns == 0)
			span->flushed_ns = event->ns;
		span->mapped = false;
		break;
	default:
		break;
	}
}
