/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/hold.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/signals.h"

static uint64_t
now_ms(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* Reads and drops what stdin has; true at its end. */
static bool
stdin_ended(void)
{
	char dropped[512];
	ssize_t got = read(STDIN_FILENO, dropped, sizeof dropped);

	return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

bool
hold_is_over(void)
{
	struct pollfd fd = { STDIN_FILENO, POLLIN, 0 };

	return poll(&fd, 1, 0) > 0 && stdin_ended();
}

const char *
hold(const struct output *output, bool timed, uint64_t seconds)
{
	const uint64_t end = now_ms() + seconds * 1000;

	while (signals_count() == 0) {
		struct pollfd fds[] = {
			{ timed ? -1 : STDIN_FILENO, POLLIN, 0 },
			{ output->pipe ? output->fd : -1, 0, 0 },
		};
		int timeout = -1;

		if (timed) {
			const uint64_t now = now_ms();

			if (now >= end)
				return "hold time over";
			/* In pieces, so that the milliseconds fit an int. */
			timeout = end - now < 1000000 ? (int) (end - now) : 1000000;
		}
		if (signals_poll(fds, 2, timeout, 0) <= 0)
			continue;
		if (fds[1].revents & (POLLERR | POLLNVAL))
			return "the reader of the record went away";
		if (fds[0].revents != 0 && stdin_ended())
			return "stdin closed";
	}
	return signals_first();
}
