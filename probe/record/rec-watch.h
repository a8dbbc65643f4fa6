/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells when an open file of a VFIO or iommufd device ends its life: at the
 * last close(), whoever made it, or at the death of its last owner.  That is
 * inotify's IN_CLOSE, which comes for the last reference only; close() itself
 * is far too frequent to be stopped at.
 */
#ifndef PROBE_REC_WATCH_H
#define PROBE_REC_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rec_watch {
	int fd; /* readable when there is something; -1: no inotify here */
	struct rec_watched {
		int wd;
		dev_t device;
	} * watched;
	size_t n;
};

void rec_watch_begin(struct rec_watch *ret);
void rec_watch_end(struct rec_watch *watch);

/* Watches the device node behind FD of PID, by way of /proc: it may be in
 * another mount namespace. */
void rec_watch_add(struct rec_watch *watch, pid_t pid, int fd, dev_t device);

/* A file of DEVICE was opened, or ended.  DEVICE 0: events were missed, any. */
typedef void rec_watch_fn(dev_t device, bool closed, void *data);
/* Hands over all that has happened; does not wait. */
void rec_watch_read(struct rec_watch *watch, rec_watch_fn *fn, void *data);

#endif
