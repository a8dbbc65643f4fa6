/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is the monitor that was found by a process still that process's? A path belongs to whoever
 * bound it last. */
#include <viommu/capture.h>

#include "machine.h"
#include "sources.h"

static gboolean
is_dead(const GError *error)
{
	return g_error_matches(error, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED) || g_error_matches(error, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT) ||
		g_error_matches(error, VIOMMU_ERROR, VIOMMU_ERROR_PROTOCOL);
}

gboolean
viommu_monitor_check_process(viommu_monitor *monitor, const viommu_machine *machine, const char *address, pid_t pid,
	viommu_pid_claim claim, GError **error)
{
	g_autoptr(viommu_machine) asked = NULL;
	g_autoptr(viommu_memory) memory = NULL;
	g_autoptr(GError) local = NULL;
	g_autofree char *whose = NULL;
	viommu_process_proof proof = VIOMMU_PROOF_NONE;
	pid_t peer = viommu_monitor_peer_pid(monitor);

	/* Whoever listens made the socket, and nobody else can have. */
	if (!pid || peer == pid)
		return TRUE;
	/* QEMU itself says which process it is. */
	if (g_str_has_prefix(address, "libvirt:")) {
		whose = peer ? g_strdup_printf("process %d", (int) peer) : g_strdup("a process that cannot be seen");
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
			"process %d calls itself the guest %s, but libvirt's guest of that UUID is %s; name the one that is meant with -q", (int) pid,
			address, whose);
		return FALSE;
	}
	if (!machine)
		machine = asked = viommu_machine_query(monitor, error);
	if (!machine)
		return FALSE;
	memory = viommu_memory_process(monitor, machine, pid, &proof, &local);
	if (memory)
		return TRUE;
	if (is_dead(local)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	/* Its peer is whoever made it: that says nothing against it. */
	if (claim == VIOMMU_PID_FOUND_BY_FD && g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_PERMISSION))
		return TRUE;
	/* A guest that has not begun yet: zeros can be read at the very addresses that the monitor named. */
	if (proof == VIOMMU_PROOF_ZEROS && (claim == VIOMMU_PID_FOUND_BY_FD || !peer))
		return TRUE;
	if (claim == VIOMMU_PID_SAID && proof != VIOMMU_PROOF_AGAINST)
		return TRUE;
	whose = peer ? g_strdup_printf("process %d listens there", (int) peer) : g_strdup("who listens there is not known");
	if (claim == VIOMMU_PID_SAID) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
			"-p %d and -q %s name two QEMUs: process %d does not hold the memory that the monitor shows, and %s; leave out one of "
			"the two", (int) pid, address, (int) pid, whose);
		return FALSE;
	}
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
		"nothing shows that the monitor at %s is that of process %d: %s, and %s; a QEMU started later may have taken its address: "
		"give each an address of its own, or name the monitor that is meant with -q", address, (int) pid, whose, local->message);
	return FALSE;
}
