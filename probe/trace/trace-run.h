/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_TRACE_RUN_H
#define PROBE_TRACE_RUN_H

#include "trace/trace-options.h"

/* Traces and records until the end; the exit status.  In a build without
 * libtracefs (trace-none.c) it says so. */
int trace_run(const struct trace_options *options);

#endif
