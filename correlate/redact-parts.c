/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "redact-parts.h"

#include <stdlib.h>
#include <string.h>

#include <viommu/json.h>
#include <viommu/record.h>

#define MAX_DEPTH 64

/* ---- JSON ------------------------------------------------------------------------------ */

/* Words of the formats, which can equal a name by chance: only what has a private shape
 * is replaced in them. */
static bool
is_structure(const char *key)
{
	static const char *const keys[] = { "event", "format", "prot", "iova", "size", "gpa", "vaddr", "page_size", "device", "backend",
		"tracepoint", "descriptor", "type", "granularity", "domain_id", "source_id", "pasid", "first", "last", "address", "pages",
		"cap", "ecap", "session", "error", "of", "name", "iommu", "base", "driver", "host", "class", "class_text", "run_state",
		"registers_base", "registers_size", "iommu_path", "arch" };

	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static char *
redact_value(viommu_redact *self, const char *key, const char *text)
{
	if (strcmp(key, "cmdline") == 0)
		return viommu_redact_kernel(self, text);
	/* Four numbers with dots between them are a version here. */
	if (strcmp(key, "version") == 0 || strcmp(key, "package") == 0)
		return g_strdup(text);
	return is_structure(key) ? viommu_redact_shapes(self, text) : viommu_redact_text(self, text);
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
		g_autofree char *shown = viommu_redact_shapes(self, name);

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
put_record_line(viommu_redact *self, GByteArray *out, const char *line, size_t len)
{
	json_t *json = viommu_json_load(line, len, JSON_REJECT_DUPLICATES, NULL), *shown;
	bool changed = false;
	char *text;

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

typedef void (*put_line)(viommu_redact *self, GByteArray *out, const char *line, size_t len);

/* tail: what a last line without its end becomes. */
static GBytes *
each_line(viommu_redact *self, GBytes *bytes, put_line put, put_line tail)
{
	GByteArray *out = g_byte_array_new();
	gsize left;
	const char *at = g_bytes_get_data(bytes, &left);

	while (left) {
		const char *end = memchr(at, '\n', left);
		size_t len = end ? (size_t) (end - at) : left;

		(end ? put : tail)(self, out, at, len);
		if (end)
			g_byte_array_append(out, (const guint8 *) "\n", 1);
		at += len + (end != NULL);
		left -= len + (end != NULL);
	}
	return g_byte_array_free_to_bytes(out);
}

/* A line that was cut off: that there was one has to be seen, not what was in it. */
static void
put_record_tail(G_GNUC_UNUSED viommu_redact *self, GByteArray *out, G_GNUC_UNUSED const char *line, G_GNUC_UNUSED size_t len)
{
	g_byte_array_append(out, (const guint8 *) "{", 1);
}

GBytes *
viommu_redact_record(viommu_redact *self, GBytes *record)
{
	return each_line(self, record, put_record_line, put_record_tail);
}

static void
put_text_line(viommu_redact *self, GByteArray *out, const char *line, size_t len)
{
	g_autofree char *text = g_strndup(line, len);
	g_autofree char *shown = viommu_redact_text(self, text);

	g_byte_array_append(out, (const guint8 *) shown, (guint) strlen(shown));
}

GBytes *
viommu_redact_lines(viommu_redact *self, GBytes *text)
{
	return each_line(self, text, put_text_line, put_text_line);
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

viommu_machine *
viommu_redact_machine(viommu_redact *self, const viommu_machine *machine, GError **error)
{
	json_t *json = viommu_machine_to_json(machine), *shown;
	viommu_machine *ret;
	bool changed = false;

	json_object_del(json, "cmdline");
	shown = redact_json(self, json, "", MAX_DEPTH, &changed);
	if (machine->cmdline)
		json_object_set_new(shown, "cmdline", redact_arguments(self, machine->cmdline));
	ret = viommu_machine_from_json(shown, error);
	json_decref(json);
	json_decref(shown);
	return ret;
}

/* ---- texts of a report ----------------------------------------------------------------------- */

static char *
redact_report_text(void *user, viommu_private kind, const char *text)
{
	viommu_redact *self = user;

	switch (kind) {
	case VIOMMU_PRIVATE_ARGUMENT:
		return viommu_redact_argument(self, text);
	case VIOMMU_PRIVATE_KERNEL_CMDLINE:
		return viommu_redact_kernel(self, text);
	case VIOMMU_PRIVATE_PATH:
		return viommu_redact_path(self, text);
	default:
		return viommu_redact_text(self, text);
	}
}

static char *
summary(void *user)
{
	return viommu_redact_counts_text(user);
}

static json_t *
summary_json(void *user)
{
	return viommu_redact_counts_json(user);
}

void
viommu_redact_redactor(viommu_redact *self, viommu_redactor *ret)
{
	*ret = (viommu_redactor){ .text = redact_report_text, .summary = summary, .summary_json = summary_json, .user = self };
}
