/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/signals.h"

enum { STATUS_NOT_FOUND = 127, STATUS_NOT_RUN = 126, STATUS_SIGNAL = 128, WAIT_MS = 50 };

static void
run(char **command)
{
	int err;

	/* exec resets what is caught; what is ignored would stay so. */
	signal(SIGPIPE, SIG_DFL);
	execvp(command[0], command);
	err = errno;
	probe_say("cannot run %s: %s", command[0], strerror(err));
	_exit(err == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN);
}

int
trace_command_start(struct trace_command *ret, char **command, int pid, struct probe_error *error)
{
	*ret = (struct trace_command){ .pidfd = -1, .pid = pid };
	if (command != NULL) {
		ret->child = fork();
		if (ret->child == 0)
			run(command);
		if (ret->child < 0) {
			ret->child = 0;
			return probe_fail(error, errno, "cannot start %s: %s", command[0], strerror(errno));
		}
	}
	/* Linux 5.3; before that its number has to do. */
	if (pid != 0)
		ret->pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
	return 0;
}

bool
trace_command_ended(struct trace_command *command)
{
	struct pollfd fd = { command->pidfd, POLLIN, 0 };
	int status;

	if (command->child > 0 && !command->ended &&
		waitpid(command->child, &status, WNOHANG) == command->child) {
		command->ended = true;
		command->status =
			WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
	}
	if (command->pidfd >= 0)
		command->ended = poll(&fd, 1, 0) > 0;
	else if (command->pid != 0)
		command->ended = kill(command->pid, 0) < 0 && errno == ESRCH;
	return command->ended;
}

void
trace_command_pass(struct trace_command *command)
{
	const char *first = signals_first();

	if (command->child == 0 || command->ended || signals_count() <= command->passed || first == NULL)
		return;
	command->passed = signals_count();
	/* SIGINT and SIGQUIT come from the terminal, to it as well as to us. */
	if (strcmp(first, "SIGTERM") == 0)
		kill(command->child, SIGTERM);
	else if (strcmp(first, "SIGHUP") == 0)
		kill(command->child, SIGHUP);
}

void
trace_command_wait(struct trace_command *command)
{
	while (command->child > 0 && !trace_command_ended(command) && signals_count() <= 1) {
		trace_command_pass(command);
		(void) signals_poll(NULL, 0, WAIT_MS, signals_count());
	}
}

void
trace_command_close(struct trace_command *command)
{
	if (command->pidfd >= 0)
		close(command->pidfd);
	command->pidfd = -1;
}
