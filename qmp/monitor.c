/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP client (QEMU: docs/interop/qmp-spec).  Greeting, capabilities, one
 * command at a time with an id, events in between thrown away, a deadline on
 * every step.
 */
#include <errno.h>
#include <string.h>

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <viommu/json.h>
#include <viommu/monitor.h>

#include "framer.h"

/* "info mtree -f" of a big machine is about a megabyte; a batch of "xp" a few. */
#define ANSWER_LIMIT (256u << 20)

struct viommu_monitor {
	char *address;
	GSocketConnection *connection;
	GSocket *socket;
	viommu_framer framer;
	json_t *version;
	unsigned timeout_ms;
	unsigned commands;
	gboolean pause_allowed, trace_allowed;
	char *death; /* what made the monitor useless; NULL while it is of use */
	pid_t peer_pid;
};

GQuark
viommu_error_quark(void)
{
	return g_quark_from_static_string("viommu-error");
}

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
			"\"%s\" is not a monitor address: write unix:PATH (at most 107 characters) or tcp:HOST:PORT",
			address);
		return NULL;
	}
	return G_SOCKET_CONNECTABLE(g_unix_socket_address_new(path));
}

static void
set_held(const viommu_monitor *self, const char *what, GError **error)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT,
		"%s %s: most likely another client holds this monitor (it serves one at a time); "
		"close that client, or give QEMU one more -qmp", self->address, what);
}

static gboolean
has_scheme(const char *address)
{
	return g_str_has_prefix(address, "unix:") || g_str_has_prefix(address, "tcp:");
}

static gboolean
connect_socket(viommu_monitor *self, GError **error)
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
		set_held(self, "takes no more connections", error);
		return FALSE;
	}
	if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
			"%s may not be used: %s; run as root, or as the user that QEMU runs as", self->address, local->message);
		return FALSE;
	}
	if (!self->connection) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
			"no monitor answers at %s: %s; check that QEMU runs and was started with -qmp %s%s,server=on,wait=off",
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
give_up(viommu_monitor *self, int code, GError **error, const char *format, ...)
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
fail_closed(viommu_monitor *self, const char *wanted, const char *why, GError **error)
{
	return give_up(self, VIOMMU_ERROR_CLOSED, error,
		"QEMU closed the monitor %s while we waited for %s%s%s; check whether it is still running", self->address, wanted,
		why ? ": " : "", why ? why : "");
}

