/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's command line, as far as it says how to reach the machine. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <viommu/monitor.h>

#include "qemus.h"

static void
monitor_free(gpointer data)
{
	viommu_qemu_monitor *self = data;

	g_free(self->address);
	g_free(self->why_not);
	g_free(self->bound);
	g_free(self);
}

static void
free_text(gpointer text)
{
	g_free(text);
}

void
viommu_qemu_free(viommu_qemu *self)
{
	if (!self)
		return;
	g_free(self->name);
	g_free(self->uuid);
	g_free(self->master_key);
	g_free(self->libvirt);
	g_ptr_array_unref(self->monitors);
	g_ptr_array_unref(self->sockets);
	g_free(self);
}

/* "a,key=value,flag": a comma in a value is doubled. first: the key of what stands before
 * any '='. */
static GHashTable *
parse_options(const char *text, const char *first)
{
	GHashTable *ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	for (bool begin = true; *text; begin = false) {
		g_autoptr(GString) item = g_string_new(NULL);
		const char *equals;

		for (; *text && (*text != ',' || text[1] == ','); text++) {
			text += *text == ',';
			g_string_append_c(item, *text);
		}
		text += *text == ',';
		equals = strchr(item->str, '=');
		if (equals && (!begin || !strpbrk(item->str, ":/")))
			g_hash_table_replace(ret, g_strndup(item->str, (gsize) (equals - item->str)), g_strdup(equals + 1));
		else if (begin)
			g_hash_table_replace(ret, g_strdup(first), g_strdup(item->str));
		else /* "server,nowait", as it was written until QEMU 5 */
			g_hash_table_replace(ret, g_strdup(item->str), g_strdup("on"));
	}
	return ret;
}

static bool
is_on(GHashTable *options, const char *key)
{
	const char *value = g_hash_table_lookup(options, key);

	return value && (strcmp(value, "on") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "true") == 0);
}

static viommu_qemu_monitor *
monitor_new(char *address, const char *bound, const char *why_not)
{
	viommu_qemu_monitor *self = g_new0(viommu_qemu_monitor, 1);

	self->address = address;
	self->bound = g_strdup(bound);
	self->why_not = g_strdup(why_not);
	self->fd = -1;
	return self;
}

static char *
tcp_address(const char *host, const char *port)
{
	bool any = !host || !*host || strcmp(host, "0.0.0.0") == 0;

	if (host && strchr(host, ':') && *host != '[')
		return g_strdup_printf("tcp:[%s]:%s", strcmp(host, "::") == 0 ? "::1" : host, port);
	return g_strdup_printf("tcp:%s:%s", any ? "127.0.0.1" : host, port);
}

/* Where a client is to connect, by the options of a socket. */
static viommu_qemu_monitor *
socket_monitor(GHashTable *options)
{
	const char *path = g_hash_table_lookup(options, "path"), *port = g_hash_table_lookup(options, "port");
	const char *fd = g_hash_table_lookup(options, "fd");
	viommu_qemu_monitor *ret;

	if (fd) {
		ret = monitor_new(NULL, NULL, "it is a socket that QEMU was given, and its path cannot be seen (root may)");
		ret->fd = atoi(fd);
		return ret;
	}
	if (!is_on(options, "server"))
		return monitor_new(NULL, NULL, "QEMU connects to somebody there, and takes no client (server=on is missing)");
	if (path && is_on(options, "abstract"))
		return monitor_new(NULL, NULL, "it is an abstract socket, which viommu cannot use");
	if (path)
		return monitor_new(g_strdup_printf("unix:%s", path), path, NULL);
	if (port)
		return monitor_new(tcp_address(g_hash_table_lookup(options, "host"), port), NULL, NULL);
	return monitor_new(NULL, NULL, "its address is not known");
}

/* -qmp unix:PATH,server=on: what stands behind the scheme is one word. */
static viommu_qemu_monitor *
monitor_of_device(const char *device, GHashTable *chardevs)
{
	g_autoptr(GHashTable) options = parse_options(device, "device");
	const char *first = g_hash_table_lookup(options, "device");

	if (first && g_str_has_prefix(first, "chardev:")) {
		GHashTable *chardev = g_hash_table_lookup(chardevs, first + 8);

		return chardev ? socket_monitor(chardev) : monitor_new(NULL, NULL, "its character device is not on the command line");
	}
	if (first && g_str_has_prefix(first, "unix:")) {
		g_hash_table_replace(options, g_strdup("path"), g_strdup(first + 5));
		return socket_monitor(options);
	}
	if (first && g_str_has_prefix(first, "tcp:")) {
		const char *colon = strrchr(first + 4, ':');

		if (!colon)
			return monitor_new(NULL, NULL, "its address is not known");
		g_hash_table_replace(options, g_strdup("host"), g_strndup(first + 4, (gsize) (colon - first - 4)));
		g_hash_table_replace(options, g_strdup("port"), g_strdup(colon + 1));
		return socket_monitor(options);
	}
	return monitor_new(NULL, NULL, "it is no socket");
}

