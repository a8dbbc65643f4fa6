/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's command line: which values of which options are private.  Options that are not
 * known here keep what has no private shape.
 */
#include <string.h>

#include <viommu/json.h>

#include "redact/redact-words.h"

typedef enum { PLAIN, FLAG, PATH, NAME, USER, KERNEL, CHARDEV, ENDPOINT, LIST, SMBIOS, FW_CFG } form;

static form
form_of(const char *option)
{
	static const struct {
		form what;
		const char *names[28];
	} forms[] = {
		{ FLAG, { "enable-kvm", "nographic", "S", "nodefaults", "daemonize", "no-reboot", "no-shutdown", "snapshot", "usb",
			"no-user-config", "no-acpi", "no-hpet", "full-screen", "only-migratable", "mem-prealloc", "s", "preconfig", "no-fd-bootchk",
			"singlestep", "enable-sync-profile", "win2k-hack", "no-quit", "curses", "nouserconfig", "no-kvm", "xen-attach" } },
		{ PATH, { "hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "kernel", "initrd", "bios", "pflash", "mtdblock", "sd", "dtb",
			"pidfile", "D", "L", "chroot", "readconfig", "writeconfig", "mem-path", "option-rom", "dump-vmstate", "loadvm" } },
		{ NAME, { "name" } },
		{ USER, { "runas" } },
		{ KERNEL, { "append" } },
		{ CHARDEV, { "qmp", "qmp-pretty", "monitor", "serial", "parallel", "gdb", "debugcon", "incoming" } },
		{ ENDPOINT, { "vnc", "spice" } },
		{ SMBIOS, { "smbios" } },
		{ FW_CFG, { "fw_cfg" } },
		{ PLAIN, { "machine", "M", "cpu", "smp", "m", "accel", "boot", "k", "d", "display", "vga", "rtc", "msg", "icount", "uuid",
			"overcommit", "sandbox", "global" } },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(forms); i++)
		for (const char *const *name = forms[i].names; name < forms[i].names + G_N_ELEMENTS(forms[i].names) && *name; name++)
			if (strcmp(option, *name) == 0)
				return forms[i].what;
	return LIST;
}

/* ---- "key=value,key=value" ----------------------------------------------------------------- */

/* A comma is doubled in a value. */
static char *
next_item(const char **text)
{
	GString *item = g_string_new(NULL);
	const char *at = *text;

	for (; *at && (*at != ',' || at[1] == ','); at++) {
		g_string_append_c(item, *at);
		at += *at == ',';
	}
	*text = *at == ',' ? at + 1 : NULL;
	return g_string_free(item, FALSE);
}

static const char *
last_part(const char *key)
{
	const char *dot = strrchr(key, '.');

	return dot && dot[1] ? dot + 1 : key;
}

/* What a key of this option holds. */
static bool
key_kind(form what, const char *driver, const char *key, viommu_redact_kind *kind)
{
	const char *last = last_part(key);

	if (what == SMBIOS) {
		*kind = strcmp(key, "serial") == 0 || strcmp(key, "asset") == 0 ? VIOMMU_REDACT_SERIAL
			: strcmp(key, "uuid") == 0 ? VIOMMU_REDACT_UUID
			: strcmp(key, "file") == 0 || strcmp(key, "path") == 0 ? VIOMMU_REDACT_PATH
									      : VIOMMU_REDACT_TEXT;
		return strcmp(key, "type") != 0 && strcmp(key, "uefi") != 0;
	}
	if (what == FW_CFG && strcmp(key, "string") == 0) {
		*kind = VIOMMU_REDACT_TEXT;
		return true;
	}
	if (what == NAME && (strcmp(key, "process") == 0)) {
		*kind = VIOMMU_REDACT_NAME;
		return true;
	}
	if (strcmp(last, "data") == 0 && g_str_has_prefix(driver, "secret")) {
		*kind = VIOMMU_REDACT_SECRET;
		return true;
	}
	if (strcmp(last, "addr") == 0 && what == ENDPOINT) {
		*kind = VIOMMU_REDACT_HOST;
		return true;
	}
	return viommu_redact_key(last, kind);
}

/* "tcp::2222-:22", "vde,sock": names and addresses go, ports stay. */
static void
put_endpoint(viommu_redact *self, GString *out, const char *value)
{
	if (strstr(value, "cmd:") || strchr(value, '/')) {
		viommu_redact_put_value(self, out, VIOMMU_REDACT_PATH, value);
		return;
	}
	while (*value) {
		size_t n = strcspn(value, ":");
		g_autofree char *part = g_strndup(value, n);
		static const char *const words[] = { "tcp", "udp", "unix", "telnet", "websocket", "fd", "vde", "mon", "stdio", "vc", "pty", "null",
			"none", "chardev", "defer", "localhost" };
		bool name = false;

		for (const char *c = part; *c && *c != '-'; c++)
			name = name || g_ascii_isalpha(*c);
		for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
			name = name && strcmp(part, words[i]) != 0;
		if (name)
			viommu_redact_put_value(self, out, VIOMMU_REDACT_HOST, part);
		else
			g_string_append(out, part);
		value += n;
		if (*value)
			g_string_append_c(out, *value++);
	}
}

