/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU is told for a trace, and to undo it. */
#ifndef VIOMMU_TRACE_SWITCH_H
#define VIOMMU_TRACE_SWITCH_H

#include "trace-state.h"

/* Appends the wanted events of one pattern that are off to state, and counts those that are
 * on. */
gboolean trace_look_at_events(trace_state *state, viommu_monitor *monitor, const char *pattern, unsigned *on, GError **error);

gboolean trace_set_logfile(viommu_monitor *monitor, const char *path, GError **error);
/* Those of state. */
gboolean trace_events_on(const trace_state *state, viommu_monitor *monitor, GError **error);
/* Events and log. Goes on after a failure, to put back as much as can be; the first error counts. */
gboolean trace_restore(const trace_state *state, viommu_monitor *monitor, GError **error);

#endif
