/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

void
rec_watch_begin(struct rec_watch *ret)
{
	*ret = (struct rec_watch){ .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC) };
}

void
rec_watch_end(struct rec_watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch->watched);
	*watch = (struct rec_watch){ .fd = -1 };
}

void
rec_watch_add(struct rec_watch *watch, pid_t pid, int fd, dev_t device)
{
	struct rec_watched *grown;
	char path[64];
	int wd;

	if (watch->fd < 0)
		return;
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int) pid, fd);
	wd = inotify_add_watch(watch->fd, path, IN_OPEN | IN_CLOSE);
	if (wd < 0)
		return;
	for (size_t i = 0; i < watch->n; i++) {
		if (watch->watched[i].wd == wd)
			return;
	}
	grown = reallocarray(watch->watched, watch->n + 1, sizeof *grown);
	if (grown == NULL)
		return;
	watch->watched = grown;
	watch->watched[watch->n++] = (struct rec_watched){ wd, device };
}

static void
hand_over(const struct rec_watch *watch, const struct inotify_event *event, rec_watch_fn *fn, void *data)
{
	if (event->mask & IN_Q_OVERFLOW)
		fn(0, true, data);
	for (size_t i = 0; i < watch->n; i++) {
		if (watch->watched[i].wd == event->wd && event->mask & (IN_OPEN | IN_CLOSE))
			fn(watch->watched[i].device, event->mask & IN_CLOSE, data);
	}
}

void
rec_watch_read(struct rec_watch *watch, rec_watch_fn *fn, void *data)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t got;

	while (watch->fd >= 0 && (got = read(watch->fd, buffer, sizeof buffer)) > 0) {
		for (char *p = buffer; p < buffer + got;) {
			const struct inotify_event *event = (const struct inotify_event *) p;

			hand_over(watch, event, fn, data);
			p += sizeof *event + event->len;
		}
	}
}
