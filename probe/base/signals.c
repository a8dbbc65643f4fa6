/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static const struct {
	int number;
	const char *name;
} caught[] = {
	{ SIGINT, "SIGINT" },
	{ SIGTERM, "SIGTERM" },
	{ SIGHUP, "SIGHUP" },
	{ SIGQUIT, "SIGQUIT" },
};

static volatile sig_atomic_t count;
static volatile sig_atomic_t first;

static void
note_signal(int number)
{
	if (count == 0)
		first = number;
	if (count < 100)
		count = count + 1;
}

void
signals_install(void)
{
	/* No SA_RESTART: a blocked write has to come back. */
	struct sigaction action = { .sa_handler = note_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++) {
		struct sigaction old;

		/* nohup(1) wants us to outlive the terminal. */
		if (caught[i].number == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 &&
			old.sa_handler == SIG_IGN)
			continue;
		sigaction(caught[i].number, &action, NULL);
	}
	/* A reader that goes away is an error to report, not a death. */
	sigaction(SIGPIPE, &ignore, NULL);
}

int
signals_count(void)
{
	return count;
}

const char *
signals_first(void)
{
	for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++) {
		if (count > 0 && caught[i].number == first)
			return caught[i].name;
	}
	return NULL;
}

int
signals_poll(struct pollfd *fds, nfds_t n, int timeout_ms, int seen)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	sigset_t block, old;
	int ret;

	sigemptyset(&block);
	for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
		sigaddset(&block, caught[i].number);
	sigprocmask(SIG_BLOCK, &block, &old);
	if (count > seen) {
		errno = EINTR;
		ret = -1;
	} else {
		ret = ppoll(fds, n, timeout_ms < 0 ? NULL : &timeout, &old);
	}
	{
		int saved = errno;

		sigprocmask(SIG_SETMASK, &old, NULL);
		errno = saved;
	}
	return ret;
}