/* Waits until the socket is ready or the deadline has passed. */
static gboolean
wait_for(viommu_monitor *self, GIOCondition condition, gint64 deadline, const char *wanted, GError **error)
{
	g_autoptr(GError) local = NULL;
	gint64 left = deadline - g_get_monotonic_time();

	if (left > 0 && g_socket_condition_timed_wait(self->socket, condition, left, NULL, &local))
		return TRUE;
	if (local && !g_error_matches(local, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
		return fail_closed(self, wanted, local->message, error);
	return give_up(self, VIOMMU_ERROR_TIMEOUT, error,
		"%s did not send %s within %.1f s; if QEMU is only slow, --timeout gives it longer", self->address, wanted,
		self->timeout_ms / 1000.0);
}

static gboolean
send_all(viommu_monitor *self, const char *data, size_t len, gint64 deadline, const char *wanted, GError **error)
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
fail_protocol(viommu_monitor *self, GError **error)
{
	const GByteArray *seen = self->framer.bytes;
	gboolean hmp = seen->len >= 5 && memcmp(seen->data, "QEMU ", 5) == 0;

	if (hmp)
		return give_up(self, VIOMMU_ERROR_PROTOCOL, error,
			"%s is a human monitor (HMP), not QMP; start QEMU with -qmp as well, or with -mon mode=control",
			self->address);
	return give_up(self, VIOMMU_ERROR_PROTOCOL, error,
		"%s does not speak QMP: what it sent is not a QMP message; is this address really QEMU's -qmp socket?",
		self->address);
}

/* The next message of any kind. wanted: which one we wait for, for people. */
static json_t *
receive(viommu_monitor *self, gint64 deadline, const char *wanted, GError **error)
{
	for (;;) {
		g_autoptr(GBytes) message = viommu_framer_pop(&self->framer);
		g_autoptr(GError) local = NULL;
		char chunk[64 * 1024];
		gssize n;

		if (message) {
			gsize len;
			const char *text = g_bytes_get_data(message, &len);
			json_t *ret = viommu_json_load(text, len, JSON_REJECT_DUPLICATES, NULL);

			if (!ret)
				fail_protocol(self, error);
			return ret;
		}
		if (self->framer.broken) {
			fail_protocol(self, error);
			return NULL;
		}
		/* Also when bytes are there already: events can come without end. */
		if (!wait_for(self, G_IO_IN, deadline, wanted, error))
			return NULL;
		n = g_socket_receive(self->socket, chunk, sizeof(chunk), NULL, &local);
		if (n > 0) {
			viommu_framer_push(&self->framer, chunk, (size_t) n);
		} else if (!g_error_matches(local, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
			fail_closed(self, wanted, local ? local->message : NULL, error);
			return NULL;
		}
	}
}

static gint64
deadline_of(const viommu_monitor *self)
{
	return g_get_monotonic_time() + (gint64) self->timeout_ms * 1000;
}

static gboolean
greet(viommu_monitor *self, GError **error)
{
	g_autoptr(GError) local = NULL;
	json_t *greeting = receive(self, deadline_of(self), "its greeting", &local);
	json_t *answer;

	if (!greeting) {
		if (g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT) && self->framer.bytes->len == 0) {
			g_autofree char *what = g_strdup_printf(
				"accepts connections but sent no greeting within %.1f s", self->timeout_ms / 1000.0);

			set_held(self, what, error);
		} else {
			g_propagate_error(error, g_steal_pointer(&local));
		}
		return FALSE;
	}
	self->version = json_incref(json_object_get(json_object_get(greeting, "QMP"), "version"));
	json_decref(greeting);
	if (!json_is_object(self->version))
		return fail_protocol(self, error);
	answer = viommu_monitor_execute(self, "qmp_capabilities", NULL, error);
	json_decref(answer);
	return answer != NULL;
}

viommu_monitor *
viommu_monitor_open(const char *address, unsigned timeout_ms, GError **error)
{
	g_autoptr(viommu_monitor) self = g_new0(viommu_monitor, 1);

	self->address = g_strdup(address);
	self->timeout_ms = timeout_ms;
	viommu_framer_init(&self->framer, ANSWER_LIMIT);
	if (!connect_socket(self, error) || !greet(self, error))
		return NULL;
	return g_steal_pointer(&self);
}

void
viommu_monitor_free(viommu_monitor *self)
{
	if (!self)
		return;
	g_clear_object(&self->connection);
	viommu_framer_clear(&self->framer);
	json_decref(self->version);
	g_free(self->address);
	g_free(self->death);
	g_free(self);
}

static gboolean
send_command(viommu_monitor *self, const char *command, json_t *arguments, gint64 deadline, const char *wanted,
	GError **error)
{
	json_t *message = json_pack("{s:s, s:I, s:o*}", "execute", command, "id", (json_int_t) self->commands,
		"arguments", arguments);
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	gboolean ok = FALSE;

	if (text) {
		g_autofree char *line = g_strconcat(text, "\n", NULL);
		ok = send_all(self, line, strlen(line), deadline, wanted, error);
	} else {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot encode the command %s", command);
	}
	free(text);
	json_decref(message);
	return ok;
}

/* "return" or "error" with our id; anything else that comes by is not for us. */
static json_t *
take_answer(viommu_monitor *self, const char *command, const json_t *message, GError **error)
{
	json_t *ret = json_object_get(message, "return");
	json_t *failure = json_object_get(message, "error");

	if (ret)
		return json_incref(ret);
	if (json_is_object(failure)) {
		const char *desc = json_string_value(json_object_get(failure, "desc"));
		g_autofree char *brief = g_strndup(desc ? desc : "no description", 400); /* a sentence, not a book */
		g_autofree char *safe = g_strescape(brief, NULL);

		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_QEMU, "QEMU refused %s: %s", command, safe);
		return NULL;
	}
	fail_protocol(self, error);
	return NULL;
}

static json_t *
wait_answer(viommu_monitor *self, const char *command, gint64 deadline, const char *wanted, GError **error)
{
	for (;;) {
		json_t *message = receive(self, deadline, wanted, error);
		json_t *ret;

		if (!message)
			return NULL;
		if (json_object_get(message, "event") ||
			json_integer_value(json_object_get(message, "id")) != (json_int_t) self->commands) {
			json_decref(message);
			continue;
		}
		ret = take_answer(self, command, message, error);
		json_decref(message);
		return ret;
	}
}

json_t *
viommu_monitor_execute(viommu_monitor *self, const char *command, json_t *arguments, GError **error)
{
	const json_t *command_line = json_object_get(arguments, "command-line");
	const char *line = json_string_value(command_line);
	g_autofree char *name = g_strdup(line ? line : command); /* arguments goes with the message */
	g_autofree char *wanted = g_strdup_printf("its answer to \"%s\"", name);
	gint64 deadline = deadline_of(self);

	/* A NUL byte would hide the rest of the line from the list. */
	if ((!viommu_monitor_may_send(command, line, self->pause_allowed) &&
		    !(self->trace_allowed && viommu_monitor_may_trace(command, arguments))) ||
		(line && strlen(line) != json_string_length(command_line))) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_REFUSED,
			"the command \"%s\" is not on the read-only list and was not sent", name);
		json_decref(arguments);
		return NULL;
	}
	if (self->death) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED, "the monitor is gone: %s", self->death);
		json_decref(arguments);
		return NULL;
	}
	self->commands++;
	if (!send_command(self, command, arguments, deadline, wanted, error))
		return NULL;
	return wait_answer(self, name, deadline, wanted, error);
}

char *
viommu_monitor_hmp(viommu_monitor *self, const char *line, GError **error)
{
	json_t *answer = viommu_monitor_execute(self, "human-monitor-command",
		json_pack("{s:s}", "command-line", line), error);
	char *ret;

	if (!answer)
		return NULL;
	if (!json_is_string(answer)) {
		json_decref(answer);
		fail_protocol(self, error);
		return NULL;
	}
	ret = g_strdup(json_string_value(answer));
	json_decref(answer);
	return ret;
}

void
viommu_monitor_allow_pause(viommu_monitor *self)
{
	self->pause_allowed = TRUE;
}

void
viommu_monitor_allow_trace(viommu_monitor *self)
{
	self->trace_allowed = TRUE;
}

pid_t
viommu_monitor_peer_pid(const viommu_monitor *self)
{
	return self->peer_pid;
}

const json_t *
viommu_monitor_version(const viommu_monitor *self)
{
	return self->version;
}

unsigned
viommu_monitor_round_trips(const viommu_monitor *self)
{
	return self->commands;
}
