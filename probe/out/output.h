/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a record goes: stdout, a new file, a port such as virtio-serial, or a
 * vsock of the host. */
#ifndef PROBE_OUTPUT_H
#define PROBE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/report.h"

struct output {
	int fd;
	bool close_fd;
	bool pipe;      /* its reader going away can be noticed by poll() */
	bool told_wait; /* "nobody reads …" was said */
	bool unblocked; /* a write() to it never waits */
	int err;        /* the errno that ended it; nothing is written after that */
	const char *name;
};

/* What is wrong with PATH as the argument of --output, or NULL. */
const char *output_wrong(const char *path);
/* Whether PATH can be made; looked at before anything is changed, so that a
 * refusal costs nothing.  "-" is stdout. */
int output_check(const char *path, bool force, struct probe_error *error);
int output_open(struct output *ret, const char *path, bool force, struct probe_error *error);

/* Writes all of it, in one write() where the other end takes it.  Waits for a
 * reader who is slow; after a signal only for a moment, after a second signal
 * not at all.  -1 once the output has failed, now or before. */
int output_write(struct output *output, const char *bytes, size_t len);
/* For output_try(): gives stdout, which is shared with others, an open file of
 * our own where the kernel makes one (a pipe, a terminal). */
void output_unblock(struct output *output);
/* Writes what goes without waiting, maybe nothing: how many bytes.  -1 once the
 * output has failed. */
ssize_t output_try(struct output *output, const char *bytes, size_t len);
/* Takes a file away again: nothing has come of what it was made for. */
void output_remove(struct output *output);
/* Says so on stderr if the last bytes do not reach the disk. */
int output_close(struct output *output);

#endif
