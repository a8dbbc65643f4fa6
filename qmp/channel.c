/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes to and from a monitor: its address, its socket, a deadline on every step. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <gio/gunixsocketaddress.h>
#include <viommu/json.h>
#include <viommu/monitor.h>

#include "channel.h"

/* "info mtree -f" of a big machine is about a megabyte; a batch of "xp" a few. */
#define ANSWER_LIMIT (256u << 20)

/* For a greeting, once something else has come; µs. */
#define LEFTOVER_PATIENCE (2 * G_USEC_PER_SEC)
#define MAX_BLANKS 64 /* between a greeting's first two characters */

static GSocketConnectable *
parse_address(const char *address, GError **error)
{
	const char *path = address;
	GError *local = NULL;
	GSocketConnectable *ret;

	if (g_str_has_prefix(address, "tcp:")) {
		ret = g_network_address_parse(address + 4, 0, &local);
		if (ret && g_network_address_get_port(G_NETWORK_ADDRESS(ret)) != 0)
			return ret;
		if (ret)
			g_object_unref(ret);
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
			"\"%s\" is not a monitor address: write tcp:HOST:PORT%s%s", address,
			local ? " - " : "", local ? local->message : "");
		g_clear_error(&local);
		return NULL;
	}
	if (g_str_has_prefix(address, "unix:"))
		path = address + 5;
	if (*path == '\0' || strlen(path) >= 108) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
			"\"%s\" is not a monitor address: write unix:PATH (at most 107 characters), tcp:HOST:PORT or libvirt:GUEST",
			address);
		return NULL;
	}
	return G_SOCKET_CONNECTABLE(g_unix_socket_address_new(path));
}

/* The letter of its state, as ps shows it; 0: there is none to be seen. */
static char
state_of(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int) pid);
	g_autofree char *text = NULL;
	const char *name_end = pid && g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;

	return name_end && name_end[1] == ' ' ? name_end[2] : 0;
}

void
viommu_channel_held(const viommu_channel *self, const char *what, GError **error)
{
	char state = state_of(self->peer_pid);
	const char *or = self->connection || g_str_has_prefix(self->address, "tcp:") ? "" : ", or QEMU is stopped by a signal (kill -CONT PID)";

	if (self->libvirt)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT,
			"%s %s: libvirtd does not answer, or somebody else's job on this guest does not end; see whether virsh domstate "
			"answers, or give it longer with --timeout", self->address, what);
	else if (state == 'T')
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT,
			"%s %s: process %d, which listens there, is stopped by a signal; kill -CONT %d lets it go on", self->address, what,
			(int) self->peer_pid, (int) self->peer_pid);
	else if (state == 't')
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT,
			"%s %s: process %d, which listens there, is stopped by a debugger; let it go on there", self->address, what,
			(int) self->peer_pid);
	else
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT,
			"%s %s: most likely another client holds this monitor (it serves one at a time)%s; "
			"close that client, or give QEMU one more -qmp; if it is libvirt: -q libvirt:GUEST", self->address, what, or);
}

static gboolean
has_scheme(const char *address)
{
	return g_str_has_prefix(address, "unix:") || g_str_has_prefix(address, "tcp:");
}

static gboolean
is_no_socket(const char *address)
{
	const char *path = address + (g_str_has_prefix(address, "unix:") ? 5 : 0);
	struct stat st;

	return !g_str_has_prefix(address, "tcp:") && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

static bool
is_libvirt(const char *address)
{
	return g_str_has_prefix(address, LIBVIRT_SCHEME);
}

/* Its peer is ourselves: libvirt_bridge_pid() tells of QEMU. */
static gboolean
connect_libvirt(viommu_channel *self, GError **error)
{
	const char *guest = self->address + strlen(LIBVIRT_SCHEME);
	g_autoptr(GSocket) socket = NULL;
	int fd;

	if (!*guest) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
			"\"%s\" is not a monitor address: write libvirt:GUEST, with the name, UUID or id that virsh list shows", self->address);
		return FALSE;
	}
	self->libvirt = libvirt_bridge_start(guest, &fd, error);
	socket = self->libvirt ? g_socket_new_from_fd(fd, error) : NULL;
	if (!socket)
		return FALSE;
	self->connection = g_socket_connection_factory_create_connection(socket);
	self->socket = g_socket_connection_get_socket(self->connection);
	g_socket_set_blocking(self->socket, FALSE);
	return TRUE;
}

static gboolean
connect_socket(viommu_channel *self, GError **error)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketConnectable) where = parse_address(self->address, error);
	g_autoptr(GError) local = NULL;
	g_autoptr(GCredentials) peer = NULL;

	if (!where)
		return FALSE;
	g_socket_client_set_timeout(client, MAX(1, (self->timeout_ms + 999) / 1000));
	g_socket_client_set_enable_proxy(client, FALSE);
	self->connection = g_socket_client_connect(client, where, NULL, &local);
	/* A unix socket whose queue is full: a client is served, others wait already. */
	if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
		viommu_channel_held(self, "takes no more connections", error);
		return FALSE;
	}
	if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
			"%s may not be used: %s; run as root, or as the user that QEMU runs as", self->address, local->message);
		return FALSE;
	}
	if (!self->connection && is_no_socket(self->address)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
			"no monitor answers at %s: it is no socket; name the path that stands behind QEMU's -qmp unix: (viommu list "
			"shows it)", self->address);
		return FALSE;
	}
	if (!self->connection) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
			"no monitor answers at %s: %s; check that QEMU runs (viommu list) and was started with -qmp %s%s,server=on,wait=off",
			self->address, local->message, has_scheme(self->address) ? "" : "unix:", self->address);
		return FALSE;
	}
	self->socket = g_socket_connection_get_socket(self->connection);
	g_socket_set_blocking(self->socket, FALSE);
	peer = g_socket_get_credentials(self->socket, NULL);
	if (peer)
		self->peer_pid = MAX(0, g_credentials_get_unix_pid(peer, NULL));
	return TRUE;
}

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
	if (state_of(self->peer_pid) == 'T')
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
			"as well", self->address, has_scheme(self->address) ? "" : "unix:", self->address);
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
	return text->len <= ANSWER_LIMIT || viommu_channel_not_human(self, error);
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

gboolean
viommu_channel_open(viommu_channel *self, const char *address, unsigned timeout_ms, GError **error)
{
	*self = (viommu_channel){ .address = g_strdup(address), .timeout_ms = timeout_ms };
	viommu_framer_init(&self->framer, ANSWER_LIMIT);
	return is_libvirt(address) ? connect_libvirt(self, error) : connect_socket(self, error);
}

pid_t
viommu_channel_peer_pid(const viommu_channel *self)
{
	return self->libvirt ? libvirt_bridge_pid(self->libvirt) : self->peer_pid;
}

void
viommu_channel_clear(viommu_channel *self)
{
	g_clear_object(&self->connection);
	g_clear_pointer(&self->libvirt, libvirt_bridge_free);
	viommu_framer_clear(&self->framer);
	g_clear_pointer(&self->address, g_free);
	g_clear_pointer(&self->death, g_free);
}
