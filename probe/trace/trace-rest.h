/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a trace is to have a mark: a second after what was written first since the last
 * one, and every two seconds while nothing happens.  So a reader who has looked at the
 * tables gets a mark that is younger than his look, and knows that nothing came in
 * between, or that the trace is no more.
 */
#ifndef PROBE_TRACE_REST_H
#define PROBE_TRACE_REST_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_REST_NS 1000000000ull
#define TRACE_PULSE_NS 2000000000ull

struct trace_rest {
	uint64_t seen, marked;       /* sequence numbers: of the last line, and of the last mark */
	uint64_t first_ns, pulse_ns; /* when the first line since the mark was seen, and the mark itself made */
};

/* SEQ is that of the record's last line. */
bool trace_rest_due(struct trace_rest *rest, uint64_t seq, uint64_t now_ns);
/* The line SEQ is a mark. */
void trace_rest_marked(struct trace_rest *rest, uint64_t seq, uint64_t now_ns);
/* None could be made: not to be tried again at once. */
void trace_rest_put_off(struct trace_rest *rest, uint64_t now_ns);

#endif
