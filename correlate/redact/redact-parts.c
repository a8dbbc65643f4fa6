/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "redact/redact-parts.h"

#include <stdlib.h>
#include <string.h>

#include <viommu/json.h>

#include "record/record-line.h"
#include "text/text.h"

#define MAX_DEPTH 64

/* ---- JSON ------------------------------------------------------------------------------ */

/* "EEXIST" */
static bool
is_errno(const char *text)
{
	return text[0] == 'E' && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == strlen(text) && strlen(text) < 20;
}

/* What has a fixed form at this key, and has it. */
static bool
is_formal(const char *key, const char *text)
{
	static const char *const addresses[] = { "iova", "size", "gpa", "vaddr", "page_size", "first", "last", "address", "descriptor",
		"source_id", "cap", "ecap", "registers_base", "registers_size", NULL };
	static const char *const devices[] = { "device", "host", "source_id", NULL };
	viommu_sid unused_sid;
	uint64_t unused;

	return (g_strv_contains(addresses, key) && viommu_parse_hex(text, &unused)) ||
		(g_strv_contains(devices, key) && viommu_parse_bdf(text, &unused_sid)) || (strcmp(key, "error") == 0 && is_errno(text)) ||
		(strcmp(key, "at") == 0 && strspn(text, "0123456789") == strlen(text));
}

/* A type of QEMU's, which is judged by its prefix. */
static char *
redact_driver(viommu_redact *self, const char *text)
{
	static const char *const prefixes[] = { "vfio-pci", "vfio-", "virtio-", "vhost-" };

	for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
		if (g_str_has_prefix(text, prefixes[i])) {
			g_autofree char *shown = viommu_redact_text(self, text + strlen(prefixes[i]));

			return g_strconcat(prefixes[i], shown, NULL);
		}
	return viommu_redact_text(self, text);
}

static char *
redact_value(viommu_redact *self, const char *key, const char *text)
{
	static const char *const versions[] = { "version", "package", "kernel", NULL };
	static const char *const of_doctor[] = { "seen", "more", "fix", NULL };

	if (strcmp(key, "cmdline") == 0)
		return viommu_redact_kernel(self, text);
	if (viommu_redact_is_term(self, text) || is_formal(key, text))
		return g_strdup(text);
	/* These quote the kernel's command line. */
	if (g_strv_contains(of_doctor, key))
		return viommu_redact_kernel(self, text);
	if (strcmp(key, "driver") == 0)
		return redact_driver(self, text);
	return g_strv_contains(versions, key) ? viommu_redact_version(self, text) : viommu_redact_text(self, text);
}

/* New reference; what is nested too deep is left out. */
static json_t *
redact_json(viommu_redact *self, const json_t *json, const char *key, unsigned depth, bool *changed)
{
	const char *name, *text = json_string_value(json);
	json_t *ret, *value;
	size_t i;

	if (text) {
		g_autofree char *shown = redact_value(self, key, text);

		*changed = *changed || strcmp(shown, text) != 0;
		return json_string(shown);
	}
	if (!json_is_object(json) && !json_is_array(json))
		return json_incref((json_t *) json);
	if (!depth) {
		*changed = true;
		return json_null();
	}
	if (json_is_array(json)) {
		ret = json_array();
		json_array_foreach ((json_t *) json, i, value)
			json_array_append_new(ret, redact_json(self, value, key, depth - 1, changed));
		return ret;
	}
	ret = json_object();
	json_object_foreach ((json_t *) json, name, value) {
		g_autofree char *shown = viommu_redact_is_term(self, name) ? g_strdup(name) : viommu_redact_text(self, name);

		*changed = *changed || strcmp(shown, name) != 0;
		json_object_set_new(ret, shown, redact_json(self, value, name, depth - 1, changed));
	}
	return ret;
}

/* ---- learning ---------------------------------------------------------------------------- */

