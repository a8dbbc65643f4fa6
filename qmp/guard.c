/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viommu/capture.h>

#include "libvirt.h"
#include "machine.h"

struct viommu_guard {
	GPid pid;
	int pipe;
};

#define DISMISSED 'd'

static void
own_session(G_GNUC_UNUSED gpointer user)
{
	setsid(); /* Ctrl-C at the terminal is for viommu, not for its guard */
}

viommu_guard *
viommu_guard_start(const char *address, GError **error)
{
	char *argv[] = { (char *) "/proc/self/exe", (char *) VIOMMU_GUARD_COMMAND, (char *) address, NULL };
	g_autoptr(GError) local = NULL;
	viommu_guard *self = g_new0(viommu_guard, 1);

	if (!g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_DO_NOT_REAP_CHILD,
		    own_session, NULL, &self->pid, &self->pipe, NULL, NULL, &local)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
			"cannot start the process that would resume the guest if this one is killed: %s; not pausing it",
			local->message);
		g_free(self);
		return NULL;
	}
	return self;
}

void
viommu_guard_dismiss(viommu_guard *self)
{
	static const char word = DISMISSED;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	ssize_t n;

	sigaction(SIGPIPE, &ignore, &before); /* somebody may have killed the guard */
	do
		n = write(self->pipe, &word, 1);
	while (n < 0 && errno == EINTR);
	sigaction(SIGPIPE, &before, NULL);
	close(self->pipe);
	while (waitpid(self->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g_spawn_close_pid(self->pid);
	g_free(self);
}

void
viommu_guard_release(viommu_guard *self)
{
	close(self->pipe);
	g_spawn_close_pid(self->pid);
	g_free(self);
}

/* Waits for the word, or for the end of the pipe. */
static gboolean
wait_dismissed(void)
{
	char word;
	ssize_t n;

	do
		n = read(STDIN_FILENO, &word, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 && word == DISMISSED;
}

/* TRUE when the guest was found paused and runs again. */
static gboolean
resume(const char *address, GError **error)
{
	g_autoptr(viommu_monitor) monitor = viommu_monitor_open(address, 2000, error);
	g_autofree char *state = monitor ? viommu_machine_run_state(monitor, error) : NULL;
	json_t *answer;

	if (g_strcmp0(state, "paused") != 0)
		return FALSE;
	viommu_monitor_allow_pause(monitor);
	answer = viommu_monitor_execute(monitor, "cont", NULL, error);
	json_decref(answer);
	return answer != NULL;
}

/* How long a monitor that another client grabbed meanwhile is waited for, and how
 * long a "stop" that was under way may still take to be seen. */
#define TRIES_UNREACHABLE 60
#define TRIES_RUNNING 10
/* libvirt waits half a minute for another job on its guest to end, also for a client that has gone. */
#define TRIES_RUNNING_LIBVIRT 400

/* Whoever reads a pipe to its end waits for us as well, though viommu has ended: so many
 * tries are waited for. */
#define PIPE_UNREACHABLE 2
#define PIPE_RUNNING TRIES_RUNNING

/* All that there may be to say later is said now. */
static void
let_pipe_go(bool libvirt)
{
	struct stat st;
	int nowhere;

	if (fstat(STDERR_FILENO, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		return;
	fprintf(stderr,
		"viommu: whether the guest was left paused is not known yet; a helper process goes on looking, and resumes it if it was; "
		"should it stay paused, %s\n", libvirt ? "virsh resume lets it go on" : "send \"cont\" to the monitor");
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (nowhere < 0)
		return;
	dup2(nowhere, STDERR_FILENO);
	close(nowhere);
}

int
viommu_guard_main(const char *address)
{
	const bool libvirt = g_str_has_prefix(address, LIBVIRT_SCHEME);
	const unsigned tries_running = libvirt ? TRIES_RUNNING_LIBVIRT : TRIES_RUNNING;
	unsigned unreachable = 0, running = 0;
	bool let_go = false;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (wait_dismissed())
		return 0;
	while (unreachable < TRIES_UNREACHABLE && running < tries_running) {
		g_autoptr(GError) error = NULL;

		if (resume(address, &error)) {
			fprintf(stderr, "viommu: the guest was left paused, and was resumed\n");
			return 0;
		}
		if (error)
			unreachable++;
		else
			running++;
		if (!let_go && (unreachable > PIPE_UNREACHABLE || running > PIPE_RUNNING)) {
			let_pipe_go(libvirt);
			let_go = true;
		}
		g_usleep(error ? 500 * 1000 : 100 * 1000);
	}
	if (unreachable < TRIES_UNREACHABLE)
		return 0; /* it runs */
	fprintf(stderr,
		"viommu: the guest may still be paused, and %s cannot be reached to resume it; send \"cont\" to the "
		"monitor\n", address);
	return 1;
}
