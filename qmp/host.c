/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host says of a QEMU process: how it was started, and on what. */
#include <string.h>
#include <sys/utsname.h>

#include "machine.h"

/* A command line is at most 2 MiB on Linux by default, and 100 KiB is a very long one. */
#define MAX_COMMAND_LINE (1u << 20)

/* The arguments of a process, NULL when they cannot be read. */
static char **
read_arguments(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int) pid);
	g_autofree char *bytes = NULL;
	g_autoptr(GPtrArray) ret = g_ptr_array_new();
	gsize len;

	if (!g_file_get_contents(path, &bytes, &len, NULL) || len == 0 || len > MAX_COMMAND_LINE)
		return NULL;
	for (gsize at = 0; at < len; at += strlen(bytes + at) + 1)
		g_ptr_array_add(ret, g_utf8_make_valid(bytes + at, -1));
	g_ptr_array_add(ret, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&ret), FALSE);
}

/* By its name: the peer of a socket that a manager opened is the manager. */
static bool
looks_like_qemu(const char *program)
{
	g_autofree char *name = g_path_get_basename(program);

	return strstr(name, "qemu") || strstr(name, "kvm");
}

void
viommu_machine_read_host(viommu_machine *self, pid_t pid, bool proven)
{
	struct utsname names;
	g_auto(GStrv) arguments = pid ? read_arguments(pid) : NULL;

	if (!arguments || (!proven && !looks_like_qemu(arguments[0]))) {
		g_debug("the command line of the QEMU is not known");
		return;
	}
	g_strfreev(self->cmdline);
	self->cmdline = g_steal_pointer(&arguments);
	if (uname(&names) != 0)
		return;
	g_free(self->host_os);
	g_free(self->host_kernel);
	g_free(self->host_arch);
	self->host_os = g_get_os_info(G_OS_INFO_KEY_PRETTY_NAME);
	self->host_kernel = g_strdup_printf("%s %s %s", names.sysname, names.release, names.version);
	self->host_arch = g_strdup(names.machine);
}

void
viommu_machine_put_host(const viommu_machine *self, json_t *json)
{
	if (self->cmdline) {
		json_t *list = json_array();

		for (char **argument = self->cmdline; *argument; argument++)
			json_array_append_new(list, json_string(*argument));
		json_object_set_new(json, "cmdline", list);
	}
	if (self->host_kernel)
		json_object_set_new(json, "host", json_pack("{s:s*, s:s, s:s*}", "os", self->host_os, "kernel", self->host_kernel,
			"arch", self->host_arch));
}

bool
viommu_machine_get_host(viommu_machine *self, const json_t *json)
{
	const json_t *list = json_object_get(json, "cmdline"), *host = json_object_get(json, "host"), *item;
	g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
	size_t i;

	json_array_foreach (list, i, item) {
		if (!json_is_string(item))
			return false;
		g_ptr_array_add(arguments, g_strdup(json_string_value(item)));
	}
	if (arguments->len) {
		g_ptr_array_add(arguments, NULL);
		self->cmdline = (char **) g_ptr_array_steal(arguments, NULL);
	}
	self->host_os = g_strdup(json_string_value(json_object_get(host, "os")));
	self->host_kernel = g_strdup(json_string_value(json_object_get(host, "kernel")));
	self->host_arch = g_strdup(json_string_value(json_object_get(host, "arch")));
	return (!list || json_is_array(list)) && (!host || json_is_object(host));
}