void
viommu_redact_learn_machine(viommu_redact *self, const viommu_machine *machine)
{
	viommu_redact_learn_arguments(self, machine->cmdline);
}

void
viommu_redact_learn_bytes(viommu_redact *self, GBytes *text)
{
	gsize len;
	const char *bytes = g_bytes_get_data(text, &len);

	if (len)
		viommu_redact_learn_homes(self, bytes, len);
}

void
viommu_redact_learn_record(viommu_redact *self, GBytes *record)
{
	gsize len;
	const char *bytes = g_bytes_get_data(record, &len);
	const char *end = len ? memchr(bytes, '\n', len) : NULL;
	json_t *header = end ? viommu_json_load(bytes, (size_t) (end - bytes), 0, NULL) : NULL;
	const char *cmdline = json_string_value(json_object_get(header, "cmdline"));

	if (cmdline)
		viommu_redact_learn_kernel(self, cmdline);
	json_decref(header);
	viommu_redact_learn_bytes(self, record);
}

/* ---- redacting ----------------------------------------------------------------------------- */

static void
put_record_line(viommu_redact *self, GByteArray *out, const char *line, size_t len, viommu_map_line *map)
{
	json_t *json, *shown;
	bool changed = false;
	char *text;

	/* Numbers only. */
	if (viommu_map_line_parse(line, len, map)) {
		g_byte_array_append(out, (const guint8 *) line, (guint) len);
		return;
	}
	json = viommu_json_load(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		/* Behind the moment that was asked for a line may be anything. */
		static const char nothing[] = "{\"event\":\"redacted\"}";

		json_decref(json);
		g_byte_array_append(out, (const guint8 *) nothing, sizeof(nothing) - 1);
		return;
	}
	shown = redact_json(self, json, "", MAX_DEPTH, &changed);
	if (changed) {
		text = json_dumps(shown, JSON_COMPACT);
		g_byte_array_append(out, (const guint8 *) text, (guint) strlen(text));
		free(text);
	} else {
		g_byte_array_append(out, (const guint8 *) line, (guint) len);
	}
	json_decref(shown);
	json_decref(json);
}

GBytes *
viommu_redact_record(viommu_redact *self, GBytes *record)
{
	GByteArray *out = g_byte_array_new();
	viommu_map_line map = { .extents = g_array_new(FALSE, FALSE, sizeof(viommu_line_extent)) };
	gsize left;
	const char *at = g_bytes_get_data(record, &left), *end;

	for (; left && (end = memchr(at, '\n', left)); left -= (gsize) (end + 1 - at), at = end + 1) {
		put_record_line(self, out, at, (size_t) (end - at), &map);
		g_byte_array_append(out, (const guint8 *) "\n", 1);
	}
	/* A line that was cut off: that there was one has to be seen, not what was in it. */
	if (left)
		g_byte_array_append(out, (const guint8 *) "{", 1);
	g_array_unref(map.extents);
	return g_byte_array_free_to_bytes(out);
}

GBytes *
viommu_redact_lines(viommu_redact *self, GBytes *text)
{
	GByteArray *out = g_byte_array_new();
	gsize left;
	const char *at = g_bytes_get_data(text, &left);

	while (left) {
		const char *end = memchr(at, '\n', left);
		size_t len = end ? (size_t) (end - at) : left;
		g_autofree char *line = g_strndup(at, len);
		g_autofree char *shown = viommu_redact_text(self, line);

		g_byte_array_append(out, (const guint8 *) shown, (guint) strlen(shown));
		if (end)
			g_byte_array_append(out, (const guint8 *) "\n", 1);
		at += len + (end != NULL);
		left -= len + (end != NULL);
	}
	return g_byte_array_free_to_bytes(out);
}

/* The arguments are read one by one, as they were learned. */
static json_t *
redact_arguments(viommu_redact *self, char **arguments)
{
	json_t *ret = json_array();

	for (; *arguments; arguments++) {
		g_autofree char *shown = viommu_redact_argument(self, *arguments);

		json_array_append_new(ret, json_string(shown));
	}
	return ret;
}

