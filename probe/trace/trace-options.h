/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of `viommu-probe trace`. */
#ifndef PROBE_TRACE_OPTIONS_H
#define PROBE_TRACE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct trace_options {
	const char *output;
	bool force;
	bool doctor; /* what it finds goes into the record */
	int pid;          /* only this process; 0: the whole system */
	uint64_t seconds; /* when seconds_given */
	bool seconds_given;
	uint64_t buffer_kib; /* of each CPU; 0: as much as is sensible here */
	bool invalidations;
	char **command; /* ends with NULL; or NULL: none */
};

/* False when there is nothing to run: --help, or a mistake that was said on
 * stderr.  Then *STATUS is the exit status. */
bool trace_options_parse(struct trace_options *ret, int argc, char **argv, int *status);

#endif
