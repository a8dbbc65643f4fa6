/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log-source.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <viommu/trace.h>

#include "cmd.h"
#include "target.h"

#define MARK_MS 500

struct viommu_log_source {
	viommu_live *live; /* NULL: a snapshot */
	char *path;        /* NULL: there is no log */
	viommu_trace *own; /* trace events of our own */
	char *folder;      /* of its file */
	viommu_qemu_log *log;
	bool no_mark;      /* it did not come once */
};

/* ---- signals: the trace events have to be switched off first -------------------------- */

static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static volatile sig_atomic_t ended_by;

static void
on_ending(int number)
{
	ended_by = number;
}

/* A command that catches a signal itself ends by it, too. */
static void
catch_endings(void)
{
	const struct sigaction action = { .sa_handler = on_ending, .sa_flags = SA_RESTART };
	struct sigaction now;

	for (gsize i = 0; i < G_N_ELEMENTS(endings); i++)
		if (sigaction(endings[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			sigaction(endings[i], &action, NULL);
}

static void
end_by_signal(void)
{
	if (!ended_by)
		return;
	signal(ended_by, SIG_DFL);
	raise(ended_by);
}

/* ---- life --------------------------------------------------------------------------------- */

/* A folder that QEMU's user can go through, and nobody can list. */
static gboolean
begin_own(viommu_log_source *self, const char *address, pid_t pid, GError **error)
{
	viommu_trace_options options = { .address = address, .pid = pid, .own_folder = TRUE };

	catch_endings();
	self->folder = g_build_filename(g_get_tmp_dir(), "viommu-trace.XXXXXX", NULL);
	if (!g_mkdtemp_full(self->folder, 0700) || chmod(self->folder, 0711) != 0) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot make %s for the trace", self->folder);
		return FALSE;
	}
	self->path = g_build_filename(self->folder, "trace.log", NULL);
	options.file = self->path;
	self->own = viommu_trace_begin(viommu_live_monitor(self->live), &options, error);
	return self->own != NULL;
}

viommu_log_source *
viommu_log_source_open(const char *path, gboolean trace, viommu_live *live, const char *address, pid_t pid, GError **error)
{
	g_autoptr(viommu_log_source) self = g_new0(viommu_log_source, 1);
	pid_t holder;

	self->live = live;
	if (trace)
		pid = viommu_target_process(address, pid, viommu_live_monitor(live));
	if (path)
		self->path = g_strdup(path);
	else if (trace && viommu_trace_look(address, pid, &self->path, NULL, &holder) != VIOMMU_TRACE_HELD) {
		g_clear_pointer(&self->path, g_free);
		if (!begin_own(self, address, pid, error))
			return NULL;
	}
	return g_steal_pointer(&self);
}

void
viommu_log_source_free(viommu_log_source *self)
{
	g_autoptr(GError) error = NULL;

	if (!self)
		return;
	if (self->own && !viommu_trace_end(self->own, viommu_live_monitor(self->live), &error))
		g_message("QEMU's trace events are still on (viommu trace --undo tries again): %s", error->message);
	if (self->folder) {
		if (self->path)
			g_unlink(self->path);
		g_rmdir(self->folder);
	}
	viommu_qemu_log_free(self->log);
	g_free(self->folder);
	g_free(self->path);
	g_free(self);
	end_by_signal();
}

static const char *
path_now(const viommu_log_source *self)
{
	return self->own && viommu_trace_source(self->own) ? viommu_trace_source(self->own) : self->path;
}

/* Proves that the file is what QEMU writes to, now. */
static gboolean
mark(viommu_log_source *self, bool *current, GError **error)
{
	g_autoptr(GError) local = NULL;

	*current = viommu_trace_mark(viommu_live_monitor(self->live), viommu_live_machine(self->live)->registers_base,
		path_now(self), MARK_MS, &local);
	if (local) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	self->no_mark = !*current;
	if (!*current)
		g_debug("%s did not get QEMU's trace of a register read: it is not known to go up to now", path_now(self));
	return TRUE;
}

gboolean
viommu_log_source_read(viommu_log_source *self, const viommu_qemu_log **ret, GError **error)
{
	bool current = false;

	*ret = NULL;
	if (!self->path)
		return TRUE;
	if (!self->live) {
		if (!self->log)
			self->log = viommu_cmd_qemu_log(self->path, error);
		*ret = self->log;
		return *ret != NULL;
	}
	if (!self->no_mark && !mark(self, &current, error))
		return FALSE;
	if (!self->log)
		self->log = viommu_qemu_log_new(path_now(self));
	if (!viommu_qemu_log_follow(self->log, error))
		return FALSE;
	viommu_qemu_log_set_current(self->log, current);
	*ret = self->log;
	return TRUE;
}

GBytes *
viommu_log_source_bytes(const viommu_log_source *self, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *text = NULL;
	gsize len;

	if (!self->log || strcmp(path_now(self), "-") == 0)
		return NULL;
	if (!g_file_get_contents(path_now(self), &text, &len, &local)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read QEMU's log again: %s", local->message);
		return NULL;
	}
	len = MIN(len, (gsize) viommu_qemu_log_bytes(self->log));
	return g_bytes_new_take(g_steal_pointer(&text), len);
}
