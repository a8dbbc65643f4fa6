/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/proc.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/sysfs.h"
#include "sys/vfio-info.h"

static const char *proc_root = "/proc";

void
proc_set_root(const char *root)
{
	proc_root = root;
}

int
proc_tgid(int tid)
{
	char path[PATH_MAX], text[2048];
	const char *line;

	snprintf(path, sizeof path, "%s/%d/status", proc_root, tid);
	if (tid <= 0 || read_text_file(path, text, sizeof text) <= 0)
		return -1;
	line = strstr(text, "\nTgid:");
	return line != NULL ? atoi(line + strlen("\nTgid:")) : -1;
}

static void
count_file(struct proc_vfio *found, int fd, const char *target)
{
	int group, end = 0;

	/* /dev/vfio/vfio and /dev/vfio/N are what the kernel makes; a udev rule
	 * can give them other names, and then nothing is known. */
	if (strcmp(target, "/dev/vfio/vfio") == 0) {
		found->n_containers++;
		found->container = fd;
	} else if (sscanf(target, "/dev/vfio/%d%n", &group, &end) == 1 && target[end] == '\0') {
		found->n_groups++;
		found->group = group;
	} else if (strncmp(target, "anon_inode:[vfio-device]", 24) == 0) {
		found->n_devices++;
	}
}

bool
proc_vfio(int pid, struct proc_vfio *ret)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	*ret = (struct proc_vfio){ .container = -1, .group = -1 };
	snprintf(path, sizeof path, "%s/%d/fd", proc_root, pid);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		const ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

		if (len <= 0)
			continue;
		target[len] = '\0';
		count_file(ret, atoi(entry->d_name), target);
	}
	closedir(dir);
	return true;
}

/* What the kernel says of the container that is file FD of the process. */
static int64_t
ask_available(int pidfd, int fd)
{
	const int container = (int) syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	struct vfio_info info = { .available = -1 };

	if (container < 0)
		return -1;
	vfio_read_info(&info, container);
	close(container);
	return info.available;
}

int
proc_containers(int pid, struct proc_container *ret, size_t max)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	int n = 0, pidfd;
	DIR *dir;

	snprintf(path, sizeof path, "%s/%d/fd", proc_root, pid);
	dir = opendir(path);
	if (dir == NULL)
		return -errno;
	pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
	while ((entry = readdir(dir)) != NULL && (size_t) n < max) {
		const ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

		target[len > 0 ? len : 0] = '\0';
		if (strcmp(target, "/dev/vfio/vfio") != 0)
			continue;
		ret[n].fd = atoi(entry->d_name);
		ret[n].available = pidfd >= 0 ? ask_available(pidfd, ret[n].fd) : -1;
		n++;
	}
	closedir(dir);
	if (pidfd >= 0)
		close(pidfd);
	return n;
}

void
proc_name(int pid, char *name, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%d/comm", proc_root, pid);
	(void) read_text_file(path, name, size);
}

bool
proc_same_file(int pid, unsigned fd, int other_pid, unsigned other_fd)
{
	return syscall(SYS_kcmp, pid, other_pid, KCMP_FILE, (unsigned long) fd, (unsigned long) other_fd) ==
	       0;
}
