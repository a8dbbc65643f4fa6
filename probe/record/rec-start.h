/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the recording of a program begins. */
#ifndef PROBE_REC_START_H
#define PROBE_REC_START_H

#include "record/rec-loop.h"

/* A program that was forked and waits to be let go. */
struct rec_child {
	pid_t pid;
	int go;     /* a byte to it lets it run */
	int failed; /* from it: why it could not run */
};

/* Whether the kernel has what this needs. */
int rec_kernel_check(struct probe_error *error);
/* Forks; ARGV, ended by NULL, is run once rec_child_go() says so. */
int rec_child_fork(struct rec_child *ret, char **argv, struct probe_error *error);
/* Traces it and lets it go. */
int rec_child_go(struct rec_child *child, struct rec_loop *loop, struct probe_error *error);
/* Why it did not come to run, with its exit status to be; 0 if it did. */
int rec_child_failure(struct rec_child *child, const char *name, struct probe_error *error);
/* Ends it, if it has not been let go. */
void rec_child_close(struct rec_child *child);

/* Traces all threads of a running program, and takes over what it has open. */
int rec_attach(struct rec_loop *loop, pid_t pid, struct probe_error *error);

#endif
