/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A live QEMU, and how a snapshot is taken of it. */
#ifndef VIOMMU_CAPTURE_H
#define VIOMMU_CAPTURE_H

#include <viommu/monitor.h>
#include <viommu/snapshot.h>

G_BEGIN_DECLS

typedef enum {
	VIOMMU_MEMORY_AUTO,    /* the process if that works, else xp */
	VIOMMU_MEMORY_XP,      /* HMP xp only */
	VIOMMU_MEMORY_PROCESS, /* the process, or fail */
} viommu_memory_choice;

/* How it is known that a process and a monitor belong together. */
typedef enum {
	VIOMMU_PID_SAID,        /* it is not: the user named both, and may be wrong */
	VIOMMU_PID_FOUND,       /* the process gave the address: another QEMU there is an error */
	VIOMMU_PID_FOUND_BY_FD, /* the same, by a socket that somebody else made for it */
} viommu_pid_claim;

typedef struct {
	const char *address; /* of the monitor */
	unsigned timeout_ms; /* for each step with the monitor */
	viommu_memory_choice memory;
	pid_t pid; /* of QEMU; 0: whoever is at the other end of the monitor */
	viommu_pid_claim claim; /* what pid has to do with address */
} viommu_live_options;

/* That the monitor is the one of this process: the process listens there, or holds the memory
 * that the monitor shows. What is only not seen is believed of VIOMMU_PID_SAID. machine: NULL: it is asked
 * for, if needed. Errors: CONNECT (it is another's, or that cannot be seen), USAGE (VIOMMU_PID_SAID, and it is
 * another's), those of the monitor. */
gboolean viommu_monitor_check_process(viommu_monitor *monitor, const viommu_machine *machine, const char *address, pid_t pid,
	viommu_pid_claim claim, GError **error);

typedef struct viommu_live viommu_live;

/* Connects, asks for the facts, reads the registers, chooses the memory source.
 * Errors: those of the monitor, NO_IOMMU, PERMISSION, CONNECT (another QEMU's monitor). */
viommu_live *viommu_live_open(const viommu_live_options *options, GError **error);
void viommu_live_free(viommu_live *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_live, viommu_live_free)

const viommu_machine *viommu_live_machine(const viommu_live *self);
const vtd_registers *viommu_live_registers(const viommu_live *self); /* as of open or the last capture */
viommu_monitor *viommu_live_monitor(viommu_live *self);
viommu_memory *viommu_live_memory(viommu_live *self);
/* Commands that the monitor was asked so far. */
unsigned viommu_live_round_trips(const viommu_live *self);

typedef struct {
	gboolean pause;        /* stop the guest meanwhile; it is resumed on every way out */
	gboolean reproducible; /* leave out the time and the memory source                 */
	gboolean backing;      /* which pages of L0 stand behind those that assigned devices reach */
	/* Called now and then with the number of table pages so far; may be NULL. */
	void (*progress)(size_t pages, void *user);
	void *user;
} viommu_capture_options;

/* Reads every table that the root table leads to.  Can be called again. */
viommu_snapshot *viommu_live_capture(viommu_live *self, const viommu_capture_options *options, GError **error);

/* The program that resumes a guest whose viommu was killed while it was paused.
 * It is viommu itself, started with this as its first argument and the monitor's
 * address as its second; it waits on its standard input. A program of your own that pauses
 * is started so as well, and has to call viommu_guard_main() then. */
#define VIOMMU_GUARD_COMMAND "resume-guard"
int viommu_guard_main(const char *address);

G_END_DECLS

#endif
