/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tracing changed in a QEMU, on file for as long as it is changed. */
#ifndef VIOMMU_TRACE_STATE_H
#define VIOMMU_TRACE_STATE_H

#include <viommu/trace.h>

typedef struct {
	char *path;            /* of the note                                          */
	char *address;         /* of the monitor                                       */
	char *file;            /* the trace goes here                                  */
	gboolean own_folder;   /* the file's folder is ours, and goes with it           */
	char *source;          /* QEMU's own log, when it was left in place; else NULL  */
	char *log_was;         /* the log goes back to this; NULL: it was not touched   */
	pid_t viommu, qemu;    /* processes, and when they began: a number can be       */
	uint64_t viommu_began, qemu_began; /* given to another; 0: not known            */
	GPtrArray *events;     /* names of those that were switched on                  */
} trace_state;

trace_state *trace_state_new(const char *address);
void trace_state_free(trace_state *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(trace_state, trace_state_free)

gboolean trace_state_write(const trace_state *self, GError **error);
/* NULL when there is none (or none that makes sense). The second: whatever the address was. */
trace_state *trace_state_read(const char *address);
trace_state *trace_state_read_of_process(pid_t qemu);
void trace_state_remove(const trace_state *self);

/* Fills in source (the log is a file, and stays) or log_was (what to go back to, which the
 * caller may know). */
gboolean trace_find_log(trace_state *state, const char *log_was, GError **error);

/* When a process began, in the kernel's ticks since boot; 0: there is none, or it is dead
 * (a zombie), or it cannot be told. */
uint64_t trace_process_began(pid_t pid);

#endif
