/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-rest.h"

bool
trace_rest_due(struct trace_rest *rest, uint64_t seq, uint64_t now_ns)
{
	if (seq != rest->seen) {
		if (rest->seen == rest->marked)
			rest->first_ns = now_ns;
		rest->last_ns = now_ns;
		rest->seen = seq;
	}
	if (rest->seen != rest->marked)
		return now_ns - rest->first_ns >= TRACE_REST_NS;
	return rest->again && now_ns - rest->last_ns >= TRACE_REST_NS;
}

void
trace_rest_marked(struct trace_rest *rest, uint64_t seq, uint64_t now_ns)
{
	rest->again = now_ns - rest->last_ns < TRACE_REST_NS;
	rest->seen = rest->marked = seq;
}

void
trace_rest_put_off(struct trace_rest *rest, uint64_t now_ns)
{
	rest->first_ns = now_ns;
	if (rest->seen == rest->marked)
		rest->last_ns = now_ns;
}