/* "unix:/run/x,server=on", "tcp:host:1", "file:x", "exec:…" */
static void
put_first(viommu_redact *self, GString *out, form what, const char *item)
{
	static const char *const with_path[] = { "unix:", "file:", "pipe:", "tap:", "exec:" };

	if (what == NAME) {
		viommu_redact_put_value(self, out, VIOMMU_REDACT_NAME, item);
		return;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(with_path); i++)
		if (g_str_has_prefix(item, with_path[i])) {
			g_string_append(out, with_path[i]);
			viommu_redact_put_value(self, out, VIOMMU_REDACT_PATH, item + strlen(with_path[i]));
			return;
		}
	if ((what == CHARDEV && strchr(item, ':')) || what == ENDPOINT)
		put_endpoint(self, out, item);
	else
		g_string_append(out, item);
}

static void put_json(viommu_redact *self, GString *out, const char *text);

static void
put_item(viommu_redact *self, GString *out, form what, const char *driver, const char *item)
{
	const char *equals = strchr(item, '='), *value = equals ? equals + 1 : NULL;
	g_autofree char *key = equals ? g_strndup(item, (gsize) (equals - item)) : NULL;
	viommu_redact_kind kind;

	if (!key) {
		g_string_append(out, item);
		return;
	}
	g_string_append_printf(out, "%s=", key);
	if (g_str_has_prefix(value, "json:"))
		put_json(self, out, value);
	else if (strcmp(key, "hostfwd") == 0 || strcmp(key, "guestfwd") == 0)
		put_endpoint(self, out, value);
	else if (key_kind(what, driver, key, &kind))
		viommu_redact_put_value(self, out, kind, value);
	else
		g_string_append(out, value);
}

static void
put_list(viommu_redact *self, GString *out, form what, const char *text)
{
	g_autofree char *driver = NULL;
	bool first = true;

	while (text) {
		g_autofree char *item = next_item(&text);
		const char *equals = strchr(item, '=');

		if (!driver)
			driver = g_strdup(!equals ? item
				: g_str_has_prefix(item, "driver=") || g_str_has_prefix(item, "qom-type=") ? equals + 1
													       : "");
		if (!first)
			g_string_append_c(out, ',');
		if (first && (!equals || what == CHARDEV))
			put_first(self, out, what, item);
		else
			put_item(self, out, what, driver, item);
		first = false;
	}
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *
mark_json(viommu_redact *self, const json_t *json, const char *key, const char *driver, unsigned depth)
{
	const char *name, *text = json_string_value(json);
	json_t *value, *ret;
	viommu_redact_kind kind;
	size_t i;

	if (text && key && key_kind(LIST, driver, key, &kind)) {
		g_autoptr(GString) out = g_string_new(NULL);

		viommu_redact_put_value(self, out, kind, text);
		return json_string(out->str);
	}
	if (json_is_object(json) && depth) {
		const char *own = json_string_value(json_object_get(json, "driver"));

		own = own ? own : json_string_value(json_object_get(json, "qom-type"));
		ret = json_object();
		json_object_foreach ((json_t *) json, name, value)
			json_object_set_new(ret, name, mark_json(self, value, last_part(name), own ? own : driver, depth - 1));
		return ret;
	}
	if (json_is_array(json) && depth) {
		ret = json_array();
		json_array_foreach ((json_t *) json, i, value)
			json_array_append_new(ret, mark_json(self, value, key, driver, depth - 1));
		return ret;
	}
	return depth || text ? json_deep_copy(json) : json_null();
}

/* text: "{…}" or "json:{…}".  What is no JSON is hidden as a whole. */
static void
put_json(viommu_redact *self, GString *out, const char *text)
{
	bool prefix = g_str_has_prefix(text, "json:");
	const char *start = prefix ? text + strlen("json:") : text;
	json_t *json = viommu_json_load(start, strlen(start), 0, NULL), *marked;
	char *dumped;

	if (!json) {
		viommu_redact_put_value(self, out, VIOMMU_REDACT_SECRET, text);
		return;
	}
	marked = mark_json(self, json, NULL, "", 16);
	dumped = json_dumps(marked, JSON_COMPACT);
	g_string_append_printf(out, "%s%s", prefix ? "json:" : "", dumped ? dumped : "");
	free(dumped);
	json_decref(marked);
	json_decref(json);
}

/* ---- arguments -------------------------------------------------------------------------------- */

static void
put_argument(viommu_redact *self, GString *out, form what, const char *text)
{
	g_autofree char *tokens = NULL;

	if (*text == '{' || g_str_has_prefix(text, "json:")) {
		put_json(self, out, text);
		return;
	}
	switch (what) {
	case PATH:
		viommu_redact_put_value(self, out, VIOMMU_REDACT_PATH, text);
		break;
	case USER:
		viommu_redact_put_value(self, out, VIOMMU_REDACT_USER, text);
		break;
	case KERNEL:
		tokens = viommu_redact_kernel_tokens(self, text);
		g_string_append(out, tokens);
		break;
	default:
		put_list(self, out, what, text);
		break;
	}
}

void
viommu_redact_learn_arguments(viommu_redact *self, char **arguments)
{
	form what = FLAG;

	if (!arguments || !*arguments)
		return;
	if (!viommu_redact_is_public_path(*arguments, strlen(*arguments)) && strchr(*arguments, '/'))
		viommu_redact_learn_homes(self, *arguments, strlen(*arguments));
	for (char **argument = arguments + 1; *argument; argument++) {
		g_autoptr(GString) out = g_string_new(NULL);

		if (**argument == '-' && (*argument)[1]) {
			what = form_of(*argument + ((*argument)[1] == '-' ? 2 : 1));
			continue;
		}
		/* What belongs to no option is a disk image. */
		put_argument(self, out, what == FLAG ? PATH : what, *argument);
		viommu_redact_set_argument(self, *argument, g_string_free(g_steal_pointer(&out), FALSE));
		what = FLAG;
	}
}
