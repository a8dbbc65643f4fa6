/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bundle-make.h"

#include <stdlib.h>
#include <string.h>

#include <viommu/json.h>

#include "bundle-replay.h"

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

/* ---- what was read ------------------------------------------------------------------------- */

static GBytes *
redact_snapshot(viommu_redact *redact, GBytes *bytes, GError **error)
{
	g_autoptr(viommu_snapshot) snapshot = viommu_snapshot_parse(bytes, "--shadow", error);
	viommu_machine *shown;

	if (!snapshot)
		return NULL;
	viommu_redact_learn_machine(redact, viommu_snapshot_machine(snapshot));
	shown = viommu_redact_machine(redact, viommu_snapshot_machine(snapshot), error);
	if (!shown)
		return NULL;
	viommu_machine_free(viommu_snapshot_swap_machine(snapshot, shown));
	return viommu_snapshot_bytes(snapshot, error);
}

static gboolean
add_input(viommu_bundle *self, viommu_redact *redact, const viommu_part *part, GError **error)
{
	g_autofree char *label = redact && part->label ? viommu_redact_path(redact, part->label) : g_strdup(part->label);
	g_autoptr(GBytes) bytes = NULL;

	if (!redact)
		bytes = g_bytes_ref(part->bytes);
	else if (strcmp(part->kind, VIOMMU_PART_SHADOW_SNAPSHOT) == 0)
		bytes = redact_snapshot(redact, part->bytes, error);
	else if (g_str_has_suffix(part->kind, "record"))
		bytes = viommu_redact_record(redact, part->bytes);
	else
		bytes = viommu_redact_lines(redact, part->bytes);
	if (!bytes)
		return FALSE;
	viommu_bundle_add(self, viommu_part_new(part->name, part->kind, label, bytes));
	return TRUE;
}

static gboolean
add_inputs(viommu_bundle *self, viommu_redact *redact, const GPtrArray *parts, GError **error)
{
	for (guint i = 0; i < parts->len; i++)
		if (!add_input(self, redact, g_ptr_array_index(parts, i), error))
			return FALSE;
	return TRUE;
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
how(const viommu_report *report)
{
	const viommu_inputs *inputs = report->inputs;

	return json_pack("{s:s?, s:b, s:i, s:b, s:b, s:o, s:o}", "at", inputs->at, "strict", inputs->strict, "exit_status",
		report->exit_status, "log_open", inputs->log_open, "log_current", inputs->log && viommu_qemu_log_current(inputs->log),
		"devices", viommu_replay_devices_json(inputs->shadows), "looks",
		viommu_replay_looks_json(report->result, inputs->records));
}

/* Says what verify says of the bundle: without what was replaced, which only its maker knows. */
static void
add_result(viommu_bundle *self, const viommu_report *report)
{
	viommu_redactor silent = report->redactor ? *report->redactor : (viommu_redactor){ 0 };
	viommu_report plain = *report;

	silent.summary = NULL;
	silent.summary_json = NULL;
	plain.redactor = report->redactor ? &silent : NULL;
	add_rendered(self, "result.json", "result", &plain, viommu_report_json);
}

gboolean
viommu_bundle_make(FILE *out, const viommu_report *report, viommu_redact *redact, GError **error)
{
	g_autoptr(viommu_bundle) self = viommu_bundle_new(json_pack("{s:s, s:i, s:s, s:o}", "format", VIOMMU_BUNDLE_FORMAT, "version",
		VIOMMU_BUNDLE_VERSION, "program", "viommu " VIOMMU_VERSION, "verify", how(report)));
	const viommu_inputs *inputs = report->inputs;
	g_autoptr(GBytes) snapshot = viommu_snapshot_bytes(report->snapshot, error);

	if (!snapshot)
		return FALSE;
	viommu_bundle_add(self, viommu_part_new("snapshot.elf", VIOMMU_PART_SNAPSHOT, NULL, snapshot));
	if (!add_inputs(self, redact, inputs->parts, error) || !add_inputs(self, redact, inputs->witnesses, error))
		return FALSE;
	add_json(self, "qemu.json", "qemu", qemu_facts(report));
	add_json(self, "l1.json", "l1", l1_facts(self));
	add_result(self, report);
	add_rendered(self, "report.md", "report", report, viommu_report_markdown);
	if (redact)
		json_object_set_new(self->manifest, "redacted", viommu_redact_counts_json(redact));
	else if (inputs->from && json_object_get(inputs->from->manifest, "redacted"))
		json_object_set(self->manifest, "redacted", json_object_get(inputs->from->manifest, "redacted"));
	return viommu_bundle_write(self, out, error);
}
