/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Carries connections to unix sockets of this machine over one virtio-serial
 * port: bridge PORT.  The other end is tests/lab/bridge.py.
 *
 * A port has no connections of its own, and a monitor greets whoever connects:
 * so each frame says to which connection it belongs.
 *
 *   channel (2 bytes), kind (2), length of what follows (4), little endian
 *   open: the path of the socket; data: bytes; close: nothing */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHANNELS 256
#define FRAME 16384

enum kind { OPEN, DATA, CLOSE };

struct header {
	uint16_t channel, kind;
	uint32_t length;
};

static int port;
static int sockets[CHANNELS];

static void
die(const char *what)
{
	fprintf(stderr, "bridge: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
read_all(void *to, size_t size)
{
	for (char *at = to; size != 0;) {
		ssize_t got = read(port, at, size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			die("the port is closed");
		at += got;
		size -= (size_t)got;
	}
}

/* False if the reader at the other end of `fd` is gone. */
static int
write_all(int fd, const void *from, size_t size)
{
	for (const char *at = from; size != 0;) {
		ssize_t put = write(fd, at, size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return 0;
		at += put;
		size -= (size_t)put;
	}
	return 1;
}

static void
tell(uint16_t channel, enum kind kind, const void *data, size_t length)
{
	char frame[sizeof(struct header) + FRAME];
	struct header header = {channel, (uint16_t)kind, (uint32_t)length};

	memcpy(frame, &header, sizeof header);
	if (length != 0)
		memcpy(frame + sizeof header, data, length);
	if (!write_all(port, frame, sizeof header + length))
		die("the port takes nothing");
}

static void
shut(uint16_t channel)
{
	if (sockets[channel] < 0)
		return;
	close(sockets[channel]);
	sockets[channel] = -1;
	tell(channel, CLOSE, NULL, 0);
}

static void
connect_to(uint16_t channel, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof address.sun_path) {
		tell(channel, CLOSE, NULL, 0);
		return;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	sockets[channel] = fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		shut(channel);
}

static void
take_frame(void)
{
	static char data[FRAME + 1];
	struct header header;

	read_all(&header, sizeof header);
	if (header.channel >= CHANNELS || header.length > FRAME) {
		errno = EPROTO;
		die("a frame");
	}
	read_all(data, header.length);
	data[header.length] = 0;
	switch ((enum kind)header.kind) {
	case OPEN:
		connect_to(header.channel, data);
		break;
	case DATA:
		if (sockets[header.channel] >= 0 && !write_all(sockets[header.channel], data, header.length))
			shut(header.channel);
		break;
	case CLOSE:
		shut(header.channel);
		break;
	}
}

static void
give_data(uint16_t channel)
{
	char data[FRAME];
	ssize_t got = read(sockets[channel], data, sizeof data);

	if (got > 0)
		tell(channel, DATA, data, (size_t)got);
	else
		shut(channel);
}

int
main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	port = open(argv[1], O_RDWR | O_CLOEXEC);
	if (port < 0)
		die(argv[1]);
	/* Until the other end is there a port is at its end. */
	for (struct pollfd fd = {.fd = port}; poll(&fd, 1, 0) == 1 && (fd.revents & POLLHUP);)
		usleep(10000);
	for (int i = 0; i < CHANNELS; i++)
		sockets[i] = -1;
	for (;;) {
		struct pollfd fds[CHANNELS + 1];
		for (int i = 0; i < CHANNELS; i++)
			fds[i] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
		fds[CHANNELS] = (struct pollfd){.fd = port, .events = POLLIN};
		if (poll(fds, CHANNELS + 1, -1) < 0) {
			if (errno != EINTR)
				die("poll");
			continue;
		}
		if (fds[CHANNELS].revents)
			take_frame();
		for (uint16_t i = 0; i < CHANNELS; i++)
			if (fds[i].revents && fds[i].fd == sockets[i])
				give_data(i);
	}
}
