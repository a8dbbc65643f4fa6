/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is mapped now in one address space, as far as the trace has shown: a
 * set of ranges that do not overlap, each with the GPA of its first byte. */
#ifndef PROBE_TRACE_LIVE_H
#define PROBE_TRACE_LIVE_H

#include <stdbool.h>
#include <stdint.h>

struct live_node;

struct trace_live {
	struct live_node *root;
	uint32_t random;
	bool oom; /* from then on it knows less than there is */
};

struct live_answer {
	bool any;   /* something of the range is mapped */
	bool other; /* … to something else than asked about */
	bool cut;   /* … by a mapping that lies only partly in the range */
	bool gap;   /* some of it is not mapped */
};

/* Ranges are inclusive. */
struct live_answer trace_live_look(
	const struct trace_live *live, uint64_t first, uint64_t last, uint64_t paddr);
void trace_live_put(struct trace_live *live, uint64_t first, uint64_t last, uint64_t paddr);
void trace_live_cut(struct trace_live *live, uint64_t first, uint64_t last);
void trace_live_free(struct trace_live *live);

#endif
