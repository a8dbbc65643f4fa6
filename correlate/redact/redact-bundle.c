/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "redact/redact-parts.h"

static bool
is_record(const viommu_part *part)
{
	return strcmp(part->kind, VIOMMU_PART_RECORD) == 0 || strcmp(part->kind, VIOMMU_PART_SHADOW_RECORD) == 0;
}

static void
learn_label(viommu_redact *self, const char *path)
{
	viommu_redact_learn_homes(self, path, strlen(path));
	if (strchr(path, '/') && !viommu_redact_is_public_path(path, strlen(path)))
		viommu_redact_learn(self, VIOMMU_REDACT_PATH, path);
}

/* *snapshot: the part read, NULL when it is none. */
static gboolean
learn_part(viommu_redact *self, const viommu_part *part, viommu_snapshot **snapshot, GError **error)
{
	*snapshot = NULL;
	if (part->label)
		learn_label(self, part->label);
	if (strcmp(part->kind, VIOMMU_PART_SHADOW_SNAPSHOT) == 0) {
		*snapshot = viommu_snapshot_parse(part->bytes, part->label ? part->label : part->name, error);
		if (!*snapshot)
			return FALSE;
		viommu_redact_learn_machine(self, viommu_snapshot_machine(*snapshot));
	} else if (is_record(part)) {
		viommu_redact_learn_record(self, part->bytes);
	} else {
		viommu_redact_learn_bytes(self, part->bytes);
	}
	return TRUE;
}

static gboolean
put_part(viommu_redact *self, viommu_bundle *ret, const viommu_part *part, viommu_snapshot *snapshot, GError **error)
{
	g_autofree char *label = part->label ? viommu_redact_path(self, part->label) : NULL;
	g_autoptr(viommu_machine) before = snapshot ? viommu_redact_snapshot(self, snapshot, error) : NULL;
	g_autoptr(GBytes) bytes = NULL;

	if (snapshot)
		bytes = before ? viommu_snapshot_bytes(snapshot, error) : NULL;
	else
		bytes = is_record(part) ? viommu_redact_record(self, part->bytes) : viommu_redact_lines(self, part->bytes);
	if (!bytes)
		return FALSE;
	viommu_bundle_add(ret, viommu_part_like(part, label, bytes));
	return TRUE;
}

/* Placeholders of an earlier time are taken. */
static void
learn_earlier(viommu_redact *self, const json_t *redacted)
{
	const json_t *item;
	size_t i;

	json_array_foreach (redacted, i, item) {
		json_int_t count = json_integer_value(json_object_get(item, "count"));
		json_int_t times = json_integer_value(json_object_get(item, "times"));

		for (unsigned kind = 0; kind < VIOMMU_REDACT_KINDS; kind++)
			if (g_strcmp0(json_string_value(json_object_get(item, "kind")), viommu_redact_kind_name(kind)) == 0 && count > 0 &&
				count < 1 << 30)
				viommu_redact_taken(self, kind, (unsigned) count, times > 0 ? (uint64_t) times : 0);
	}
}

static void
snapshot_free(void *snapshot)
{
	viommu_snapshot_free(snapshot);
}

viommu_bundle *
viommu_redact_bundle(viommu_redact *self, const viommu_bundle *bundle, viommu_snapshot *snapshot, viommu_machine **before,
	GError **error)
{
	g_autoptr(viommu_bundle) ret = NULL;
	g_autoptr(GPtrArray) shadows = g_ptr_array_new_with_free_func(snapshot_free);
	json_t *manifest;

	*before = NULL;
	viommu_redact_learn_here(self);
	learn_earlier(self, json_object_get(bundle->manifest, "redacted"));
	viommu_redact_learn_machine(self, viommu_snapshot_machine(snapshot));
	for (guint i = 0; i < bundle->parts->len; i++) {
		viommu_snapshot *shadow;

		if (!learn_part(self, g_ptr_array_index(bundle->parts, i), &shadow, error))
			return NULL;
		g_ptr_array_add(shadows, shadow);
	}
	*before = viommu_redact_snapshot(self, snapshot, error);
	if (!*before)
		return NULL;
	manifest = json_copy(bundle->manifest);
	json_object_set_new(manifest, "verify", viommu_redact_json(self, json_object_get(bundle->manifest, "verify")));
	ret = viommu_bundle_new(manifest);
	for (guint i = 0; i < bundle->parts->len; i++)
		if (!put_part(self, ret, g_ptr_array_index(bundle->parts, i), g_ptr_array_index(shadows, i), error))
			return NULL;
	json_object_set_new(manifest, "redacted", viommu_redact_counts_json(self));
	return g_steal_pointer(&ret);
}
