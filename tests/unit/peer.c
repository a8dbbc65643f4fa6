/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>

#include "helpers.h"

struct peer {
	peer_script script;
	gpointer user;
	int listener, fd;
	char *address, *path;
	GThread *thread;
	GString *unread;
	guint commands;
};

static gpointer
run(gpointer user)
{
	peer *self = user;

	self->fd = accept(self->listener, NULL, NULL);
	if (self->fd < 0)
		return NULL; /* no client came, and the test is over */
	self->script(self, self->user);
	peer_close(self);
	return NULL;
}

static peer *
start(int listener, peer_script script, gpointer user)
{
	peer *self = g_new0(peer, 1);

	g_assert_cmpint(listen(listener, 5), ==, 0);
	self->script = script;
	self->user = user;
	self->listener = listener;
	self->fd = -1;
	self->unread = g_string_new(NULL);
	return self;
}

peer *
peer_unix(peer_script script, gpointer user)
{
	static unsigned number;
	g_autofree char *name = g_strdup_printf("socket-%u", number++);
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	char *path = unit_path(name);
	peer *self;

	g_assert_cmpuint(g_strlcpy(where.sun_path, path, sizeof(where.sun_path)), <, sizeof(where.sun_path));
	g_assert_cmpint(bind(listener, (struct sockaddr *) &where, sizeof(where)), ==, 0);
	self = start(listener, script, user);
	self->path = path;
	self->address = g_strconcat("unix:", path, NULL);
	self->thread = g_thread_new("peer", run, self);
	return self;
}

peer *
peer_tcp(peer_script script, gpointer user)
{
	struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(where);
	peer *self;

	g_assert_cmpint(bind(listener, (struct sockaddr *) &where, sizeof(where)), ==, 0);
	self = start(listener, script, user);
	g_assert_cmpint(getsockname(listener, (struct sockaddr *) &where, &len), ==, 0);
	self->address = g_strdup_printf("tcp:127.0.0.1:%u", ntohs(where.sin_port));
	self->thread = g_thread_new("peer", run, self);
	return self;
}

void
peer_wait(peer *self)
{
	if (self->thread)
		g_thread_join(g_steal_pointer(&self->thread));
}

void
peer_free(peer *self)
{
	if (!self)
		return;
	shutdown(self->listener, SHUT_RDWR); /* ends an accept() that still waits */
	peer_wait(self);
	close(self->listener);
	if (self->path)
		unlink(self->path);
	g_free(self->path);
	g_free(self->address);
	g_string_free(self->unread, TRUE);
	g_free(self);
}

const char *
peer_address(const peer *self)
{
	return self->address;
}

gboolean
peer_try_send(peer *self, const void *data, gsize len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(self->fd, at, len, MSG_NOSIGNAL);

		if (n < 0)
			return FALSE;
		at += n;
		len -= (gsize) n;
	}
	return TRUE;
}

void
peer_send_bytes(peer *self, const void *data, gsize len)
{
	g_assert_true(peer_try_send(self, data, len));
}

void
peer_send(peer *self, const char *text)
{
	peer_send_bytes(self, text, strlen(text));
}

void
peer_send_pieces(peer *self, const char *text, gsize piece)
{
	gsize len = strlen(text);

	for (gsize at = 0; at < len && peer_try_send(self, text + at, MIN(piece, len - at)); at += piece)
		g_usleep(50);
}

char *
peer_line(peer *self)
{
	const char *end;
	gsize len;
	char *ret;

	while (!(end = strchr(self->unread->str, '\n'))) {
		char chunk[4096];
		ssize_t n = recv(self->fd, chunk, sizeof(chunk), 0);

		if (n <= 0)
			return NULL;
		g_assert_null(memchr(chunk, '\0', (size_t) n));
		g_string_append_len(self->unread, chunk, n);
	}
	self->commands++;
	len = (gsize) (end - self->unread->str);
	ret = g_strndup(self->unread->str, len);
	g_string_erase(self->unread, 0, (gssize) len + 1);
	return ret;
}

json_t *
peer_command(peer *self)
{
	g_autofree char *line = peer_line(self);
	json_t *ret = line ? json_loads(line, JSON_REJECT_DUPLICATES, NULL) : NULL;

	g_assert_true(!line || ret);
	return ret;
}

void
peer_greet(peer *self)
{
	peer_send(self, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
			"\"package\": "
			"\"Debian 1:7.2+dfsg-7\"}, \"capabilities\": [\"oob\"]}}\r\n");
	peer_answer(self, "qmp_capabilities", "{}");
}

void
peer_answer(peer *self, const char *command, const char *value)
{
	json_t *got = peer_command(self);
	json_int_t id;
	g_autofree char *answer = NULL;

	g_assert_nonnull(got);
	g_assert_cmpstr(json_string_value(json_object_get(got, "execute")), ==, command);
	g_assert_true(json_is_integer(json_object_get(got, "id")));
	id = json_integer_value(json_object_get(got, "id"));
	answer = g_strdup_printf("{\"return\": %s, \"id\": %" JSON_INTEGER_FORMAT "}\r\n", value, id);
	peer_send(self, answer);
	json_decref(got);
}

void
peer_close(peer *self)
{
	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
}

void
peer_wait_closed(peer *self)
{
	char *line;

	while ((line = peer_line(self)))
		g_free(line);
}

guint
peer_commands(const peer *self)
{
	return self->commands;
}

viommu_monitor *
peer_open(const peer *self)
{
	g_autoptr(GError) error = NULL;
	viommu_monitor *ret = viommu_monitor_open(peer_address(self), PEER_PATIENCE, &error);

	g_assert_no_error(error);
	g_assert_nonnull(ret);
	return ret;
}

void
peer_expect(viommu_monitor *monitor, const char *command, const char *value)
{
	g_autoptr(GError) error = NULL;
	json_t *answer = viommu_monitor_execute(monitor, command, NULL, &error);
	json_t *wanted = json_loads(value, JSON_DECODE_ANY, NULL);

	g_assert_no_error(error);
	g_assert_true(json_equal(answer, wanted));
	json_decref(answer);
	json_decref(wanted);
}
