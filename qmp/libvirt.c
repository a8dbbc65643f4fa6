/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <viommu/error.h>
#include <viommu/json.h>

#include "libvirt-guest.h"

/* How long its thread may take to say good-bye to libvirt; µs.  A longer call of libvirt is
 * left behind, and ends with the process. */
#define GOODBYE (G_USEC_PER_SEC / 2)

struct libvirt_bridge {
	gint holders; /* of this: its owner, and the thread */
	int fd;       /* the thread's end */
	char *asked;
	const libvirt_calls *calls;
	GMutex lock; /* of what follows */
	GCond changed;
	GError *why; /* the thread ended because of it */
	pid_t pid;
	bool ended;
};

static void
release(libvirt_bridge *self)
{
	if (!g_atomic_int_dec_and_test(&self->holders))
		return;
	g_mutex_clear(&self->lock);
	g_cond_clear(&self->changed);
	g_clear_error(&self->why);
	g_free(self->asked);
	g_free(self);
}

/* ---- the thread ---------------------------------------------------------------------------- */

typedef struct {
	int fd;
	GString *in, *out; /* commands that came; what did not go out yet */
} stream;

/* Reads what is there, and writes what can be written.  wait: until either happens.  FALSE: the
 * other end is gone. */
static bool
move(stream *self, bool wait)
{
	struct pollfd ready = { .fd = self->fd, .events = (short) (POLLIN | (self->out->len ? POLLOUT : 0)) };
	char chunk[16 * 1024];
	ssize_t n;

	while (poll(&ready, 1, wait ? -1 : 0) < 0)
		if (errno != EINTR)
			return false;
	if (ready.revents & POLLIN) {
		n = recv(self->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (n > 0)
			g_string_append_len(self->in, chunk, n);
	} else if (ready.revents & (POLLHUP | POLLERR)) {
		return false;
	}
	if (ready.revents & POLLOUT) {
		n = send(self->fd, self->out->str, self->out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0)
			g_string_erase(self->out, 0, n);
	}
	return true;
}

/* The next command; NULL: there will be none.  What the other end does not read yet keeps no
 * command of its from being read, since it may wait for that first. */
static json_t *
next_command(stream *self)
{
	for (;;) {
		const char *end;
		json_t *ret;

		if (!move(self, false))
			return NULL;
		end = self->out->len ? NULL : memchr(self->in->str, '\n', self->in->len);
		if (!end) {
			if (!move(self, true))
				return NULL;
			continue;
		}
		ret = viommu_json_load(self->in->str, (size_t) (end - self->in->str), 0, NULL);
		g_string_erase(self->in, 0, end + 1 - self->in->str);
		return ret;
	}
}

static void
put(stream *self, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);

	g_string_append_printf(self->out, "%s\r\n", text ? text : "");
	free(text);
	json_decref(message);
}

/* A monitor's first words, once it is known that there is one. */
static gboolean
greet(stream *to, libvirt_guest *guest, GError **error)
{
	json_t *command = json_pack("{s:s}", "execute", "query-version");
	json_t *answer = libvirt_guest_execute(guest, command, error);
	json_t *version = json_object_get(answer, "return");

	json_decref(command);
	if (version)
		put(to, json_pack("{s:{s:O, s:[]}}", "QMP", "version", version, "capabilities"));
	else if (answer)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_PROTOCOL,
			"the QEMU of libvirt's guest \"%s\" does not tell its version", guest->asked);
	json_decref(answer);
	return version != NULL;
}

static json_t *
answer_to(libvirt_guest *guest, const json_t *command, GError **error)
{
	const char *name = json_string_value(json_object_get(command, "execute"));
	json_t *answer = g_strcmp0(name, "qmp_capabilities") == 0
				 ? json_pack("{s:{}}", "return") /* libvirt did it */
				 : libvirt_guest_execute(guest, command, error);

	if (answer)
		json_object_set(answer, "id", json_object_get(command, "id"));
	return answer;
}

static void
serve(libvirt_bridge *self, libvirt_guest *guest, GError **error)
{
	stream to = { .fd = self->fd, .in = g_string_new(NULL), .out = g_string_new(NULL) };
	bool more = libvirt_guest_open(guest, self->calls, self->asked, error);

	if (more) {
		pid_t pid = libvirt_guest_pid(guest);

		g_mutex_lock(&self->lock);
		self->pid = pid;
		g_mutex_unlock(&self->lock);
		more = greet(&to, guest, error);
	}
	while (more) {
		json_t *command = next_command(&to);
		json_t *answer = command ? answer_to(guest, command, error) : NULL;

		more = answer != NULL;
		if (answer)
			put(&to, answer);
		json_decref(command);
	}
	g_string_free(to.in, TRUE);
	g_string_free(to.out, TRUE);
}

static gpointer
run(gpointer data)
{
	libvirt_bridge *self = data;
	libvirt_guest guest = { 0 };
	GError *why = NULL;

	serve(self, &guest, &why);
	g_mutex_lock(&self->lock);
	self->why = why;
	g_mutex_unlock(&self->lock);
	close(self->fd); /* before the good-bye, which can block as well */
	if (guest.calls)
		libvirt_guest_clear(&guest);
	g_mutex_lock(&self->lock);
	self->ended = true;
	g_cond_signal(&self->changed);
	g_mutex_unlock(&self->lock);
	release(self);
	return NULL;
}

/* Signals are for the rest of the program; SIGPIPE as well: libvirt writes to a daemon that may
 * have gone. Threads that libvirt starts have it from this one. */
static GThread *
start_thread(libvirt_bridge *self, GError **error)
{
	sigset_t all, before;
	GThread *ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = g_thread_try_new("libvirt", run, self, error);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

/* ---- its owner ----------------------------------------------------------------------------- */

libvirt_bridge *
libvirt_bridge_start(const char *guest, int *fd, GError **error)
{
	const libvirt_calls *calls = libvirt_load(error);
	g_autoptr(GError) local = NULL;
	libvirt_bridge *self;
	GThread *thread;
	int pair[2];

	if (!calls)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "no socket can be made: %s",
			g_strerror(errno));
		return NULL;
	}
	self = g_new0(libvirt_bridge, 1);
	*self = (libvirt_bridge){ .holders = 2, .fd = pair[1], .asked = g_strdup(guest), .calls = calls };
	g_mutex_init(&self->lock);
	g_cond_init(&self->changed);
	thread = start_thread(self, &local);
	if (!thread) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "no thread can be started: %s",
			local->message);
		close(pair[0]);
		close(pair[1]);
		self->holders = 1;
		release(self);
		return NULL;
	}
	g_thread_unref(thread);
	*fd = pair[0];
	return self;
}

void
libvirt_bridge_free(libvirt_bridge *self)
{
	gint64 end = g_get_monotonic_time() + GOODBYE;

	if (!self)
		return;
	g_mutex_lock(&self->lock);
	while (!self->ended && g_cond_wait_until(&self->changed, &self->lock, end))
		;
	g_mutex_unlock(&self->lock);
	release(self);
}

gboolean
libvirt_bridge_why(libvirt_bridge *self, GError **error)
{
	gboolean known;

	g_mutex_lock(&self->lock);
	known = self->why != NULL;
	if (known && error)
		*error = g_error_copy(self->why);
	g_mutex_unlock(&self->lock);
	return known;
}

pid_t
libvirt_bridge_pid(libvirt_bridge *self)
{
	pid_t ret;

	g_mutex_lock(&self->lock);
	ret = self->pid;
	g_mutex_unlock(&self->lock);
	return ret;
}
