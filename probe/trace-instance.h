/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_TRACE_INSTANCE_H
#define PROBE_TRACE_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "report.h"

struct tracefs_instance;

/* An instance named viommu-PID with the clock of the record, CLOCK_MONOTONIC.
 * Those that a viommu-probe left when it was killed are removed.  NULL with
 * ERROR, which says what to do. */
struct tracefs_instance *trace_instance_new(uint64_t buffer_kib, struct probe_error *error);
/* Removes it. */
void trace_instance_free(struct tracefs_instance *instance);

bool trace_instance_has_cpu(struct tracefs_instance *instance, unsigned cpu);
/* How many events the kernel dropped for this CPU so far. */
uint64_t trace_instance_lost(struct tracefs_instance *instance, unsigned cpu);

#endif
