/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process is the QEMU of a guest of libvirt.  libvirt does not tell; QEMU names its own
 * threads, which nobody else can do for it, and the process has to have the guest's UUID on its
 * command line, so that a QEMU whose guest broke out cannot name somebody else's process. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <viommu/monitor.h>

#include "libvirt-guest.h"

/* The process decides how long it is; a QEMU's is some kilobytes. */
#define MAX_COMMAND_LINE (1u << 20)

static pid_t
process_of_thread(pid_t thread)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) thread);
	g_autofree char *text = NULL;
	const char *line;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;
	line = strstr(text, "\nTgid:");
	return line ? (pid_t) atoi(line + strlen("\nTgid:")) : 0;
}

static bool
was_started_with(pid_t pid, const char *uuid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int) pid);
	g_autofree char *bytes = g_malloc(MAX_COMMAND_LINE + 1);
	bool found = false;
	size_t len = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (len < MAX_COMMAND_LINE && (got = read(fd, bytes + len, MAX_COMMAND_LINE - len)) > 0)
		len += (size_t) got;
	close(fd);
	bytes[len] = '\0';
	for (size_t at = 0; at < len && !found; at += strlen(bytes + at) + 1) {
		size_t value = at + strlen("-uuid") + 1;

		found = strcmp(bytes + at, "-uuid") == 0 && value < len &&
			g_ascii_strcasecmp(bytes + value, uuid) == 0;
	}
	return found;
}

/* On another host its numbers are other processes. */
static bool
is_local(const char *uri)
{
	const char *host = uri ? strstr(uri, "://") : NULL;

	return host && host[strlen("://")] == '/';
}

pid_t
libvirt_guest_pid(libvirt_guest *self)
{
	static const char command[] = "query-cpus-fast";
	json_t *asked, *answer;
	json_int_t thread;
	pid_t pid;

	if (!is_local(self->uri) || !viommu_monitor_may_send(command, NULL, FALSE))
		return 0;
	asked = json_pack("{s:s}", "execute", command);
	answer = libvirt_guest_execute(self, asked, NULL);
	thread = json_integer_value(
		json_object_get(json_array_get(json_object_get(answer, "return"), 0), "thread-id"));
	json_decref(asked);
	json_decref(answer);
	pid = thread > 0 && thread <= G_MAXINT ? process_of_thread((pid_t) thread) : 0;
	if (pid > 0 && was_started_with(pid, self->uuid))
		return pid;
	g_debug("the process of libvirt's guest %s is not known: thread %" JSON_INTEGER_FORMAT ", process %d",
		self->uuid, thread, (int) pid);
	return 0;
}
