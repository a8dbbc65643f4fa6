/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In the place of trace-run.c and witness.c in a build without libtracefs. */
#include "base/report.h"
#include "trace/trace-run.h"
#include "trace/witness.h"

#define NOT_BUILT_IN \
	"was not built in: install libtracefs-dev and libtraceevent-dev (the static archives) " \
	"where viommu-probe is built, and build it again"

int
trace_run(const struct trace_options *options, void (*begin)(struct record_writer *record))
{
	(void) options;
	(void) begin;
	probe_say("trace " NOT_BUILT_IN);
	return PROBE_EXIT_FAILED;
}

struct witness *
witness_open(struct probe_error *error)
{
	(void) probe_fail(error, 0, "--invalidations " NOT_BUILT_IN);
	return NULL;
}

void
witness_write(struct witness *witness, struct record_writer *record)
{
	(void) witness;
	(void) record;
}

void
witness_close(struct witness *witness)
{
	(void) witness;
}
