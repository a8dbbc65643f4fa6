/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/bundle-make.h"

#include <stdlib.h>
#include <string.h>

#include <viommu/json.h>

#include "bundle/bundle-replay.h"

static void
add_text(viommu_bundle *self, const char *name, const char *kind, const char *text)
{
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

	viommu_bundle_add(self, viommu_part_new(name, kind, NULL, bytes));
}

static void
add_json(viommu_bundle *self, const char *name, const char *kind, json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	g_autofree char *line = g_strconcat(text, "\n", NULL);

	add_text(self, name, kind, line);
	free(text);
	json_decref(json);
}

/* ---- for people ------------------------------------------------------------------------------ */

/* The line of a record when it is a header, or says what viommu-probe doctor found. */
static json_t *
fact_of_line(const char *line, size_t len, bool first)
{
	json_t *json = first || memmem(line, len, "\"doctor\"", 8) ? viommu_json_load(line, len, 0, NULL) : NULL;

	if (json && !first && g_strcmp0(json_string_value(json_object_get(json, "event")), "doctor") != 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/* Each record's header, and what else it says of L1 as such. */
static json_t *
l1_facts(const viommu_bundle *self)
{
	json_t *ret = json_array();
	const viommu_part *part = NULL;

	while ((part = viommu_bundle_next(self, VIOMMU_PART_RECORD, part))) {
		gsize left;
		const char *at = g_bytes_get_data(part->bytes, &left), *end;
		json_t *facts = json_array();

		for (bool first = true; left && (end = memchr(at, '\n', left)); first = false) {
			json_t *fact = fact_of_line(at, (size_t) (end - at), first);

			if (fact)
				json_array_append_new(facts, fact);
			left -= (size_t) (end + 1 - at);
			at = end + 1;
		}
		json_array_append_new(ret, json_pack("{s:s, s:o}", "record", part->name, "facts", facts));
	}
	return ret;
}

static json_t *
qemu_facts(const viommu_report *report)
{
	const viommu_capture_info *info = viommu_snapshot_info(report->snapshot);

	return json_pack("{s:o, s:{s:s, s:s, s:b}}", "machine", viommu_machine_to_json(viommu_snapshot_machine(report->snapshot)), "capture",
		"time", info->time, "memory_source", info->memory_source, "paused", info->paused);
}

static void
add_rendered(viommu_bundle *self, const char *name, const char *kind, const viommu_report *report,
	void (*write)(FILE *out, const viommu_report *report))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	write(out, report);
	fclose(out);
	add_text(self, name, kind, text);
	free(text);
}

/* ---- the whole --------------------------------------------------------------------------------- */

static json_t *
how(const viommu_inputs *inputs, int exit_status)
{
	return json_pack("{s:s?, s:b, s:b, s:i, s:b, s:b, s:o, s:o}", "at", inputs->at, "now", inputs->now, "strict", inputs->strict, "exit_status",
		exit_status, "log_open", inputs->log_open, "log_current", inputs->log && viommu_qemu_log_current(inputs->log),
		"devices", viommu_replay_devices_json(inputs->shadows), "looks",
		viommu_replay_looks_json(inputs->result, inputs->records));
}

static void
add_parts(viommu_bundle *self, const GPtrArray *parts)
{
	for (guint i = 0; i < parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(parts, i);

		viommu_bundle_add(self, viommu_part_like(part, part->label, part->bytes));
	}
}

viommu_bundle *
viommu_bundle_of_inputs(const viommu_inputs *inputs, int exit_status)
{
	const json_t *redacted = inputs->from ? json_object_get(inputs->from->manifest, "redacted") : NULL;
	viommu_bundle *ret = viommu_bundle_new(json_pack("{s:s, s:i, s:s, s:o}", "format", VIOMMU_BUNDLE_FORMAT, "version", VIOMMU_BUNDLE_VERSION,
		"program", "viommu " VIOMMU_VERSION, "verify", how(inputs, exit_status)));

	if (redacted)
		json_object_set(ret->manifest, "redacted", (json_t *) redacted);
	add_parts(ret, inputs->parts);
	add_parts(ret, inputs->witnesses);
	return ret;
}

/* Says what verify says of the bundle: without what was replaced, which only its maker knows. */
static void
add_result(viommu_bundle *self, const viommu_report *report)
{
	viommu_report plain = *report;

	plain.redact = NULL;
	add_rendered(self, "result.json", "result", &plain, viommu_report_json);
}

gboolean
viommu_bundle_finish(viommu_bundle *self, const viommu_report *report, FILE *out, GError **error)
{
	g_autoptr(GBytes) snapshot = viommu_snapshot_bytes(report->snapshot, error);

	if (!snapshot)
		return FALSE;
	g_ptr_array_insert(self->parts, 0, viommu_part_new("snapshot.elf", VIOMMU_PART_SNAPSHOT, NULL, snapshot));
	add_json(self, "qemu.json", "qemu", qemu_facts(report));
	add_json(self, "l1.json", "l1", l1_facts(self));
	add_result(self, report);
	add_rendered(self, "report.md", "report", report, viommu_report_markdown);
	return viommu_bundle_write(self, out, error);
}
