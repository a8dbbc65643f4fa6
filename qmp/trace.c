/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Switching QEMU's trace events on and off.
 *
 * Seen with QEMU 7.2 and 10.0 (trace backend "log"): an event that is switched on is
 * written at once, whatever "log" says; to the file that -D or "logfile" named, else to
 * stderr. QEMU does not tell which. "logfile" with a file that exists empties it (10.0
 * always, 7.2 the first time), so a log that is a file stays where it is, and what comes is
 * copied.
 */
#include <viommu/trace.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"
#include "qemu-log-line.h"
#include "trace-switch.h"

#define ARRIVAL_MS 2000

struct viommu_trace {
	trace_state *state;
	uint64_t registers;
	unsigned before;
	uint64_t copied; /* bytes of the source */
};

static gboolean
fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
fail(GError **error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (error && !*error)
		*error = g_error_new_valist(VIOMMU_ERROR, VIOMMU_ERROR_FAILED, format, args);
	va_end(args);
	return FALSE;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Made by us, empty; QEMU has to be able to write to it. */
static gboolean
make_file(const trace_state *state, GError **error)
{
	g_autofree char *process = g_strdup_printf("/proc/%d", (int) state->qemu);
	struct stat st;
	int fd = open(state->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return fail(error, "cannot make %s: %s", state->file, g_strerror(errno));
	if (!state->source && state->qemu && stat(process, &st) == 0 && st.st_uid != geteuid() && fchown(fd, st.st_uid, st.st_gid) != 0)
		g_debug("%s cannot be given to QEMU's user %u: %s", state->file, (unsigned) st.st_uid, g_strerror(errno));
	close(fd);
	return TRUE;
}

static uint64_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0 ? (uint64_t) st.st_size : 0;
}

/* The text stands in the file behind so many bytes. */
static bool
stands_in(const char *path, uint64_t from, const char *text)
{
	char chunk[64 * 1024];
	size_t kept = 0, len = strlen(text);
	FILE *file = fopen(path, "rbe");
	bool found = false;

	if (!file)
		return false;
	if (fseeko(file, (off_t) from, SEEK_SET) == 0)
		for (size_t n; !found && (n = fread(chunk + kept, 1, sizeof(chunk) - kept, file)) > 0;) {
			n += kept;
			found = memmem(chunk, n, text, len) != NULL;
			kept = MIN(n, len - 1);
			memmove(chunk, chunk + n - kept, kept);
		}
	fclose(file);
	return found;
}

gboolean
viommu_trace_mark(viommu_monitor *monitor, uint64_t registers, const char *file, unsigned timeout_ms, GError **error)
{
	g_autofree char *line = g_strdup_printf("xp /1xw 0x%" G_GINT64_MODIFIER "x", registers + VIOMMU_TRACE_MARK);
	g_autofree char *text = g_strdup_printf("vtd_reg_read addr 0x%x size 0x%x\n", VIOMMU_TRACE_MARK, VIOMMU_TRACE_MARK_SIZE);
	uint64_t from = size_of(file);
	g_autofree char *answer = viommu_monitor_hmp(monitor, line, error);
	gint64 end = g_get_monotonic_time() + (gint64) timeout_ms * 1000;

	if (!answer)
		return FALSE;
	do {
		if (stands_in(file, from, text))
			return TRUE;
		g_usleep(10 * 1000);
	} while (g_get_monotonic_time() < end);
	return FALSE;
}

gboolean
viommu_trace_copy(viommu_trace *self, GError **error)
{
	const trace_state *state = self->state;
	FILE *from = state->source ? fopen(state->source, "rbe") : NULL;
	FILE *to = from ? fopen(state->file, "abe") : NULL;
	char chunk[64 * 1024];
	gboolean ok = !state->source || (from && to);

	/* It shrank: somebody emptied it. */
	if (from && size_of(state->source) < self->copied)
		self->copied = 0;
	if (ok && from && fseeko(from, (off_t) self->copied, SEEK_SET) == 0)
		for (size_t n; ok && (n = fread(chunk, 1, sizeof(chunk), from)) > 0; self->copied += n)
			ok = fwrite(chunk, 1, n, to) == n;
	ok &= !from || !ferror(from);
	ok = (!to || fclose(to) == 0) && ok;
	if (from)
		fclose(from);
	return ok ? TRUE : fail(error, "cannot copy QEMU's log %s to %s: %s", state->source, state->file, g_strerror(errno));
}

/* ---- on and off --------------------------------------------------------------------------------- */

static gboolean
others(const char *address, pid_t qemu, GError **error)
{
	g_autofree char *file = NULL, *where = NULL;
	pid_t pid;

	switch (viommu_trace_look(address, qemu, &file, &where, &pid)) {
	case VIOMMU_TRACE_HELD:
		return fail(error, "viommu process %d traces this QEMU already, into %s", (int) pid, where);
	case VIOMMU_TRACE_LEFT:
		return fail(error, "a viommu that was killed (process %d) left trace events of this QEMU on, into %s; undo that first: "
				   "viommu trace -q %s --undo", (int) pid, where, address);
	case VIOMMU_TRACE_NONE:
		break;
	}
	return TRUE;
}

static gboolean
switch_on(viommu_trace *self, viommu_monitor *monitor, GError **error)
{
	const trace_state *state = self->state;

	if (!state->source && !trace_set_logfile(monitor, state->file, error))
		return FALSE;
	if (!trace_events_on(state, monitor, error))
		return FALSE;
	if (viommu_trace_mark(monitor, self->registers, state->source ? state->source : state->file, ARRIVAL_MS, error))
		return TRUE;
	return fail(error, "QEMU's trace does not arrive in %s%s", state->source ? state->source : state->file,
		state->source ? ", where its log seemed to go; name the place with --log-was PATH" : " (a container, or another backend than \"log\"?)");
}

viommu_trace *
viommu_trace_begin(viommu_monitor *monitor, const viommu_trace_options *options, GError **error)
{
	g_autoptr(viommu_machine) machine = NULL;
	viommu_trace *self;
	trace_state *state;

	if (!others(options->address, options->pid, error))
		return NULL;
	machine = viommu_machine_query(monitor, error);
	if (!machine)
		return NULL;
	viommu_monitor_allow_trace(monitor);
	self = g_new0(viommu_trace, 1);
	self->registers = machine->registers_base;
	self->state = state = trace_state_new(options->address);
	state->file = g_strdup(options->file);
	state->own_folder = options->own_folder;
	state->qemu = options->pid ? options->pid : viommu_monitor_peer_pid(monitor);
	state->qemu_began = trace_process_began(state->qemu);
	state->viommu = getpid();
	state->viommu_began = trace_process_began(state->viommu);
	if (trace_look_at_events(state, monitor, "vtd_*", &self->before, error) &&
		trace_look_at_events(state, monitor, "vfio_*", &self->before, error)) {
		if (self->before + state->events->len == 0)
			fail(error, "this QEMU has no trace events of its vIOMMU: it was built without them");
		else if (trace_find_log(state, options->log_was, error) && make_file(state, error) && trace_state_write(state, error)) {
			self->copied = state->source ? size_of(state->source) : 0;
			if (switch_on(self, monitor, error))
				return self;
			if (trace_restore(state, monitor, NULL))
				trace_state_remove(state);
		}
	}
	viommu_trace_abandon(self);
	return NULL;
}

void
viommu_trace_abandon(viommu_trace *self)
{
	if (!self)
		return;
	if (viommu_trace_qemu_ended(self))
		trace_state_remove(self->state);
	trace_state_free(self->state);
	g_free(self);
}

gboolean
viommu_trace_end(viommu_trace *self, viommu_monitor *monitor, GError **error)
{
	gboolean ok;

	viommu_monitor_allow_trace(monitor);
	viommu_trace_mark(monitor, self->registers, self->state->source ? self->state->source : self->state->file, ARRIVAL_MS, NULL);
	ok = trace_restore(self->state, monitor, error);
	if (ok)
		trace_state_remove(self->state);
	ok &= viommu_trace_copy(self, ok ? error : NULL);
	viommu_trace_abandon(self);
	return ok;
}

const char *
viommu_trace_file(const viommu_trace *self)
{
	return self->state->file;
}

static gboolean
qemu_ended(const trace_state *state)
{
	return state->qemu_began && trace_process_began(state->qemu) != state->qemu_began;
}

gboolean
viommu_trace_qemu_ended(const viommu_trace *self)
{
	return qemu_ended(self->state);
}

const char *
viommu_trace_source(const viommu_trace *self)
{
	return self->state->source;
}

unsigned
viommu_trace_events_on(const viommu_trace *self)
{
	return self->state->events->len;
}

unsigned
viommu_trace_events_before(const viommu_trace *self)
{
	return self->before;
}

/* A folder that verify or watch made for its own trace, and was killed before it took it away. */
static void
remove_own_folder(const trace_state *state)
{
	g_autofree char *folder = g_path_get_dirname(state->file);

	if (state->own_folder && unlink(state->file) == 0)
		rmdir(folder);
}

/* ---- leftovers ------------------------------------------------------------------------------------ */

/* A QEMU can have several monitors, and a monitor several names; the process is one. */
static trace_state *
find_note(const char *address, pid_t qemu)
{
	g_autoptr(trace_state) state = trace_state_read(address);

	/* That QEMU has ended, and all that was switched with it. */
	if (state && qemu_ended(state)) {
		trace_state_remove(state);
		g_clear_pointer(&state, trace_state_free);
	}
	return state || !qemu ? g_steal_pointer(&state) : trace_state_read_of_process(qemu);
}

viommu_trace_state
viommu_trace_look(const char *address, pid_t qemu, char **file, char **where, pid_t *pid)
{
	g_autoptr(trace_state) state = find_note(address, qemu);
	uint64_t began;

	if (!state)
		return VIOMMU_TRACE_NONE;
	*file = g_strdup(state->source ? state->source : state->file);
	/* What goes to a folder of our own is copied for nobody. */
	if (where)
		*where = state->source && !state->own_folder ? g_strdup_printf("QEMU's log %s, copied to %s", state->source, state->file)
							     : g_strdup(*file);
	*pid = state->viommu;
	began = trace_process_began(state->viommu);
	return began && began == state->viommu_began ? VIOMMU_TRACE_HELD : VIOMMU_TRACE_LEFT;
}

gboolean
viommu_trace_undo(viommu_monitor *monitor, const char *address, pid_t qemu, GError **error)
{
	g_autofree char *file = NULL, *where = NULL;
	g_autoptr(trace_state) state = NULL;
	pid_t pid;

	switch (viommu_trace_look(address, qemu, &file, &where, &pid)) {
	case VIOMMU_TRACE_HELD:
		return fail(error, "viommu process %d traces this QEMU, into %s, and will undo it itself when it ends", (int) pid, where);
	case VIOMMU_TRACE_NONE:
		return FALSE;
	case VIOMMU_TRACE_LEFT:
		break;
	}
	state = find_note(address, qemu);
	viommu_monitor_allow_trace(monitor);
	if (!state || !trace_restore(state, monitor, error))
		return FALSE;
	trace_state_remove(state);
	remove_own_folder(state);
	return TRUE;
}
