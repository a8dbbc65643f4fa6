/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <viommu/finding.h>

#include "bundle-make.h"

static void
learn_name(viommu_redact *self, const char *path)
{
	viommu_redact_learn_homes(self, path, strlen(path));
	if (strchr(path, '/') && !viommu_redact_is_public_path(path, strlen(path)))
		viommu_redact_learn(self, VIOMMU_REDACT_PATH, path);
}

static void
learn_records(viommu_redact *self, const viommu_result *result)
{
	const viommu_record *last = NULL;

	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_record *record = g_array_index(result->targets, viommu_target_result, i).record;

		if (record == last)
			continue;
		viommu_redact_learn_kernel(self, record->cmdline);
		viommu_redact_learn_homes(self, record->program, strlen(record->program));
		learn_name(self, record->path);
		last = record;
	}
}

static void
learn_parts(viommu_redact *self, const GPtrArray *parts)
{
	for (guint i = 0; i < parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(parts, i);

		if (part->label)
			learn_name(self, part->label);
		if (g_str_has_suffix(part->kind, "record"))
			viommu_redact_learn_record(self, part->bytes);
		else
			viommu_redact_learn_bytes(self, part->bytes);
	}
}

/* Its placeholders are taken. */
static void
learn_earlier(viommu_redact *self, const viommu_bundle *earlier)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(earlier->manifest, "redacted"), i, item) {
		json_int_t count = json_integer_value(json_object_get(item, "count"));
		json_int_t times = json_integer_value(json_object_get(item, "times"));

		for (unsigned kind = 0; kind < VIOMMU_REDACT_KINDS; kind++)
			if (g_strcmp0(json_string_value(json_object_get(item, "kind")), viommu_redact_kind_name(kind)) == 0 && count > 0 &&
				count < 1 << 30)
				viommu_redact_taken(self, kind, (unsigned) count, times > 0 ? (uint64_t) times : 0);
	}
}

static void
replace(viommu_redact *self, char **text)
{
	char *shown = *text ? viommu_redact_text(self, *text) : NULL;

	g_free(*text);
	*text = shown;
}

static void
redact_findings(viommu_redact *self, const viommu_findings *findings)
{
	GPtrArray *groups = viommu_findings_groups(findings);

	for (guint i = 0; i < groups->len; i++) {
		const viommu_finding_group *group = g_ptr_array_index(groups, i);

		for (guint k = 0; k < group->list->len; k++) {
			viommu_finding *item = g_ptr_array_index(group->list, k);

			replace(self, &item->where);
			replace(self, &item->seen);
		}
	}
	g_ptr_array_unref(groups);
}

viommu_machine *
viommu_redact_report(viommu_redact *self, const viommu_report *report, GError **error)
{
	const viommu_machine *machine = viommu_snapshot_machine(report->snapshot);
	viommu_machine *shown;

	viommu_redact_learn_here(self);
	viommu_redact_learn_machine(self, machine);
	learn_records(self, report->result);
	if (report->inputs) {
		learn_parts(self, report->inputs->parts);
		learn_parts(self, report->inputs->witnesses);
		if (report->inputs->from)
			learn_earlier(self, report->inputs->from);
	}
	shown = viommu_redact_machine(self, machine, error);
	if (!shown)
		return NULL;
	if (report->findings)
		redact_findings(self, report->findings);
	return viommu_snapshot_swap_machine(report->snapshot, shown);
}
