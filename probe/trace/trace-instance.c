/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <tracefs.h>
#include <unistd.h>

#include "sys/lockdown.h"
#include "sys/proc.h"
#include "sys/sysfs.h"

#define PREFIX "viommu-"

enum {
	TRACEFS_TYPE = 0x74726163, /* linux/magic.h */
	DEBUGFS_TYPE = 0x64626720,
};

static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

/* libtracefs would mount it; that is for the owner of the machine to do. */
static const char *
find_mounted(void)
{
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		struct statfs fs;
		char path[64];

		snprintf(path, sizeof path, "%s/instances", places[i]);
		if (statfs(places[i], &fs) == 0 && (fs.f_type == TRACEFS_TYPE || fs.f_type == DEBUGFS_TYPE) &&
			(access(path, F_OK) == 0 || errno == EACCES))
			return places[i];
	}
	return NULL;
}

static int
fail(struct probe_error *error, int err, const char *what)
{
	if (lockdown_get() == LOCKDOWN_CONFIDENTIALITY)
		return probe_fail(error, err,
			"%s: the kernel is locked down (confidentiality) and forbids tracing; boot it with "
			"lockdown=integrity or none, or use viommu-probe record",
			what);
	if (err == EACCES || err == EPERM)
		return probe_fail(error, err, "%s: %s; run as root of the guest, not of a container in it",
			what, strerror(err));
	return probe_fail(error, err, "%s: %s", what, strerror(err));
}

static int
fail_not_mounted(struct probe_error *error)
{
	struct statfs fs;
	char text[4096];

	if (geteuid() != 0)
		return probe_fail(error, EACCES, "tracing is for root only: run as root of the guest");
	if (lockdown_get() == LOCKDOWN_CONFIDENTIALITY)
		return fail(error, EPERM, "there is no tracefs");
	if (statfs(places[0], &fs) == 0 && fs.f_type == TRACEFS_TYPE)
		return probe_fail(error, EPERM,
			"the tracefs in %s is empty: the kernel forbids tracing (a lockdown), or it was "
			"built "
			"without "
			"CONFIG_TRACING; use viommu-probe record",
			places[0]);
	if (read_text_file("/proc/filesystems", text, sizeof text) > 0 && strstr(text, "\ttracefs") == NULL)
		return probe_fail(error, ENOENT,
			"this kernel has no tracefs (CONFIG_FTRACE is off, or it is older than 4.1); use a "
			"kernel "
			"with it, or viommu-probe record");
	return probe_fail(
		error, ENOENT, "tracefs is not mounted; run: mount -t tracefs tracefs /sys/kernel/tracing");
}

/* "viommu-123": is its maker gone?  A process that is there and is no
 * viommu-probe has the number by chance. */
static bool
is_leftover(const char *name)
{
	char comm[32], own[32], *end;
	long pid;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return false;
	pid = strtol(name + strlen(PREFIX), &end, 10);
	if (pid <= 0 || pid > INT_MAX || *end != '\0' || end == name + strlen(PREFIX))
		return false;
	if (pid == getpid() || (kill((pid_t) pid, 0) < 0 && errno == ESRCH))
		return true;
	proc_name((int) pid, comm, sizeof comm);
	proc_name(getpid(), own, sizeof own);
	return comm[0] != '\0' && strcmp(comm, own) != 0;
}

/* The kernel refuses to remove an instance whose files are open, so that a
 * mistake here does no harm. */
static void
remove_leftovers(const char *tracing)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "%s/instances", tracing);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (!is_leftover(entry->d_name))
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) == 0)
			probe_say("removed the trace instance %s that a killed viommu-probe had left",
				entry->d_name);
	}
	closedir(dir);
}

static int
set_up(struct tracefs_instance *instance, uint64_t buffer_kib, struct probe_error *error)
{
	char text[32];

	/* One event after the other is switched on; they shall begin together. */
	if (tracefs_instance_file_write(instance, "tracing_on", "0") < 0)
		return fail(error, errno, "cannot switch tracing off");
	/* Linux 4.2's clock of the record; "mono" cannot run backwards but in NMIs. */
	if (tracefs_instance_file_write(instance, "trace_clock", "mono") < 0)
		return fail(error, errno, "cannot give the trace the clock \"mono\"");
	snprintf(text, sizeof text, "%" PRIu64, buffer_kib);
	if (tracefs_instance_file_write(instance, "buffer_size_kb", text) < 0)
		return probe_fail(error, errno,
			"cannot have trace buffers of %" PRIu64
			" KiB for each CPU: %s; give a smaller --buffer",
			buffer_kib, strerror(errno));
	return 0;
}

struct tracefs_instance *
trace_instance_new(uint64_t buffer_kib, struct probe_error *error)
{
	struct tracefs_instance *instance;
	const char *tracing = find_mounted();
	char name[32];

	if (tracing == NULL) {
		(void) fail_not_mounted(error);
		return NULL;
	}
	if (tracefs_set_tracing_dir((char *) tracing) < 0) {
		(void) fail(error, ENOMEM, "cannot set the tracing directory");
		return NULL;
	}
	remove_leftovers(tracing);
	snprintf(name, sizeof name, PREFIX "%d", (int) getpid());
	errno = 0;
	instance = tracefs_instance_create(name);
	if (instance == NULL) {
		(void) fail(error, errno ? errno : EIO, "cannot make a trace instance");
		return NULL;
	}
	if (set_up(instance, buffer_kib, error) < 0) {
		trace_instance_free(instance);
		return NULL;
	}
	return instance;
}

void
trace_instance_free(struct tracefs_instance *instance)
{
	if (instance == NULL)
		return;
	if (tracefs_instance_destroy(instance) < 0)
		probe_say("cannot remove the trace instance %s: %s; run: rmdir %s/instances/%s",
			tracefs_instance_get_name(instance), strerror(errno), tracefs_tracing_dir(),
			tracefs_instance_get_name(instance));
	tracefs_instance_free(instance);
}

int
trace_instance_open_cpu(struct tracefs_instance *instance, unsigned cpu)
{
	char file[64];

	snprintf(file, sizeof file, "per_cpu/cpu%u/trace_pipe_raw", cpu);
	return tracefs_instance_file_open(instance, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

uint64_t
trace_instance_lost(struct tracefs_instance *instance, unsigned cpu)
{
	static const char *const lines[] = { "\noverrun: ", "\ncommit overrun: ", "\ndropped events: " };
	uint64_t lost = 0;
	char file[64];
	char *text;

	snprintf(file, sizeof file, "per_cpu/cpu%u/stats", cpu);
	text = tracefs_instance_file_read(instance, file, NULL);
	for (size_t i = 0; text != NULL && i < sizeof lines / sizeof lines[0]; i++) {
		const char *line = strstr(text, lines[i]);

		if (line != NULL)
			lost += strtoull(line + strlen(lines[i]), NULL, 10);
	}
	free(text);
	return lost;
}