/* Into a field of so many bytes: a placeholder at the end is kept whole. */
static void
put_field(char *field, const char *text, size_t size)
{
	const char *last = strrchr(text, '<'), *end;
	size_t kept = last ? strlen(last) : 0, before = kept < size ? size - kept : size;

	/* Room for what stands before it, and a 0. */
	g_strlcpy(field, text, MIN(before, last ? (size_t) (last - text) + 1 : size));
	if (!g_utf8_validate(field, -1, &end))
		field[end - field] = '\0';
	if (kept < size)
		g_strlcat(field, last ? last : "", size);
}

/* What fills its field was cut off; up to three bytes are lost with half a character. */
static void
redact_field(viommu_redact *self, const char *key, char *field, size_t size)
{
	g_autofree char *shown = strlen(field) + 4 >= size ? viommu_redact_shortened(self, field) : redact_value(self, key, field);

	put_field(field, shown, size);
}

/* Not by way of JSON, as there can be 65536, and because what was cut off is known here. */
static void
redact_devices(viommu_redact *self, const GArray *from, GArray *to)
{
	for (guint i = 0; i < from->len; i++) {
		viommu_pci_device device = g_array_index(from, viommu_pci_device, i);

		redact_field(self, "id", device.id, sizeof(device.id));
		redact_field(self, "class_text", device.class_text, sizeof(device.class_text));
		redact_field(self, "driver", device.driver, sizeof(device.driver));
		redact_field(self, "host", device.host, sizeof(device.host));
		g_array_append_val(to, device);
	}
}

static void
redact_ram(viommu_redact *self, const GArray *from, GArray *to)
{
	for (guint i = 0; i < from->len; i++) {
		viommu_ram_region region = g_array_index(from, viommu_ram_region, i);

		redact_field(self, "name", region.name, sizeof(region.name));
		g_array_append_val(to, region);
	}
}

static viommu_machine *
redact_machine(viommu_redact *self, const viommu_machine *machine, GError **error)
{
	g_autoptr(GArray) none = g_array_new(FALSE, FALSE, 1);
	viommu_machine rest = *machine, *ret;
	json_t *json, *shown;
	bool changed = false;

	rest.pci = rest.ram = none;
	json = viommu_machine_to_json(&rest);
	json_object_del(json, "cmdline");
	shown = redact_json(self, json, "", MAX_DEPTH, &changed);
	if (machine->cmdline)
		json_object_set_new(shown, "cmdline", redact_arguments(self, machine->cmdline));
	ret = viommu_machine_from_json(shown, error);
	json_decref(json);
	json_decref(shown);
	if (ret) {
		redact_ram(self, machine->ram, ret->ram);
		redact_devices(self, machine->pci, ret->pci);
	}
	return ret;
}

static void
replace(viommu_redact *self, char **text)
{
	char *shown = viommu_redact_text(self, *text);

	g_free(*text);
	*text = shown;
}

viommu_machine *
viommu_redact_snapshot(viommu_redact *self, viommu_snapshot *snapshot, GError **error)
{
	viommu_machine *shown = redact_machine(self, viommu_snapshot_machine(snapshot), error);
	viommu_capture_info *info = viommu_snapshot_info(snapshot);
	g_autofree char *unknown = g_strdup(viommu_snapshot_backing_unknown(snapshot));

	if (!shown)
		return NULL;
	replace(self, &info->time);
	replace(self, &info->memory_source);
	if (unknown) {
		replace(self, &unknown);
		viommu_snapshot_set_backing_unknown(snapshot, unknown);
	}
	return viommu_snapshot_swap_machine(snapshot, shown);
}

json_t *
viommu_redact_json(viommu_redact *self, const json_t *json)
{
	bool unused = false;

	return redact_json(self, json, "", MAX_DEPTH, &unused);
}
