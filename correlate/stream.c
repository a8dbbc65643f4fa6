/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK (64u << 10)

struct viommu_stream {
	int fd;
	bool followed; /* a regular file that was named: it has an end now, and may have more later */
	bool ended;
	char *name;
};

static int
connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0) {
		int reason = errno;

		close(fd);
		errno = reason;
		return -1;
	}
	return fd;
}

viommu_stream *
viommu_stream_open(const char *where, GError **error)
{
	g_autoptr(viommu_stream) self = g_new0(viommu_stream, 1);
	struct stat st;

	self->name = g_strdup(where);
	if (strcmp(where, "-") == 0)
		self->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (g_str_has_prefix(where, "unix:"))
		self->fd = connect_unix(where + 5);
	else
		self->fd = open(where, O_RDONLY | O_CLOEXEC);
	if (self->fd < 0 || fstat(self->fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot open the stream %s: %s%s", where,
			g_strerror(self->fd >= 0 ? EISDIR : errno),
			self->fd < 0 && errno == ENOENT ? "; start what writes it first, viommu-probe map -o FILE say" : "");
		return NULL;
	}
	self->followed = S_ISREG(st.st_mode) && strcmp(where, "-") != 0;
	return g_steal_pointer(&self);
}

void
viommu_stream_free(viommu_stream *self)
{
	if (!self)
		return;
	if (self->fd >= 0)
		close(self->fd);
	g_free(self->name);
	g_free(self);
}

/* Until something can be read; a file always can. */
static bool
wait_readable(const viommu_stream *self, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) > 0;
}

gssize
viommu_stream_read(viommu_stream *self, viommu_record_player *player, int timeout_ms, GError **error)
{
	g_autofree char *bytes = g_malloc(CHUNK);
	gssize total = 0;

	while (total < VIOMMU_STREAM_BURST && wait_readable(self, total ? 0 : timeout_ms)) {
		ssize_t n = read(self->fd, bytes, CHUNK);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			break;
		if (n < 0) {
			g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read the stream %s: %s", self->name,
				g_strerror(errno));
			return -1;
		}
		if (n == 0) {
			self->ended = !self->followed;
			if (self->followed && total == 0)
				poll(NULL, 0, timeout_ms);
			break;
		}
		if (!viommu_record_player_feed(player, bytes, (size_t) n, error))
			return -1;
		total += n;
	}
	return total;
}

gboolean
viommu_stream_ended(const viommu_stream *self)
{
	return self->ended;
}

gboolean
viommu_stream_has_writer(const viommu_stream *self)
{
	return !self->ended && !self->followed;
}
