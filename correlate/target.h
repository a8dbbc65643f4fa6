/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TARGET on the command line: a live QEMU or a snapshot, looked at in one way. */
#ifndef VIOMMU_TARGET_H
#define VIOMMU_TARGET_H

#include <viommu/capture.h>
#include <viommu/vtd.h>

#include "bundle/bundle.h"

/* What the options say, filled in by the entries below. */
typedef struct {
	char *qmp, *snapshot, *memory, *pid_text;
	int pid; /* of pid_text; 0: none was given */
	double timeout; /* seconds */
	viommu_pid_claim claim; /* FOUND: qmp is from pid */
} viommu_target_options;

#define VIOMMU_TARGET_DEFAULTS { .timeout = 5.0 }

/* Entries for GOption that fill in options; free with g_free. */
GOptionEntry *viommu_target_entries(viommu_target_options *options);
void viommu_target_options_clear(viommu_target_options *options);

/* Prints the lines of --help that describe TARGET.  live_only: not a snapshot. */
void viommu_target_help(gboolean live_only);

/* Where both are given: that the monitor is not one of another QEMU. Errors: USAGE. */
gboolean viommu_target_agrees(const viommu_target_options *options, const viommu_monitor *monitor, GError **error);

/* QEMU's, by what was said (-p; 0: nothing) or by who answers at this address; 0: not known. Whoever listens can
 * be a manager of several QEMUs. */
pid_t viommu_target_process(const char *address, pid_t said, const viommu_monitor *monitor);

typedef struct {
	viommu_live *live;         /* exactly one of the two */
	viommu_snapshot *snapshot;
	const viommu_machine *machine;
	const vtd_registers *registers;
	viommu_memory *memory; /* borrowed from live, or owned */
	vtd_unit unit;
	char *name; /* for people */
	viommu_bundle *bundle; /* that the snapshot is from; NULL: from none */
} viommu_target;

/* Takes the number out of --pid. Errors: USAGE. */
gboolean viommu_target_check(viommu_target_options *options, GError **error);

/* Where only --pid is given, finds that QEMU's monitor and puts it into qmp.
 * Errors: CONNECT (no such process, or no QEMU, or it has no monitor that can be reached). */
gboolean viommu_target_find(viommu_target_options *options, GError **error);

/* Errors: USAGE (none or several targets), those of the monitor and snapshots. */
viommu_target *viommu_target_open(const viommu_target_options *options, GError **error);
void viommu_target_free(viommu_target *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_target, viommu_target_free)

#endif
