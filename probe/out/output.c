/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/signals.h"
#include "out/vsock.h"

enum {
	TELL_AFTER_MS = 2000, /* then stderr says that nobody reads */
	RETRY_MS = 100,
	GRACE_MS = 2000, /* what a slow reader gets after the first signal */
};

static int
fail_exists(const char *path, struct probe_error *error)
{
	return probe_fail(
		error, EEXIST, "%s exists; choose another name or give --force to overwrite it", path);
}

/* A port that is missing must not become a file of its name in /dev. */
static bool
missing_port(const char *path)
{
	return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0;
}

const char *
output_wrong(const char *path)
{
	struct probe_error error;
	uint32_t cid, port;

	if (path[0] == '\0')
		return "--output wants the name of a file, or - for stdout";
	if (vsock_is(path) && vsock_parse(path, &cid, &port, &error) < 0)
		return "--output wants vsock:CID:PORT, two numbers (the host's CID is 2, as in vsock:2:5000)";
	return NULL;
}

int
output_check(const char *path, bool force, struct probe_error *error)
{
	struct stat st;

	uint32_t cid, port;

	if (strcmp(path, "-") == 0)
		return 0;
	if (vsock_is(path))
		return vsock_parse(path, &cid, &port, error);
	if (stat(path, &st) < 0) {
		if (errno == ENOENT && missing_port(path))
			return probe_fail(error, ENOENT,
				"there is no %s; for a virtio-serial port give QEMU -device "
				"virtserialport,name=NAME "
				"and the guest the virtio_console module",
				path);
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return probe_fail(error, EISDIR, "%s is a directory; name a file in it", path);
	if (S_ISREG(st.st_mode) && !force)
		return fail_exists(path, error);
	return 0;
}

static int
open_path(const char *path, bool force)
{
	struct stat st;

	if (missing_port(path) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
		return open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (force ? O_TRUNC : O_EXCL), 0600);
}

int
output_open(struct output *ret, const char *path, bool force, struct probe_error *error)
{
	struct stat st;
	int flags;

	*ret = (struct output){ .fd = STDOUT_FILENO, .name = "stdout" };
	if (strcmp(path, "-") != 0) {
		ret->fd = vsock_is(path) ? vsock_open(path, error) : open_path(path, force);
		if (ret->fd < 0 && vsock_is(path))
			return -1;
		if (ret->fd < 0 && errno == EEXIST)
			return fail_exists(path, error);
		if (ret->fd < 0)
			return probe_fail(
				error, errno, "cannot open %s for writing: %s%s", path, strerror(errno),
				errno == EBUSY ? "; another program writes there" : "");
		ret->close_fd = true;
		ret->name = path;
		/* Ours alone, so it may be made non-blocking: a virtio-serial port
		 * with no reader then keeps no signal waiting.  stdout is shared
		 * with whoever started us and stays as it is. */
		flags = fcntl(ret->fd, F_GETFL);
		if (flags >= 0 && fcntl(ret->fd, F_SETFL, flags | O_NONBLOCK) == 0)
			ret->unblocked = true;
	}
	ret->pipe = fstat(ret->fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
	return 0;
}

/* How much longer to wait after WAITED ms; 0: not at all. */
static int
patience(int waited)
{
	if (signals_count() > 1 || (signals_count() == 1 && waited >= GRACE_MS))
		return 0;
	return RETRY_MS;
}

/* Returns 0 when it is worth trying to write again. */
static int
wait_writable(struct output *output, int *waited)
{
	struct pollfd poll_fd = { output->fd, POLLOUT, 0 };
	const int timeout = patience(*waited);

	if (timeout == 0) {
		output->err = EINTR;
		return -1;
	}
	/* A virtio-serial port with no reader says POLLHUP at once, for as long
	 * as that lasts; so do not ask it, just wait. */
	if (signals_poll(&poll_fd, 1, timeout, signals_count()) > 0 && !(poll_fd.revents & POLLOUT))
		(void) signals_poll(NULL, 0, timeout, signals_count());
	*waited += timeout;
	if (*waited >= TELL_AFTER_MS && !output->told_wait) {
		output->told_wait = true;
		probe_say("waiting for a reader of %s; press Ctrl-C to give up", output->name);
	}
	return 0;
}

static void
say_failed(const struct output *output)
{
	const char *hint = "";

	if (output->err == EPIPE || output->err == ECONNRESET)
		hint = "; the reader has gone away";
	else if (output->err == ENOSPC)
		hint = "; make room, or send the record to a virtio-serial port";
	else if (output->err == EINTR)
		hint = "; nobody read it before the signal";
	probe_say("the record is cut off: cannot write to %s: %s%s", output->name,
		output->err == EINTR ? "given up" : strerror(output->err), hint);
}

int
output_write(struct output *output, const char *bytes, size_t len)
{
	size_t done = 0;
	int waited = 0;

	if (output->err != 0)
		return -1;
	while (done < len && output->err == 0) {
		ssize_t wrote = write(output->fd, bytes + done, len - done);

		if (wrote > 0) {
			done += (size_t) wrote;
			waited = 0;
		} else if (wrote < 0 && errno != EAGAIN && errno != EINTR) {
			output->err = errno;
		} else {
			(void) wait_writable(output, &waited);
		}
	}
	if (output->err == 0)
		return 0;
	say_failed(output);
	return -1;
}

void
output_unblock(struct output *output)
{
	struct stat st;
	int fd;

	if (output->unblocked || fstat(output->fd, &st) < 0 || S_ISREG(st.st_mode))
		return;
	fd = open("/proc/self/fd/1", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return;
	output->fd = fd;
	output->close_fd = true;
	output->unblocked = true;
}

ssize_t
output_try(struct output *output, const char *bytes, size_t len)
{
	struct pollfd writable = { output->fd, POLLOUT, 0 };
	ssize_t wrote;

	if (output->err != 0)
		return -1;
	/* Where write() might wait, a page goes once poll() says that there is
	 * room: true for pipes, and near enough for the rest. */
	if (!output->unblocked) {
		if (poll(&writable, 1, 0) <= 0 || !(writable.revents & (POLLOUT | POLLERR | POLLNVAL)))
			return 0;
		len = len < 4096 ? len : 4096;
	}
	do
		wrote = write(output->fd, bytes, len);
	while (wrote < 0 && errno == EINTR);
	if (wrote >= 0 || errno == EAGAIN)
		return wrote >= 0 ? wrote : 0;
	output->err = errno;
	say_failed(output);
	return -1;
}

void
output_remove(struct output *output)
{
	struct stat st;

	if (output->close_fd && fstat(output->fd, &st) == 0 && S_ISREG(st.st_mode))
		(void) unlink(output->name);
}

int
output_close(struct output *output)
{
	int fd = output->fd;

	output->fd = -1;
	if (!output->close_fd)
		return output->err ? -1 : 0;
	if (output->err == 0 && fsync(fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP) {
		output->err = errno;
		say_failed(output);
	}
	if (close(fd) < 0 && output->err == 0 && errno != EINTR) {
		output->err = errno;
		say_failed(output);
	}
	return output->err ? -1 : 0;
}
