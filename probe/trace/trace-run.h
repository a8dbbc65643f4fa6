/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_TRACE_RUN_H
#define PROBE_TRACE_RUN_H

#include "trace/trace-options.h"

struct record_writer;

/* Traces and records until the end; the exit status.  BEGIN (or NULL) writes what comes
 * before the first event.  In a build without libtracefs (trace-none.c) it says so. */
int trace_run(const struct trace_options *options, void (*begin)(struct record_writer *record));

#endif
