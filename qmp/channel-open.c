/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a monitor is: its address, the socket to it, and why there is none. */
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gunixsocketaddress.h>
#include <viommu/monitor.h>

#include "channel.h"

static GSocketConnectable *
parse_address(const viommu_channel *self, GError **error)
{
	const char *address = self->address, *path = address, *scheme = self->human ? VIOMMU_HUMAN_SCHEME : "";
	GError *local = NULL;
	GSocketConnectable *ret;

	if (g_str_has_prefix(address, "tcp:")) {
		ret = g_network_address_parse(address + 4, 0, &local);
		if (ret && g_network_address_get_port(G_NETWORK_ADDRESS(ret)) != 0)
			return ret;
		if (ret)
			g_object_unref(ret);
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
			"\"%s%s\" is not a monitor address: write %stcp:HOST:PORT%s%s", scheme, address, scheme,
			local ? " - " : "", local ? local->message : "");
		g_clear_error(&local);
		return NULL;
	}
	if (g_str_has_prefix(address, "unix:"))
		path = address + 5;
	if (*path == '\0' || strlen(path) >= 108) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
			"\"%s%s\" is not a monitor address: write %sunix:PATH (at most 107 characters)%s", scheme, address, scheme,
			self->human ? " or hmp:tcp:HOST:PORT" : ", tcp:HOST:PORT or libvirt:GUEST");
		return NULL;
	}
	return G_SOCKET_CONNECTABLE(g_unix_socket_address_new(path));
}

/* "https:", of what is not there as a file. */
static bool
has_no_scheme_of_ours(const char *address)
{
	static const char letters[] = G_CSET_A_2_Z G_CSET_a_2_z;
	size_t len = strspn(address, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "+.-");

	return strchr(letters, *address) && address[len] == ':' && !g_str_has_prefix(address, "unix:") &&
		!g_str_has_prefix(address, "tcp:") && !g_str_has_prefix(address, LIBVIRT_SCHEME) && access(address, F_OK) != 0;
}

gboolean
viommu_channel_check_address(const char *whole, GError **error)
{
	bool human = g_str_has_prefix(whole, VIOMMU_HUMAN_SCHEME);
	const char *address = human ? whole + strlen(VIOMMU_HUMAN_SCHEME) : whole;

	/* libvirt has no human monitor to give away. */
	if ((*address ? !has_no_scheme_of_ours(address) : !human) && !(human && g_str_has_prefix(address, LIBVIRT_SCHEME)))
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
		"\"%s\" is not a monitor address: write unix:PATH, tcp:HOST:PORT, hmp:unix:PATH, hmp:tcp:HOST:PORT or libvirt:GUEST", whole);
	return FALSE;
}

/* QEMU's option for such a monitor. */
static const char *
option(const viommu_channel *self)
{
	return self->human ? "-monitor" : "-qmp";
}

char
viommu_channel_state_of(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int) pid);
	g_autofree char *text = NULL;
	const char *name_end = pid && g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;

	return name_end && name_end[1] == ' ' ? name_end[2] : 0;
}

void
viommu_channel_held(const viommu_channel *self, const char *what, GError **error)
{
	char state = viommu_channel_state_of(self->peer_pid);
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
			"close that client, or give QEMU one more %s; if it is libvirt: -q libvirt:GUEST", self->address, what, or,
			option(self));
}

const char *
viommu_channel_scheme(const char *address)
{
	return g_str_has_prefix(address, "unix:") || g_str_has_prefix(address, "tcp:") ? "" : "unix:";
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
	g_autoptr(GSocketConnectable) where = parse_address(self, error);
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
			"no monitor answers at %s: it is no socket; name the path that stands behind QEMU's %s unix: (viommu list "
			"shows it)", self->address, option(self));
		return FALSE;
	}
	if (!self->connection) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
			"no monitor answers at %s: %s; check that QEMU runs (viommu list) and was started with %s %s%s,server=on,wait=off",
			self->address, local->message, option(self), viommu_channel_scheme(self->address), self->address);
		return FALSE;
	}
	self->socket = g_socket_connection_get_socket(self->connection);
	g_socket_set_blocking(self->socket, FALSE);
	peer = g_socket_get_credentials(self->socket, NULL);
	if (peer)
		self->peer_pid = MAX(0, g_credentials_get_unix_pid(peer, NULL));
	return TRUE;
}

gboolean
viommu_channel_open(viommu_channel *self, const char *whole, unsigned timeout_ms, GError **error)
{
	gboolean human = g_str_has_prefix(whole, VIOMMU_HUMAN_SCHEME);
	const char *address = whole + (human ? strlen(VIOMMU_HUMAN_SCHEME) : 0);

	*self = (viommu_channel){ .address = g_strdup(address), .human = human, .timeout_ms = timeout_ms };
	viommu_framer_init(&self->framer, VIOMMU_ANSWER_LIMIT);
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
