/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <viommu/trace.h>

#include "bundle/bundle-replay.h"
#include "qemus.h"

void
viommu_target_help(gboolean live_only)
{
	printf("TARGET is one of%s\n", live_only ? " (not -s, since a snapshot does not move)" : "");
	fputs("  -q, --qmp ADDRESS     a QEMU: [hmp:]unix:PATH, tcp:HOST:PORT, libvirt:GUEST\n"
	      "  -p, --pid PID         a live QEMU by its process: viommu list shows them\n", stdout);
	if (!live_only)
		fputs("  -s, --snapshot FILE   what viommu capture wrote, or a bundle\n"
		      "                        (viommu report); a bundle also without -s\n", stdout);
	fputs("with a live QEMU\n"
	      "      --memory HOW      auto (default), process (QEMU's memory), xp (monitor)\n"
	      "      --timeout SECONDS for each step with the monitor (default 5)\n", stdout);
}

GOptionEntry *
viommu_target_entries(viommu_target_options *options)
{
	const GOptionEntry entries[] = {
		{ "qmp", 'q', 0, G_OPTION_ARG_FILENAME, &options->qmp, NULL, NULL },
		{ "snapshot", 's', 0, G_OPTION_ARG_FILENAME, &options->snapshot, NULL, NULL },
		{ "memory", 0, 0, G_OPTION_ARG_STRING, &options->memory, NULL, NULL },
		{ "pid", 'p', 0, G_OPTION_ARG_FILENAME, &options->pid_text, NULL, NULL },
		{ "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &options->timeout, NULL, NULL },
		{ 0 },
	};

	return g_memdup2(entries, sizeof(entries));
}

void
viommu_target_options_clear(viommu_target_options *options)
{
	g_clear_pointer(&options->qmp, g_free);
	g_clear_pointer(&options->snapshot, g_free);
	g_clear_pointer(&options->memory, g_free);
	g_clear_pointer(&options->pid_text, g_free);
}

static gboolean
usage(GError **error, const char *text)
{
	g_set_error_literal(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE, text);
	return FALSE;
}

static gboolean
live_options(const viommu_target_options *options, viommu_live_options *ret, GError **error)
{
	*ret = (viommu_live_options){ .address = options->qmp, .pid = options->pid, .claim = options->claim };
	if (!(options->timeout >= 0.1 && options->timeout <= 3600))
		return usage(error, "--timeout takes 0.1 to 3600 seconds");
	ret->timeout_ms = (unsigned) (options->timeout * 1000);
	if (!options->memory || strcmp(options->memory, "auto") == 0)
		ret->memory = VIOMMU_MEMORY_AUTO;
	else if (strcmp(options->memory, "xp") == 0)
		ret->memory = VIOMMU_MEMORY_XP;
	else if (strcmp(options->memory, "process") == 0)
		ret->memory = VIOMMU_MEMORY_PROCESS;
	else
		return usage(error, "--memory takes auto, process or xp");
	return TRUE;
}

pid_t
viommu_target_process(const char *address, pid_t said, const viommu_monitor *monitor)
{
	pid_t peer = viommu_monitor_peer_pid(monitor);

	if (said)
		return said;
	return peer && (g_str_has_prefix(address, "libvirt:") || viommu_is_qemu(peer)) ? peer : 0;
}

/* A viommu that was killed may have left QEMU tracing. */
static void
note_leftovers(const char *address, pid_t qemu)
{
	g_autofree char *file = NULL, *where = NULL;
	pid_t pid;

	if (viommu_trace_look(address, qemu, &file, &where, &pid) == VIOMMU_TRACE_LEFT)
		g_message("a viommu that was killed (process %d) left trace events of this QEMU on, into %s; viommu trace -q %s --undo "
			  "switches them off", (int) pid, where, address);
}

static gboolean
open_live(viommu_target *self, const viommu_target_options *options, GError **error)
{
	viommu_live_options live;

	if (!live_options(options, &live, error))
		return FALSE;
	self->live = viommu_live_open(&live, error);
	note_leftovers(options->qmp,
		self->live ? viommu_target_process(options->qmp, options->pid, viommu_live_monitor(self->live)) : options->pid);
	if (!self->live)
		return FALSE;
	if (!viommu_target_agrees(options, viommu_live_monitor(self->live), error))
		return FALSE;
	self->machine = viommu_live_machine(self->live);
	self->registers = viommu_live_registers(self->live);
	self->memory = viommu_live_memory(self->live);
	self->name = g_strdup(options->qmp);
	return TRUE;
}

static gboolean
open_snapshot(viommu_target *self, const viommu_target_options *options, GError **error)
{
	if (options->memory || options->pid)
		return usage(error, "--memory and --pid are for a live QEMU, not for a snapshot");
	if (viommu_is_bundle(options->snapshot)) {
		self->bundle = viommu_bundle_read(options->snapshot, error);
		self->snapshot = self->bundle ? viommu_replay_snapshot(self->bundle, options->snapshot, error) : NULL;
	} else {
		self->snapshot = viommu_snapshot_read(options->snapshot, error);
	}
	if (!self->snapshot)
		return FALSE;
	self->machine = viommu_snapshot_machine(self->snapshot);
	self->registers = viommu_snapshot_registers(self->snapshot);
	self->memory = viommu_snapshot_memory(self->snapshot);
	self->name = g_strdup(options->snapshot);
	return TRUE;
}

#define MAX_PID (1 << 22) /* the kernel's PID_MAX_LIMIT */

gboolean
viommu_target_check(viommu_target_options *options, GError **error)
{
	const char *text = options->pid_text;
	guint64 pid;

	if (!text)
		return TRUE;
	if (!g_ascii_string_to_unsigned(text, 10, 1, MAX_PID, &pid, NULL)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
			"--pid takes a process id, from 1 to %d, not \"%s\"; viommu list shows the QEMUs of this host", MAX_PID, text);
		return FALSE;
	}
	options->pid = (int) pid;
	return TRUE;
}

