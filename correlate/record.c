/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a record (viommu-record(5)) and plays it up to the chosen moment.
 * Records come out of a guest: every number is checked, and one line that is not
 * what the format says rejects the record with its line number.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <viommu/record.h>

#include "lines.h"
#include "record-reader.h"
#include "text.h"

#define LINE_LIMIT (256u << 20) /* bytes: a map of a million extents is about 50 MB */

bool
viommu_record_reject(viommu_record_reader *r, const char *format, ...)
{
	va_list args;
	g_autofree char *why = NULL;

	va_start(args, format);
	why = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(r->error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT, "%s is not a usable record: line %" G_GUINT64_FORMAT ": %s",
		r->record->path, r->line, why);
	return false;
}

void
viommu_record_free(viommu_record *self)
{
	if (!self)
		return;
	g_ptr_array_unref(self->spaces);
	g_free(self->path);
	g_free(self->session);
	g_free(self->kernel);
	g_free(self->cmdline);
	g_free(self->program);
	g_free(self->lost_reason);
	g_free(self);
}

static char *
copy_string(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return g_strdup(text ? text : "");
}

static bool
get_hex(const json_t *json, const char *key, uint64_t *value)
{
	return viommu_parse_hex(json_string_value(json_object_get(json, key)), value);
}

static bool
read_header(viommu_record_reader *r, const json_t *json)
{
	viommu_record *record = r->record;
	json_int_t version = json_integer_value(json_object_get(json, "version"));
	const json_t *iommu = json_array_get(json_object_get(json, "iommus"), 0);

	if (g_strcmp0(json_string_value(json_object_get(json, "event")), VIOMMU_EVENT_HEADER) != 0 ||
		g_strcmp0(json_string_value(json_object_get(json, "format")), VIOMMU_RECORD_FORMAT) != 0 || version < 1)
		return viommu_record_reject(r, "it does not begin with a viommu-record header; make one in L1 with: viommu-probe map BDF -o FILE");
	if (version > VIOMMU_RECORD_VERSION)
		return viommu_record_reject(r, "it has format version %d and this viommu reads up to %d; use a newer viommu", (int) version,
			VIOMMU_RECORD_VERSION);
	record->session = copy_string(json, "session");
	record->kernel = copy_string(json, "kernel");
	record->cmdline = copy_string(json, "cmdline");
	record->program = copy_string(json, "program");
	get_hex(iommu, "cap", &record->cap);
	get_hex(iommu, "ecap", &record->ecap);
	return true;
}

static bool
read_line(viommu_record_reader *r, const char *text, size_t len)
{
	json_error_t why;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	bool ok;

	if (!json_is_object(json)) {
		g_autofree char *safe = viommu_escape(json ? "not an object" : why.text);

		json_decref(json);
		return viommu_record_reject(r, "not a JSON object (%s)", safe);
	}
	ok = r->line == 1 ? read_header(r, json) : viommu_record_event(r, json);
	json_decref(json);
	return ok;
}

static bool
read_lines(viommu_record_reader *r, FILE *file)
{
	g_autoptr(GByteArray) line = g_byte_array_new();
	viommu_line_kind kind = VIOMMU_LINE;
	bool ok = true;

	while (ok && !r->reached && (kind = viommu_next_line(file, line, LINE_LIMIT)) == VIOMMU_LINE) {
		r->line++;
		ok = read_line(r, (const char *) line->data, line->len);
	}
	if (!ok)
		return false;
	if (ferror(file)) {
		g_set_error(r->error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read the record %s: %s", r->record->path,
			g_strerror(errno));
		return false;
	}
	if (kind == VIOMMU_LINE_TOO_LONG) {
		r->line++;
		return viommu_record_reject(r, "the line is longer than %u MiB", LINE_LIMIT >> 20);
	}
	r->record->cut = kind == VIOMMU_LINE_CUT; /* being written, or cut off: valid up to here */
	if (r->line == 0)
		return viommu_record_reject(r, r->record->cut ? "it is cut off within its header" : "it is empty");
	return !r->at || r->reached ||
		viommu_record_reject(r, "the record ends before the moment \"%s\" (--at takes a sequence number or the name of a mark)",
			r->at);
}

viommu_record *
viommu_record_read(const char *path, const char *at, GError **error)
{
	g_autoptr(viommu_record) self = g_new0(viommu_record, 1);
	viommu_record_reader r = { .record = self, .at = at, .error = error };
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	bool ok;

	self->path = g_strdup(path);
	self->spaces = g_ptr_array_new_with_free_func(viommu_space_free);
	if (!file) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot open the record %s: %s", path, g_strerror(errno));
		return NULL;
	}
	ok = read_lines(&r, file);
	if (file != stdin)
		fclose(file);
	return ok ? g_steal_pointer(&self) : NULL;
}
