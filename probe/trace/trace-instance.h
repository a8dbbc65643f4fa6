/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_TRACE_INSTANCE_H
#define PROBE_TRACE_INSTANCE_H

#include <stdint.h>

#include "base/report.h"

struct tracefs_instance;

/* An instance named viommu-PID with the clock of the record, CLOCK_MONOTONIC.
 * Those that a viommu-probe left when it was killed are removed.  NULL with
 * ERROR, which says what to do. */
struct tracefs_instance *trace_instance_new(uint64_t buffer_kib, struct probe_error *error);
/* Removes it. */
void trace_instance_free(struct tracefs_instance *instance);

/* The raw buffer of a CPU, in pages.  Closed on exec, which libtracefs's own
 * function does not do: a child with it open would keep the instance alive. */
int trace_instance_open_cpu(struct tracefs_instance *instance, unsigned cpu);
/* How many events the kernel dropped for this CPU so far. */
uint64_t trace_instance_lost(struct tracefs_instance *instance, unsigned cpu);

#endif
