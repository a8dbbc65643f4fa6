/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In the place of trace-run.c in a build without libtracefs. */
#include "report.h"
#include "trace-run.h"

int
trace_run(const struct trace_options *options)
{
	(void) options;
	probe_say(
		"trace was not built in: install libtracefs-dev and libtraceevent-dev (the static archives) "
		"where viommu-probe is built, and build it again");
	return PROBE_EXIT_FAILED;
}
