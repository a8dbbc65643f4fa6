/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/rec-fd.h"
#include "sys/sysfs.h"

enum { RETRY_MS = 100 }; /* how often a reader who took nothing is tried again */

/* What others send us is meant for the program.  The first four ask to end. */
static const int handed_on[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP,
	SIGTTIN, SIGTTOU };
enum { ASKS = 4 };

void
rec_loop_begin(struct rec_loop *loop)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < (loop->attached ? ASKS : sizeof handed_on / sizeof handed_on[0]); i++)
		sigaddset(&set, handed_on[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	loop->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

void
rec_loop_end(struct rec_loop *loop)
{
	sigset_t set;

	while (loop->n > 0)
		rec_loop_remove(loop, loop->task[loop->n - 1]);
	free(loop->task);
	loop->task = NULL;
	if (loop->signals >= 0)
		close(loop->signals);
	loop->signals = -1;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof handed_on / sizeof handed_on[0]; i++)
		sigaddset(&set, handed_on[i]);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

unsigned long
rec_loop_options(void)
{
	return PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
	       PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
}

pid_t
rec_tgid(pid_t tid)
{
	char path[64], text[2048];
	const char *found;
	int ret = tid;

	snprintf(path, sizeof path, "/proc/%d/status", (int) tid);
	if (read_text_file(path, text, sizeof text) < 0)
		return tid;
	found = strstr(text, "\nTgid:");
	if (found != NULL)
		(void) sscanf(found, "\nTgid: %d", &ret);
	return ret;
}

struct rec_task *
rec_loop_find(struct rec_loop *loop, pid_t tid)
{
	/* Most stops are of the thread that stopped last. */
	if (loop->last < loop->n && loop->task[loop->last]->tid == tid)
		return loop->task[loop->last];
	for (size_t i = 0; i < loop->n; i++) {
		if (loop->task[i]->tid == tid) {
			loop->last = i;
			return loop->task[i];
		}
	}
	return NULL;
}

struct rec_task *
rec_loop_add(struct rec_loop *loop, pid_t tid, pid_t tgid)
{
	struct rec_task **grown = reallocarray(loop->task, loop->n + 1, sizeof *grown);
	struct rec_task *task = calloc(1, sizeof *task);

	if (grown != NULL)
		loop->task = grown;
	if (grown == NULL || task == NULL) {
		free(task);
		return NULL;
	}
	task->tid = tid;
	task->tgid = tgid;
	loop->task[loop->n++] = task;
	return task;
}

void
rec_loop_remove(struct rec_loop *loop, struct rec_task *task)
{
	for (size_t i = 0; i < loop->n; i++) {
		if (loop->task[i] == task) {
			loop->task[i] = loop->task[--loop->n];
			break;
		}
	}
	recorder_abandon(loop->recorder, &task->pending);
	free(task);
}

void
rec_loop_resume(struct rec_loop *loop, struct rec_task *task, int signal)
{
	const bool to_the_end = loop->all_calls || task->in_call;

	/* ESRCH: killed in the meantime, which wait() tells. */
	(void) ptrace(to_the_end ? PTRACE_SYSCALL : PTRACE_CONT, task->tid, NULL, (void *) (long) signal);
}

static void
on_watch(dev_t device, bool closed, void *data)
{
	recorder_watch(data, device, closed);
}

void
rec_loop_look(struct rec_loop *loop)
{
	rec_watch_read(loop->watch, on_watch, loop->recorder);
}

/* ---- signals to us ------------------------------------------------------------------ */

static void
begin_detaching(struct rec_loop *loop, int signal)
{
	static char name[32];

	if (loop->detaching)
		return;
	loop->detaching = true;
	loop->reason = rec_signal_name(signal, name, sizeof name);
	for (size_t i = 0; i < loop->n; i++)
		(void) ptrace(PTRACE_INTERRUPT, loop->task[i]->tid, NULL, NULL);
}

/* The terminal's own (SI_KERNEL) have gone to the program already.  One that
 * stops it stops us as well (rec-stops.c). */
static void
on_signal(struct rec_loop *loop, const struct signalfd_siginfo *info)
{
	const int signal = (int) info->ssi_signo;

	if (signal == SIGCHLD)
		return;
	if (loop->attached)
		begin_detaching(loop, signal);
	else if (info->ssi_code != SI_KERNEL && !loop->child_ended)
		(void) kill(loop->child, signal);
}

static void
read_signals(struct rec_loop *loop)
{
	struct signalfd_siginfo info[8];
	const ssize_t got = read(loop->signals, info, sizeof info);

	for (size_t i = 0; got > 0 && i < (size_t) got / sizeof info[0]; i++)
		on_signal(loop, &info[i]);
}

/* ---- the loop ------------------------------------------------------------------------ */

/* How long poll() may wait, in ms. */
static int
patience(struct rec_loop *loop)
{
	const uint64_t rest = recorder_rest(loop->recorder, record_clock_ns());

	if (loop->queue->len > 0)
		return RETRY_MS;
	return rest > 0 ? (int) (rest / 1000000) + 1 : -1;
}

static void
wait_for_something(struct rec_loop *loop)
{
	struct pollfd fds[] = {
		{ loop->signals, POLLIN, 0 },
		{ loop->watch->fd, POLLIN, 0 },
	};

	/* A virtio-serial port that nobody has open says POLLHUP for as long as that
	 * lasts: so the output is tried now and then, and not asked. */
	(void) queue_flush(loop->queue);
	(void) poll(fds, 2, patience(loop));
	if (fds[1].revents != 0)
		rec_loop_look(loop);
	if (fds[0].revents != 0)
		read_signals(loop);
}

void
rec_loop_run(struct rec_loop *loop)
{
	while (loop->n > 0) {
		int status;
		const pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);

		if (tid > 0)
			rec_loop_event(loop, tid, status);
		else if (tid == 0)
			wait_for_something(loop);
		else if (errno != EINTR)
			break;
	}
	rec_loop_look(loop);
}
