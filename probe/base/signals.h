/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT ask the probe to undo what it did and
 * leave.  They are only noted; every wait below looks at the note with no
 * window in which a signal could slip through unseen.
 */
#ifndef PROBE_SIGNALS_H
#define PROBE_SIGNALS_H

#include <poll.h>

void signals_install(void);

/* How many have come; the first asks to stop, a second to stop waiting for
 * whoever reads the record. */
int signals_count(void);
/* "SIGINT" etc.: the first that came, or NULL. */
const char *signals_first(void);

/* poll() that a signal ends, even one that came just before the call when
 * SEEN is less than signals_count().  -1 with errno EINTR in that case. */
int signals_poll(struct pollfd *fds, nfds_t n, int timeout_ms, int seen);

#endif