static bool
is_iommu(const char *device)
{
	g_autoptr(GHashTable) options = NULL;
	json_t *json;
	bool ret;

	if (*device == '{') {
		json = json_loads(device, 0, NULL);
		ret = g_strcmp0(json_string_value(json_object_get(json, "driver")), "intel-iommu") == 0;
		json_decref(json);
		return ret;
	}
	options = parse_options(device, "driver");
	return g_strcmp0(g_hash_table_lookup(options, "driver"), "intel-iommu") == 0;
}

/* "-qmp" and "--qmp" are the same. */
static bool
is_option(const char *argument, const char *name)
{
	if (*argument != '-')
		return false;
	return strcmp(argument + 1 + (argument[1] == '-'), name) == 0;
}

static void
free_options(gpointer options)
{
	g_hash_table_unref(options);
}

static GHashTable *
parse_chardevs(char *const *argv)
{
	GHashTable *ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_options);

	for (; *argv; argv++)
		if (is_option(*argv, "chardev") && argv[1]) {
			GHashTable *options = parse_options(argv[1], "backend");
			const char *id = g_hash_table_lookup(options, "id");

			if (id && g_strcmp0(g_hash_table_lookup(options, "backend"), "socket") == 0)
				g_hash_table_replace(ret, g_strdup(id), options);
			else
				g_hash_table_unref(options);
		}
	return ret;
}

/* Takes monitor.  Most human monitors are a terminal, and nobody's business. */
static void
add_human(viommu_qemu *self, viommu_qemu_monitor *monitor)
{
	char *address = monitor->address;

	if (!address) {
		monitor_free(monitor);
		return;
	}
	monitor->human = true;
	monitor->address = g_strconcat(VIOMMU_HUMAN_SCHEME, address, NULL);
	g_free(address);
	g_ptr_array_add(self->monitors, monitor);
}

static void
add_mon(viommu_qemu *self, const char *text, GHashTable *chardevs)
{
	g_autoptr(GHashTable) options = parse_options(text, "chardev");
	const char *id = g_hash_table_lookup(options, "chardev");
	GHashTable *chardev = id ? g_hash_table_lookup(chardevs, id) : NULL;

	if (g_strcmp0(g_hash_table_lookup(options, "mode"), "control") == 0)
		g_ptr_array_add(self->monitors, chardev ? socket_monitor(chardev) : monitor_new(NULL, NULL, "it is no socket"));
	else if (chardev)
		add_human(self, socket_monitor(chardev));
}

static void
take_name(viommu_qemu *self, const char *text)
{
	g_autoptr(GHashTable) options = parse_options(text, "guest");
	const char *name = g_hash_table_lookup(options, "guest");

	if (name && *name) {
		g_free(self->name);
		self->name = g_strdup(name);
	}
}

viommu_qemu *
viommu_qemu_parse(char *const *argv)
{
	viommu_qemu *self = g_new0(viommu_qemu, 1);
	g_autoptr(GHashTable) chardevs = parse_chardevs(argv);

	self->monitors = g_ptr_array_new_with_free_func(monitor_free);
	self->sockets = g_ptr_array_new_with_free_func(free_text);
	self->name = g_path_get_basename(argv[0]);
	for (argv++; *argv; argv++) {
		const char *value = argv[1];

		if (!value)
			break;
		if (is_option(*argv, "qmp") || is_option(*argv, "qmp-pretty")) {
			if (strcmp(value, "none") != 0)
				g_ptr_array_add(self->monitors, monitor_of_device(value, chardevs));
		} else if (is_option(*argv, "monitor")) {
			add_human(self, monitor_of_device(value, chardevs));
		} else if (is_option(*argv, "mon")) {
			add_mon(self, value, chardevs);
		} else if (is_option(*argv, "name")) {
			take_name(self, value);
		} else if (is_option(*argv, "uuid") && g_uuid_string_is_valid(value)) {
			g_free(self->uuid);
			self->uuid = g_strdup(value);
		} else if (is_option(*argv, "object") && strstr(value, "masterKey0")) {
			g_free(self->master_key);
			self->master_key = g_strdup(value);
		} else if (is_option(*argv, "device") && is_iommu(value)) {
			self->iommu = VIOMMU_SAID_YES;
		} else if (is_option(*argv, "readconfig") && self->iommu == VIOMMU_SAID_NO) {
			self->iommu = VIOMMU_SAID_ELSEWHERE;
		}
	}
	return self;
}
