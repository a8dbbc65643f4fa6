/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes to and from a monitor, a deadline on every step. */
#include <string.h>

#include <viommu/json.h>
#include <viommu/monitor.h>

#include "channel.h"

/* For a greeting, once something else has come; µs. */
#define LEFTOVER_PATIENCE (2 * G_USEC_PER_SEC)
#define MAX_BLANKS 64 /* between a greeting's first two characters */

/* Remembers the reason as well: a caller who can do without an answer asks on. */
G_GNUC_PRINTF(4, 5)
static gboolean
give_up(viommu_channel *self, int code, GError **error, const char *format, ...)
{
	va_list args;

	g_free(self->death);
	va_start(args, format);
	self->death = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error_literal(error, VIOMMU_ERROR, code, self->death);
	return FALSE;
}

static gboolean
fail_closed(viommu_channel *self, const char *wanted, const char *why, GError **error)
{
	g_autoptr(GError) libvirts = NULL;

	if (self->libvirt && libvirt_bridge_why(self->libvirt, &libvirts))
		return give_up(self, libvirts->code, error, "%s", libvirts->message);
	return give_up(self, VIOMMU_ERROR_CLOSED, error,
		"QEMU closed the monitor %s while we waited for %s%s%s; check whether it is still running", self->address, wanted,
		why ? ": " : "", why ? why : "");
}