gboolean
viommu_target_agrees(const viommu_target_options *options, const viommu_monitor *monitor, GError **error)
{
	pid_t peer = viommu_monitor_peer_pid(monitor);
	g_autoptr(viommu_qemu) other = NULL;

	/* Whoever listens need not be QEMU: a manager makes sockets too. */
	if (!options->pid || options->claim != VIOMMU_PID_SAID || !peer || peer == options->pid || !(other = viommu_qemu_of(peer, NULL)))
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
		"-p %d and -q %s name two QEMUs: process %d (%s) listens there; leave out one of the two", options->pid, options->qmp,
		(int) peer, other->name);
	return FALSE;
}

gboolean
viommu_target_find(viommu_target_options *options, GError **error)
{
	g_autoptr(viommu_qemu) qemu = NULL;
	bool handed_over = false;

	if (options->pid && options->qmp && kill(options->pid, 0) != 0 && errno == ESRCH) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT, "there is no process %d; viommu list shows the QEMUs of this host",
			options->pid);
		return FALSE;
	}
	if (!options->pid || options->qmp || options->snapshot)
		return TRUE;
	qemu = viommu_qemu_of(options->pid, error);
	options->qmp = qemu ? viommu_qemu_address(qemu, &handed_over, error) : NULL;
	options->claim = handed_over ? VIOMMU_PID_FOUND_BY_FD : VIOMMU_PID_FOUND;
	if (options->qmp)
		g_debug("the monitor of process %d is %s", options->pid, options->qmp);
	return options->qmp != NULL;
}

viommu_target *
viommu_target_open(const viommu_target_options *options, GError **error)
{
	g_autoptr(viommu_target) self = g_new0(viommu_target, 1);

	if (!options->qmp == !options->snapshot) {
		usage(error, options->qmp ? "name one target: a live QEMU (-q) or a snapshot (-s), not both"
					  : "name the target: -q unix:SOCKET or -p PID for a live QEMU (viommu list shows them), "
						    "or -s FILE for a snapshot");
		return NULL;
	}
	if (!(options->qmp ? open_live(self, options, error) : open_snapshot(self, options, error)))
		return NULL;
	viommu_machine_unit(self->machine, self->registers, &self->unit);
	/* GIO ignores SIGPIPE once it has a socket; "viommu dump | head" shall just end. */
	signal(SIGPIPE, SIG_DFL);
	return g_steal_pointer(&self);
}

void
viommu_target_free(viommu_target *self)
{
	if (!self)
		return;
	if (self->snapshot)
		viommu_memory_free(self->memory);
	viommu_snapshot_free(self->snapshot);
	viommu_live_free(self->live);
	viommu_bundle_free(self->bundle);
	g_free(self->name);
	g_free(self);
}
