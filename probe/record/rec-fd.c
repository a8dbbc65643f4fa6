/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-fd.h"

#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/sysfs.h"

enum {
	PF_EXITING = 0x4, /* linux/sched.h, as /proc/PID/stat shows it */
	PF_SIGNALED = 0x400,
};

/* The last two components of TARGET: ".../misc/iommu" gives "misc", "iommu". */
static bool
last_two(char *target, const char **directory, const char **name)
{
	char *slash = strrchr(target, '/');

	if (slash == NULL)
		return false;
	*slash = '\0';
	*name = slash + 1;
	slash = strrchr(target, '/');
	*directory = slash != NULL ? slash + 1 : target;
	return true;
}

/* The directory above …/vfio-dev/vfioN is the device. */
static void
device_of_cdev(char *target, char ret[PCI_BDF_LEN])
{
	char *end = strstr(target, "/vfio-dev");
	const char *name;

	if (end != NULL)
		*end = '\0';
	name = strrchr(target, '/');
	(void) parse_bdf(name != NULL ? name + 1 : target, ret);
}

static void
look_in_sysfs(struct rec_fd *ret)
{
	char path[64], full[512], target[1024];
	const char *directory, *name;
	uint64_t group;
	ssize_t len;

	snprintf(path, sizeof path, "/dev/char/%u:%u", major(ret->device), minor(ret->device));
	if (sysfs_path(full, sizeof full, path) < 0)
		return;
	len = readlink(full, target, sizeof target - 1);
	if (len < 0)
		return;
	target[len] = '\0';
	if (!last_two(target, &directory, &name))
		return;
	if (strcmp(directory, "misc") == 0 && strcmp(name, "vfio") == 0) {
		ret->kind = REC_CONTAINER;
	} else if (strcmp(directory, "misc") == 0 && strcmp(name, "iommu") == 0) {
		ret->kind = REC_IOMMUFD;
	} else if (strcmp(directory, "vfio-dev") == 0) {
		ret->kind = REC_CDEV;
		device_of_cdev(target, ret->bdf);
	} else if (strcmp(directory, "vfio") == 0 && sysfs_number(name, 10, &group) && group < INT32_MAX) {
		ret->kind = REC_GROUP;
		ret->group = (int) group;
	}
}

struct rec_fd
rec_fd_look(pid_t pid, int fd)
{
	struct rec_fd ret = { .kind = REC_OTHER, .group = -1 };
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int) pid, fd);
	if (stat(path, &st) < 0 || !S_ISCHR(st.st_mode))
		return ret;
	ret.device = st.st_rdev;
	look_in_sysfs(&ret);
	return ret;
}

bool
rec_fd_same(pid_t pid_a, int fd_a, pid_t pid_b, int fd_b)
{
	return syscall(SYS_kcmp, pid_a, pid_b, KCMP_FILE, (unsigned long) fd_a, (unsigned long) fd_b) == 0;
}

int
rec_fd_borrow(pid_t pid, int fd)
{
	const int process = (int) syscall(SYS_pidfd_open, pid, 0);
	int ret;

	if (process < 0)
		return -1;
	ret = (int) syscall(SYS_pidfd_getfd, process, fd, 0);
	close(process);
	return ret;
}

void
rec_fd_each(pid_t pid, rec_fd_each_fn *fn, void *data)
{
	const struct dirent *entry;
	uint64_t fd;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", (int) pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (sysfs_number(entry->d_name, 10, &fd) && fd < INT32_MAX)
			fn((int) fd, data);
	}
	if (dir != NULL)
		closedir(dir);
}

/* sigabbrev_np() is glibc's alone. */
static const char *const signal_names[] = {
	[SIGHUP] = "SIGHUP",
	[SIGINT] = "SIGINT",
	[SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",
	[SIGTRAP] = "SIGTRAP",
	[SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",
	[SIGFPE] = "SIGFPE",
	[SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1",
	[SIGSEGV] = "SIGSEGV",
	[SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",
	[SIGALRM] = "SIGALRM",
	[SIGTERM] = "SIGTERM",
	[SIGXCPU] = "SIGXCPU",
	[SIGSYS] = "SIGSYS",
};

const char *
rec_signal_name(int number, char *ret, size_t size)
{
	const size_t known = sizeof signal_names / sizeof signal_names[0];

	if (number > 0 && (size_t) number < known && signal_names[number] != NULL)
		snprintf(ret, size, "%s", signal_names[number]);
	else
		snprintf(ret, size, "signal %d", number);
	return ret;
}

void
rec_fd_ending(pid_t pid, char *ret, size_t size)
{
	char path[64], text[1024], name[32];
	unsigned long long flags = PF_EXITING;
	int status = 0;
	const char *p;

	snprintf(ret, size, "exit");
	snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
	if (read_text_file(path, text, sizeof text) < 0)
		return;
	/* The name, in brackets, may hold anything; fields 3 and on come after. */
	p = strrchr(text, ')');
	for (int field = 2; p != NULL && field < 52; field++) {
		p = strchr(p + 1, ' ');
		if (p != NULL && field + 1 == 9)
			flags = strtoull(p, NULL, 10);
		if (p != NULL && field + 1 == 52)
			status = atoi(p);
	}
	if (!(flags & PF_EXITING))
		snprintf(ret, size, "close");
	else if (flags & PF_SIGNALED && WIFSIGNALED(status))
		snprintf(ret, size, "killed by %s", rec_signal_name(WTERMSIG(status), name, sizeof name));
}
