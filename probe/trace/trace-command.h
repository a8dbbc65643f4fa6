/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the end of a trace waits for: the command that it started, or the
 * process that it looks at. */
#ifndef PROBE_TRACE_COMMAND_H
#define PROBE_TRACE_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/report.h"

struct trace_command {
	pid_t child; /* 0: there is none */
	int pidfd;   /* of the process looked at, or -1 */
	int pid;     /* of it, or 0 */
	int passed;  /* how many signals were passed on */
	bool ended;
	int status; /* the child's exit status as a shell gives it */
};

/* Starts COMMAND (when not NULL) with the signals as we found them. */
int trace_command_start(struct trace_command *ret, char **command, int pid, struct probe_error *error);
/* Whether it has ended. */
bool trace_command_ended(struct trace_command *command);
/* Passes on a signal that came to us and not to the whole terminal. */
void trace_command_pass(struct trace_command *command);
/* Waits for the child, until it has ended or a second signal comes. */
void trace_command_wait(struct trace_command *command);
void trace_command_close(struct trace_command *command);

#endif
