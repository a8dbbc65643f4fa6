/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-rest.h"

bool
trace_rest_due(struct trace_rest *rest, uint64_t seq, uint64_t now_ns)
{
	if (seq != rest->seen && rest->seen == rest->marked)
		rest->first_ns = now_ns;
	rest->seen = seq;
	return rest->seen != rest->marked ? now_ns - rest->first_ns >= TRACE_REST_NS : now_ns - rest->pulse_ns >= TRACE_PULSE_NS;
}

void
trace_rest_marked(struct trace_rest *rest, uint64_t seq, uint64_t now_ns)
{
	rest->pulse_ns = now_ns;
	rest->seen = rest->marked = seq;
}

/* For a second, whichever of the two was due. */
void
trace_rest_put_off(struct trace_rest *rest, uint64_t now_ns)
{
	rest->first_ns = now_ns;
	rest->pulse_ns = now_ns - (TRACE_PULSE_NS - TRACE_REST_NS);
}
