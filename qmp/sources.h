/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory sources of a live QEMU. */
#ifndef VIOMMU_SOURCES_H
#define VIOMMU_SOURCES_H

#include <stdbool.h>

#include <viommu/memory.h>
#include <viommu/monitor.h>
#include <viommu/snapshot.h>

/* HMP "xp" through the monitor: works everywhere, about a millisecond a page.
 * Borrows both for its life. */
viommu_memory *viommu_memory_xp(viommu_monitor *monitor, const viommu_machine *machine);

typedef enum {
	VIOMMU_PROOF_NONE,
	VIOMMU_PROOF_ZEROS,   /* all pages that could prove it are zeros both ways */
	VIOMMU_PROOF_AGAINST, /* it holds other memory, or none where the monitor has that of the guest */
} viommu_process_proof;

/* The memory of the QEMU process itself (process_vm_readv).  pid 0: the process
 * at the other end of the monitor's socket.  Needs the permission to trace it.
 * Proves before it returns that it reads the same memory as the monitor.
 * *proof (may be NULL): what was found when it failed since nothing was proven.
 * Errors: PERMISSION, FAILED: the message says why this source cannot be used. */
viommu_memory *viommu_memory_process(viommu_monitor *monitor, const viommu_machine *machine, pid_t pid,
	viommu_process_proof *proof, GError **error);

/* Gives the commands that opening these, or reading that page, waits for: viommu_monitor_ahead(). */
void viommu_memory_process_ahead(viommu_monitor *monitor, const viommu_machine *machine);
void viommu_memory_xp_ahead(viommu_monitor *monitor, viommu_gpa gpa);

/* Where a RAM region of L1 stands in the QEMU process. */
typedef struct {
	viommu_gpa_range gpa;
	viommu_hva hva; /* of gpa.first */
} viommu_ram_window;

/* Of viommu_ram_window, ascending, and whose they are; NULL when memory is no such
 * source. */
const GArray *viommu_memory_process_windows(const viommu_memory *memory, pid_t *pid);

#endif
