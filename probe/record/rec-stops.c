/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What wait() says of a traced thread, and what is done about it (ptrace(2)). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/rec-fd.h"
#include "record/rec-filter.h"
#include "record/rec-loop.h"

/* ---- ioctls --------------------------------------------------------------------------- */

/* How many of SIZE bytes at ADDR could be read.  In two pieces at the end of a
 * page, since a piece is read whole or not at all. */
static size_t
read_argument(pid_t tid, uint64_t addr, void *ret, size_t size)
{
	const size_t to_end = VIOMMU_PAGE_SIZE - (addr & (VIOMMU_PAGE_SIZE - 1));
	const size_t first = size < to_end ? size : to_end;
	struct iovec local = { ret, size };
	struct iovec remote[] = { { (void *) (uintptr_t) addr, first },
		{ (void *) (uintptr_t) (addr + first), size - first } };
	const ssize_t got = process_vm_readv(tid, &local, 1, remote, size > first ? 2 : 1, 0);

	return got > 0 ? (size_t) got : 0;
}

static void
on_enter(struct rec_loop *loop, struct rec_task *task, uint32_t arch, uint64_t nr, const uint64_t args[6])
{
	const uint32_t number = (uint32_t) args[1];
	char bytes[REC_ARG_MAX];
	size_t size = 0;
	bool ours = false;

	for (size_t i = 0; i < rec_n_requests; i++) {
		if (rec_requests[i].number == number) {
			ours = true;
			size = rec_requests[i].size > size ? rec_requests[i].size : size;
		}
	}
	if (!ours || !rec_is_ioctl(arch, nr))
		return;
	rec_loop_look(loop);
	size = size > 0 ? read_argument(task->tid, args[2], bytes, size) : 0;
	task->in_call = recorder_enter(
		loop->recorder, &task->pending, task->tgid, (int) args[0], number, args[2], bytes, size);
}

static void
on_leave(struct rec_loop *loop, struct rec_task *task, int64_t result)
{
	const struct rec_call *call = &task->pending.call;
	char bytes[REC_ARG_MAX];
	size_t size = 0;

	task->in_call = false;
	if (result >= 0 && call->request->size > 0)
		size = read_argument(task->tid, call->arg, bytes, call->request->size);
	recorder_leave(loop->recorder, &task->pending, result, bytes, size);
}

static void
on_syscall_stop(struct rec_loop *loop, struct rec_task *task)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, (void *) sizeof info, &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_SECCOMP)
		on_enter(loop, task, info.arch, info.seccomp.nr, (const uint64_t *) info.seccomp.args);
	else if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		on_enter(loop, task, info.arch, info.entry.nr, (const uint64_t *) info.entry.args);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT && task->in_call)
		on_leave(loop, task, info.exit.rval);
}

/* ---- threads and processes ---------------------------------------------------------- */

static void
on_new(struct rec_loop *loop, const struct rec_task *parent)
{
	unsigned long tid = 0;
	struct rec_task *child;
	pid_t tgid;

	if (ptrace(PTRACE_GETEVENTMSG, parent->tid, NULL, &tid) < 0)
		return;
	child = rec_loop_find(loop, (pid_t) tid); /* it may have stopped before its parent */
	tgid = child != NULL ? child->tgid : rec_tgid((pid_t) tid);
	if (child == NULL)
		(void) rec_loop_add(loop, (pid_t) tid, tgid);
	recorder_fork(loop->recorder, parent->tgid, tgid);
}

static void
cut_off(struct rec_loop *loop, struct rec_task *task, pid_t ended)
{
	if (task->in_call)
		recorder_cut_off(loop->recorder, &task->pending, ended);
	task->in_call = false;
}

/* execve() leaves one thread, which takes over the number of the group's first;
 * how the others end is not told. */
static struct rec_task *
on_exec(struct rec_loop *loop, struct rec_task *task)
{
	const pid_t tgid = task->tgid;

	rec_loop_look(loop);
	recorder_exec(loop->recorder, tgid);
	/* The files are those that the new program has still. */
	for (size_t i = loop->n; i > 0; i--) {
		struct rec_task *other = loop->task[i - 1];

		if (other->tgid != tgid)
			continue;
		cut_off(loop, other, 0);
		if (other->tid != tgid)
			rec_loop_remove(loop, other);
	}
	if (tgid == loop->child)
		loop->child_ran = true;
	return rec_loop_find(loop, tgid);
}

