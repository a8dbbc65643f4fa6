/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's trace events, switched on for a while.  What changes in QEMU is written to a
 * state file first, so that whoever comes after a viommu that was killed can undo it.
 */
#ifndef VIOMMU_TRACE_H
#define VIOMMU_TRACE_H

#include <viommu/capture.h>
#include <viommu/qemu-log.h>

G_BEGIN_DECLS

typedef struct {
	const char *address; /* of the monitor; names the state file  */
	pid_t pid;           /* of QEMU; 0: not known, maybe the monitor's peer */
	const char *file;    /* absolute; the trace goes here           */
	/* What QEMU's log goes back to afterwards. NULL: found out from the process; it is an
	 * error if that cannot be done, since QEMU does not tell. */
	const char *log_was;
	/* The file's folder was made for this trace alone: who undoes a trace that was left on
	 * takes file and folder away too. */
	gboolean own_folder;
} viommu_trace_options;

typedef struct viommu_trace viommu_trace;

/* Makes the file, switches on, and makes sure that the trace arrives. The monitor may send
 * what that needs from then on.  Errors: FAILED (another viommu traces this QEMU; a killed
 * one left things on; cannot tell where the log goes; nothing arrives), NO_IOMMU, those of
 * the monitor. */
viommu_trace *viommu_trace_begin(viommu_monitor *monitor, const viommu_trace_options *options, GError **error);
/* Puts back what was there. On failure the state file stays. Frees self. */
gboolean viommu_trace_end(viommu_trace *self, viommu_monitor *monitor, GError **error);
/* Frees self; QEMU keeps tracing, and the state file says so. */
void viommu_trace_abandon(viommu_trace *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_trace, viommu_trace_abandon)

const char *viommu_trace_file(const viommu_trace *self);
unsigned viommu_trace_events_on(const viommu_trace *self); /* how many were switched on */
unsigned viommu_trace_events_before(const viommu_trace *self); /* how many were on before */
/* That QEMU has ended: there is nothing to put back. */
gboolean viommu_trace_qemu_ended(const viommu_trace *self);
/* Where QEMU's log goes meanwhile, if its own file was left in place; else NULL.  Then
 * viommu_trace_copy() has to be called now and then. */
const char *viommu_trace_source(const viommu_trace *self);
/* Copies what came since to the file. */
gboolean viommu_trace_copy(viommu_trace *self, GError **error);

/* registers: where the vIOMMU's are (GPA). Reads one that nobody else reads, which leaves a line in the trace, and waits until
 * it stands in the file behind what was there. Then the file is what QEMU writes its trace
 * to, and has all up to now.  FALSE without error: it did not come. */
gboolean viommu_trace_mark(viommu_monitor *monitor, uint64_t registers, const char *file, unsigned timeout_ms, GError **error);

/* ---- what others left, or hold -------------------------------------------------------- */

typedef enum {
	VIOMMU_TRACE_NONE,
	VIOMMU_TRACE_HELD, /* by a viommu that runs       */
	VIOMMU_TRACE_LEFT, /* by one that was killed      */
} viommu_trace_state;

/* What the state file of this monitor says, or one of this QEMU (its process; 0: not known) that was
 * reached by another address; *file is where the trace goes, *where (may be
 * NULL) the same in words, with the file that it is copied to, *pid the viommu that did it.
 * The caller frees both texts; they are not set when there is none. */
viommu_trace_state viommu_trace_look(const char *address, pid_t qemu, char **file, char **where, pid_t *pid);
/* Undoes what a killed viommu left.  FALSE without error: nothing was left. */
gboolean viommu_trace_undo(viommu_monitor *monitor, const char *address, pid_t qemu, GError **error);

G_END_DECLS

#endif