/* Waits until the socket is ready or the deadline has passed. */
static gboolean
wait_for(viommu_channel *self, GIOCondition condition, gint64 deadline, const char *wanted, GError **error)
{
	g_autoptr(GError) local = NULL;
	gint64 left = deadline - g_get_monotonic_time();

	if (left > 0 && g_socket_condition_timed_wait(self->socket, condition, left, NULL, &local))
		return TRUE;
	if (local && !g_error_matches(local, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
		return fail_closed(self, wanted, local->message, error);
	if (viommu_channel_state_of(self->peer_pid) == 'T')
		return give_up(self, VIOMMU_ERROR_TIMEOUT, error,
			"%s did not send %s within %.1f s: process %d, which listens there, is stopped by a signal; kill -CONT %d lets it go on",
			self->address, wanted, self->timeout_ms / 1000.0, (int) self->peer_pid, (int) self->peer_pid);
	return give_up(self, VIOMMU_ERROR_TIMEOUT, error,
		"%s did not send %s within %.1f s; if QEMU is only slow, --timeout gives it longer", self->address, wanted,
		self->timeout_ms / 1000.0);
}

gboolean
viommu_channel_send(viommu_channel *self, const char *data, size_t len, gint64 deadline, const char *wanted, GError **error)
{
	while (len > 0) {
		g_autoptr(GError) local = NULL;
		gssize n = g_socket_send(self->socket, data, len, NULL, &local);

		if (n > 0) {
			data += n;
			len -= (size_t) n;
		} else if (local && g_error_matches(local, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
			if (!wait_for(self, G_IO_OUT, deadline, wanted, error))
				return FALSE;
		} else {
			return fail_closed(self, wanted, local ? local->message : NULL, error);
		}
	}
	return TRUE;
}

static gboolean
is_hmp(const viommu_channel *self)
{
	const GByteArray *seen = self->framer.bytes;

	return seen->len >= 5 && memcmp(seen->data, "QEMU ", 5) == 0;
}

gboolean
viommu_channel_not_qmp(viommu_channel *self, GError **error)
{
	if (is_hmp(self))
		return give_up(self, VIOMMU_ERROR_PROTOCOL, error,
			"%s is a human monitor (HMP), not QMP; name it so, -q hmp:%s%s, or start QEMU with -qmp unix:PATH,server=on,wait=off "
			"as well", self->address, viommu_channel_scheme(self->address), self->address);
	return give_up(self, VIOMMU_ERROR_PROTOCOL, error,
		"%s does not speak QMP: what it sent is not a QMP message; is this address really QEMU's -qmp socket?",
		self->address);
}

gboolean
viommu_channel_not_human(viommu_channel *self, GError **error)
{
	return give_up(self, VIOMMU_ERROR_PROTOCOL, error,
		"%s does not speak as a human monitor (HMP) does; is this address really QEMU's -monitor socket? A QMP monitor is named "
		"without hmp:", self->address);
}

/* *n: how many bytes came, 0 when none did this time. */
static gboolean
read_some(viommu_channel *self, void *chunk, gsize size, gsize *n, gint64 deadline, const char *wanted, GError **error)
{
	g_autoptr(GError) local = NULL;
	gssize got;

	if (!wait_for(self, G_IO_IN, deadline, wanted, error))
		return FALSE;
	got = g_socket_receive(self->socket, chunk, size, NULL, &local);
	*n = (gsize) MAX(0, got);
	if (got <= 0 && !g_error_matches(local, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
		return fail_closed(self, wanted, local ? local->message : NULL, error);
	return TRUE;
}

static gboolean
read_more(viommu_channel *self, gint64 deadline, const char *wanted, GError **error)
{
	char chunk[64 * 1024];
	gsize n;

	if (!read_some(self, chunk, sizeof(chunk), &n, deadline, wanted, error))
		return FALSE;
	if (n)
		viommu_framer_push(&self->framer, chunk, n);
	return TRUE;
}

gboolean
viommu_channel_receive_text(viommu_channel *self, GString *text, gint64 deadline, const char *wanted, GError **error)
{
	char chunk[64 * 1024];
	gsize n;

	if (!read_some(self, chunk, sizeof(chunk), &n, deadline, wanted, error))
		return FALSE;
	g_string_append_len(text, chunk, (gssize) n);
	return text->len <= VIOMMU_ANSWER_LIMIT || viommu_channel_not_human(self, error);
}

/* The next message of any kind. wanted: which one we wait for, for people. */
json_t *
viommu_channel_receive(viommu_channel *self, gint64 deadline, const char *wanted, GError **error)
{
	for (;;) {
		g_autoptr(GBytes) message = viommu_framer_pop(&self->framer);

		if (message) {
			gsize len;
			const char *text = g_bytes_get_data(message, &len);
			json_t *ret = viommu_json_load(text, len, JSON_REJECT_DUPLICATES, NULL);

			if (!ret)
				viommu_channel_not_qmp(self, error);
			return ret;
		}
		if (self->framer.broken) {
			viommu_channel_not_qmp(self, error);
			return NULL;
		}
		/* Also when bytes are there already: events can come without end. */
		if (!read_more(self, deadline, wanted, error))
			return NULL;
	}
}

typedef enum { GREETING_NO, GREETING_CUT, GREETING_YES } greeting_kind;

/* Whether the line there begins as a greeting does, with a line break as "pretty=on" puts one. */
static greeting_kind
begins_greeting(const GByteArray *bytes, guint at)
{
	static const char marks[] = "{\"QMP\"";

	for (const char *mark = marks; *mark; mark++) {
		for (unsigned blanks = 0; mark == marks + 1 && at < bytes->len && g_ascii_isspace(bytes->data[at]); at++)
			if (++blanks > MAX_BLANKS)
				return GREETING_NO;
		if (at == bytes->len)
			return GREETING_CUT;
		if (bytes->data[at++] != (guint8) *mark)
			return GREETING_NO;
	}
	return GREETING_YES;
}

/* What ends before this line may be the rest of an answer. */
static bool
ends_answer(const GByteArray *bytes, guint line)
{
	while (line && (bytes->data[line - 1] == '\n' || bytes->data[line - 1] == '\r'))
		line--;
	return line && bytes->data[line - 1] == '}';
}

gboolean
viommu_channel_skip_leftover(viommu_channel *self, gint64 deadline, const char *wanted, GError **error)
{
	GByteArray *bytes = self->framer.bytes;
	guint line = 0, looked = 0; /* where what may be a greeting begins; where no line ends before */

	for (;;) {
		greeting_kind kind = begins_greeting(bytes, line);
		gint64 patience = MIN(deadline, g_get_monotonic_time() + LEFTOVER_PATIENCE);
		g_autoptr(GError) local = NULL;
		bool answer;

		while (kind == GREETING_NO) {
			const guint8 *end = memchr(bytes->data + looked, '\n', bytes->len - looked);

			looked = end ? (guint) (end + 1 - bytes->data) : bytes->len;
			if (!end)
				break;
			line = looked;
			kind = begins_greeting(bytes, line);
		}
		if (kind == GREETING_YES) {
			if (line)
				g_debug("%s: skipped %u bytes of an answer to somebody who left before us", self->address, line);
			g_byte_array_remove_range(bytes, 0, line);
			return TRUE;
		}
		if (is_hmp(self) || self->framer.broken)
			return viommu_channel_not_qmp(self, error);
		answer = ends_answer(bytes, line);
		if (read_more(self, answer || (!line && kind == GREETING_CUT) ? deadline : patience, wanted, &local))
			continue;
		if ((!line && kind == GREETING_CUT) || (answer && g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED))) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		return viommu_channel_not_qmp(self, error);
	}
}

gint64
viommu_channel_deadline(const viommu_channel *self)
{
	return g_get_monotonic_time() + (gint64) self->timeout_ms * 1000;
}