static bool
has_others(const struct rec_loop *loop, const struct rec_task *task)
{
	for (size_t i = 0; i < loop->n; i++) {
		if (loop->task[i] != task && loop->task[i]->tgid == task->tgid)
			return true;
	}
	return false;
}

static void
on_end(struct rec_loop *loop, struct rec_task *task, int status)
{
	char how[64] = "exit", name[32];
	const pid_t tgid = task->tgid;
	const bool process = !has_others(loop, task);

	if (WIFSIGNALED(status))
		snprintf(how, sizeof how, "killed by %s",
			rec_signal_name(WTERMSIG(status), name, sizeof name));
	if (task->tid == loop->child) {
		loop->status = status;
		loop->child_ended = true;
	}
	cut_off(loop, task, tgid);
	rec_loop_remove(loop, task);
	if (!process)
		return;
	rec_loop_look(loop); /* its files were closed before it ended */
	recorder_exit(loop->recorder, tgid, how);
	if (loop->child_ended && loop->n > 0 && !loop->told_rest) {
		loop->told_rest = true;
		probe_say("the program has ended, and what it started runs on: still recording");
	}
}

/* ---- stops ---------------------------------------------------------------------------- */

/* The job is stopped: so are we, or the shell would not notice.  What goes to us
 * alone when it is continued, the program gets from us. */
static void
follow_stop(const struct rec_loop *loop, const struct rec_task *task, int number)
{
	if (task->tid != loop->child || loop->attached || number == SIGSTOP)
		return;
	(void) kill(getpid(), SIGSTOP);
	(void) kill(loop->child, SIGCONT);
}

/* Returns the signal to hand on, or -1 when the thread is to stay as it is. */
static int
on_stop(struct rec_loop *loop, struct rec_task **task, int status)
{
	const int number = WSTOPSIG(status), event = status >> 16;

	switch (event) {
	case 0:
		if (number != (SIGTRAP | 0x80))
			return number; /* a signal on its way to the program */
		on_syscall_stop(loop, *task);
		return 0;
	case PTRACE_EVENT_SECCOMP:
		on_syscall_stop(loop, *task);
		return 0;
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		on_new(loop, *task);
		return 0;
	case PTRACE_EVENT_EXEC:
		*task = on_exec(loop, *task);
		return 0;
	case PTRACE_EVENT_STOP:
		if (number != SIGSTOP && number != SIGTSTP && number != SIGTTIN && number != SIGTTOU)
			return 0;
		if (loop->detaching)
			return 0;
		(void) ptrace(PTRACE_LISTEN, (*task)->tid, NULL, NULL);
		follow_stop(loop, *task, number);
		return -1;
	default:
		return 0;
	}
}

static void
let_go(struct rec_loop *loop, struct rec_task *task, int signal)
{
	if (!loop->detaching || task->in_call) {
		rec_loop_resume(loop, task, signal);
		return;
	}
	(void) ptrace(PTRACE_DETACH, task->tid, NULL, (void *) (long) signal);
	rec_loop_remove(loop, task);
}

void
rec_loop_event(struct rec_loop *loop, pid_t tid, int status)
{
	struct rec_task *task = rec_loop_find(loop, tid);
	int signal;

	if (task == NULL) {
		if (!WIFSTOPPED(status))
			return;
		task = rec_loop_add(loop, tid, rec_tgid(tid));
		if (task == NULL) { /* no memory: it runs on unrecorded */
			(void) ptrace(PTRACE_DETACH, tid, NULL, NULL);
			record_lost(loop->recorder->record, 0, "out of memory");
			return;
		}
	}
	if (!WIFSTOPPED(status)) {
		on_end(loop, task, status);
		return;
	}
	signal = on_stop(loop, &task, status);
	if (signal >= 0)
		let_go(loop, task, signal);
}
