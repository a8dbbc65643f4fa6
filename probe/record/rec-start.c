/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/rec-filter.h"
#include "sys/sysfs.h"

/* ---- a program of our own --------------------------------------------------------------- */

struct failure {
	int filter; /* errno of the filter's installation, or */
	int exec;   /* of execvp() */
};

/* In the child.  Nothing of ours is left in the program but the filter: the
 * descriptors close themselves. */
static void
run_program(int go, int failed, char **argv)
{
	struct failure failure = { 0 };
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(127);
	failure.filter = -rec_filter_install();
	if (failure.filter == 0) {
		execvp(argv[0], argv);
		failure.exec = errno;
	}
	(void) !write(failed, &failure, sizeof failure);
	_exit(127);
}

int
rec_child_fork(struct rec_child *ret, char **argv, struct probe_error *error)
{
	int go[2], failed[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return probe_fail(error, errno, "cannot make a pipe: %s", strerror(errno));
	if (pipe2(failed, O_CLOEXEC) < 0) {
		close(go[0]);
		close(go[1]);
		return probe_fail(error, errno, "cannot make a pipe: %s", strerror(errno));
	}
	*ret = (struct rec_child){ fork(), go[1], failed[0] };
	if (ret->pid == 0) {
		close(go[1]);
		run_program(go[0], failed[1], argv);
	}
	close(go[0]);
	close(failed[1]);
	if (ret->pid > 0)
		return 0;
	rec_child_close(ret);
	return probe_fail(error, errno, "cannot start a process: %s", strerror(errno));
}

/* Who traces PID: "process 12 (gdb)"; false when nobody does. */
static bool
tracer_of(pid_t pid, char *ret, size_t size)
{
	char path[64], text[2048], name[64] = "?";
	const char *found;
	int tracer = 0;

	snprintf(path, sizeof path, "/proc/%d/status", (int) pid);
	if (read_text_file(path, text, sizeof text) < 0)
		return false;
	found = strstr(text, "\nTracerPid:");
	if (found == NULL || sscanf(found, "\nTracerPid: %d", &tracer) != 1 || tracer == 0)
		return false;
	snprintf(path, sizeof path, "/proc/%d/comm", tracer);
	(void) read_text_file(path, name, sizeof name);
	snprintf(ret, size, "process %d (%s)", tracer, name);
	return true;
}

/* It is there until its parent asks how it ended. */
static bool
has_ended(pid_t pid)
{
	char path[64], text[2048];
	const char *found;

	snprintf(path, sizeof path, "/proc/%d/status", (int) pid);
	if (read_text_file(path, text, sizeof text) < 0)
		return false;
	found = strstr(text, "\nState:\t");
	return found != NULL && strchr("ZX", found[8]) != NULL;
}

static int
fail_seize(pid_t pid, const char *what, int err, struct probe_error *error)
{
	char tracer[128];

	if (err == ESRCH)
		return probe_fail(error, err, "there is no process %d; ps shows those there are", (int) pid);
	if (has_ended(pid)) /* EPERM, to root too */
		return probe_fail(error, err, "%s has ended already", what);
	if (tracer_of(pid, tracer, sizeof tracer))
		return probe_fail(error, err,
			"%s is traced by %s already, and a program has one tracer at a time; end that one "
			"first",
			what, tracer);
	if (err == EPERM || err == EACCES)
		return probe_fail(error, err,
			"the kernel does not allow tracing %s; run as root, and see "
			"/proc/sys/kernel/yama/ptrace_scope (3 forbids it to all)",
			what);
	return probe_fail(error, err, "cannot trace %s: %s", what, strerror(err));
}

int
rec_kernel_check(struct probe_error *error)
{
	/* The newest call that is needed; descriptors that are not there are EBADF. */
	if (syscall(SYS_pidfd_getfd, -1, -1, 0) == 0 || errno != ENOSYS)
		return 0;
	return probe_fail(error, ENOSYS,
		"this kernel has no pidfd_getfd(), so it is older than Linux 5.6: record cannot follow a "
		"program's files there; viommu-probe trace can do without");
}

int
rec_child_go(struct rec_child *child, struct rec_loop *loop, struct probe_error *error)
{
	if (ptrace(PTRACE_SEIZE, child->pid, NULL, (void *) rec_loop_options()) < 0)
		return fail_seize(child->pid, "the program that was just started", errno, error);
	if (rec_loop_add(loop, child->pid, child->pid) == NULL)
		return probe_fail(error, ENOMEM, "out of memory");
	loop->child = child->pid;
	if (write(child->go, "", 1) != 1)
		return probe_fail(error, errno, "cannot let the program go: %s", strerror(errno));
	close(child->go);
	child->go = -1;
	return 0;
}

int
rec_child_failure(struct rec_child *child, const char *name, struct probe_error *error)
{
	struct failure failure;

	if (child->failed < 0 || read(child->failed, &failure, sizeof failure) != (ssize_t) sizeof failure)
		return 0;
	if (failure.filter != 0) {
		probe_fail(error, failure.filter,
			"the kernel took no seccomp filter (%s; it needs CONFIG_SECCOMP_FILTER): start the "
			"program "
			"without viommu-probe, and then give its --pid, which does without",
			strerror(failure.filter));
		return PROBE_EXIT_FAILED;
	}
	probe_fail(error, failure.exec, "cannot run %s: %s", name, strerror(failure.exec));
	return failure.exec == ENOENT ? 127 : 126; /* as a shell has it */
}

void
rec_child_close(struct rec_child *child)
{
	/* Without its byte it ends by itself. */
	if (child->go >= 0)
		close(child->go);
	if (child->failed >= 0)
		close(child->failed);
	if (child->go >= 0 && child->pid > 0)
		(void) waitpid(child->pid, NULL, __WALL);
	child->go = child->failed = -1;
}

/* ---- a program that runs ---------------------------------------------------------------- */

/* Seizes the threads that are not yet; how many that were, or -1. */
static int
seize_threads(struct rec_loop *loop, pid_t pid, struct probe_error *error)
{
	const struct dirent *entry;
	char path[64], what[64];
	uint64_t tid;
	int n = 0, err = 0;
	DIR *dir;

	snprintf(what, sizeof what, "process %d", (int) pid);
	snprintf(path, sizeof path, "/proc/%d/task", (int) pid);
	dir = opendir(path);
	if (dir == NULL)
		return fail_seize(pid, what, ESRCH, error);
	while ((entry = readdir(dir)) != NULL) {
		if (!sysfs_number(entry->d_name, 10, &tid) || tid > INT32_MAX ||
			rec_loop_find(loop, (pid_t) tid) != NULL)
			continue;
		if (ptrace(PTRACE_SEIZE, (pid_t) tid, NULL, (void *) rec_loop_options()) < 0) {
			err = errno != ESRCH || (pid_t) tid == pid ? errno : err; /* a thread may end */
			continue;
		}
		if (rec_loop_add(loop, (pid_t) tid, pid) != NULL)
			n++;
	}
	closedir(dir);
	return loop->n == 0 ? fail_seize(pid, what, err, error) : n;
}

/* The threads are stopped for as long as it takes to look at what is open. */
static void
stop_threads(struct rec_loop *loop)
{
	for (size_t i = 0; i < loop->n; i++)
		(void) ptrace(PTRACE_INTERRUPT, loop->task[i]->tid, NULL, NULL);
	for (size_t i = loop->n; i > 0; i--) {
		siginfo_t info = { 0 };

		/* Left waiting: the loop takes the stop up. */
		(void) waitid(
			P_PID, (id_t) loop->task[i - 1]->tid, &info, WSTOPPED | WEXITED | WNOWAIT | __WALL);
	}
}

int
rec_attach(struct rec_loop *loop, pid_t pid, struct probe_error *error)
{
	const pid_t tgid = rec_tgid(pid);
	int more;

	loop->all_calls = true;
	if (tgid == getpid())
		return probe_fail(error, 0, "process %d is this recorder", (int) pid);
	do {
		more = seize_threads(loop, tgid, error);
		if (more < 0)
			return -1;
	} while (more > 0);
	stop_threads(loop);
	recorder_adopt(loop->recorder, tgid);
	return 0;
}
