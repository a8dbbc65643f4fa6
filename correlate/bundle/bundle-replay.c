/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bundle/bundle-replay.h"

#include <string.h>

#include <viommu/shadow.h>

#include "text/text.h"

static char *
part_name(const char *path, const viommu_part *part)
{
	return g_strdup_printf("%s: %s", path, part->name);
}

/* Under which it stands in reports. */
static const char *
label(const viommu_part *part)
{
	return part->label ? part->label : part->name;
}

static const json_t *
how(const viommu_bundle *bundle)
{
	return json_object_get(bundle->manifest, "verify");
}

viommu_snapshot *
viommu_replay_snapshot(const viommu_bundle *bundle, const char *path, GError **error)
{
	const viommu_part *part = viommu_bundle_next(bundle, VIOMMU_PART_SNAPSHOT, NULL);
	g_autofree char *name = part_name(path, part);

	return viommu_snapshot_parse(part->bytes, name, error);
}

const char *
viommu_replay_at(const viommu_bundle *bundle)
{
	return json_string_value(json_object_get(how(bundle), "at"));
}

gboolean
viommu_replay_strict(const viommu_bundle *bundle)
{
	return json_is_true(json_object_get(how(bundle), "strict"));
}

gboolean
viommu_replay_log_open(const viommu_bundle *bundle)
{
	return json_is_true(json_object_get(how(bundle), "log_open"));
}

gboolean
viommu_replay_now(const viommu_bundle *bundle)
{
	return json_is_true(json_object_get(how(bundle), "now"));
}

viommu_record *
viommu_replay_record(const viommu_part *part, const char *path, const char *at, GError **error)
{
	g_autofree char *name = part_name(path, part);
	viommu_record *ret = viommu_record_parse(part->bytes, name, at, error);

	if (ret && part->now && strcmp(part->kind, VIOMMU_PART_RECORD) == 0)
		viommu_record_catch_up(ret);
	if (ret) {
		g_free(ret->path);
		ret->path = g_strdup(label(part));
	}
	return ret;
}

viommu_qemu_log *
viommu_replay_log(const viommu_bundle *bundle)
{
	const viommu_part *part = viommu_bundle_next(bundle, VIOMMU_PART_QEMU_LOG, NULL);
	viommu_qemu_log *ret;
	gsize len;
	const char *text;

	if (!part)
		return NULL;
	ret = viommu_qemu_log_new(label(part));
	text = g_bytes_get_data(part->bytes, &len);
	viommu_qemu_log_feed(ret, text, len);
	if (!viommu_replay_log_open(bundle))
		viommu_qemu_log_finish(ret);
	viommu_qemu_log_set_current(ret, json_is_true(json_object_get(how(bundle), "log_current")));
	return ret;
}

/* ---- shadows ------------------------------------------------------------------------------- */

/* What has been read of one part, for all devices. */
typedef struct {
	viommu_record *record;
	viommu_snapshot *outer;
} source;

static viommu_shadow *
read_shadow(const viommu_part *part, const source *from, viommu_sid device, const char *host, GError **error)
{
	gsize len;
	const char *text = g_bytes_get_data(part->bytes, &len);
	viommu_shadow *ret;

	if (from->record)
		return viommu_shadow_of_record(from->record, device, host, part->now, error);
	ret = from->outer ? viommu_shadow_of_snapshot(from->outer, label(part), device, host, error)
			  : viommu_shadow_of_debugfs(text, len, label(part), device, host, error);
	if (ret)
		ret->now = part->now;
	return ret;
}

static gboolean
add_shadows(GPtrArray *ret, const viommu_part *part, const char *path, const viommu_bundle *bundle, GError **error)
{
	g_autofree char *name = part_name(path, part);
	g_autoptr(viommu_record) record = NULL;
	g_autoptr(viommu_snapshot) outer = NULL;
	g_autoptr(GError) first = NULL;
	const json_t *devices = json_object_get(how(bundle), "devices");
	guint before = ret->len;
	size_t i;
	json_t *item;

	if (strcmp(part->kind, VIOMMU_PART_SHADOW_RECORD) == 0 && !(record = viommu_replay_record(part, path, NULL, error)))
		return FALSE;
	if (strcmp(part->kind, VIOMMU_PART_SHADOW_SNAPSHOT) == 0 && !(outer = viommu_snapshot_parse(part->bytes, name, error)))
		return FALSE;
	json_array_foreach ((json_t *) devices, i, item) {
		const char *host = json_string_value(json_object_get(item, "host"));
		g_autoptr(GError) local = NULL;
		viommu_shadow *shadow;
		viommu_sid device;

		if (!host || !viommu_parse_bdf(json_string_value(json_object_get(item, "device")), &device))
			return viommu_reject(error, path, "bundle", "its list of devices is not what viommu-bundle(5) says");
		shadow = read_shadow(part, &(source){ record, outer }, device, host, &local);
		if (shadow && viommu_replay_now(bundle))
			viommu_shadow_set_apart(shadow);
		if (shadow)
			g_ptr_array_add(ret, shadow);
		else if (!first)
			first = g_steal_pointer(&local);
	}
	if (ret->len > before || !first)
		return TRUE;
	g_propagate_prefixed_error(error, g_steal_pointer(&first), "%s: ", name);
	return FALSE;
}

static void
shadow_free(void *shadow)
{
	viommu_shadow_free(shadow);
}

GPtrArray *
viommu_replay_shadows(const viommu_bundle *bundle, const char *path, GError **error)
{
	g_autoptr(GPtrArray) ret = g_ptr_array_new_with_free_func(shadow_free);

	for (guint i = 0; i < bundle->parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(bundle->parts, i);

		if ((strcmp(part->kind, VIOMMU_PART_SHADOW_RECORD) == 0 || strcmp(part->kind, VIOMMU_PART_SHADOW_SNAPSHOT) == 0 ||
			    strcmp(part->kind, VIOMMU_PART_SHADOW_TEXT) == 0) &&
			!add_shadows(ret, part, path, bundle, error))
			return NULL;
	}
	return g_steal_pointer(&ret);
}

json_t *
viommu_replay_devices_json(const GPtrArray *shadows)
{
	json_t *ret = json_array();
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

	for (guint i = 0; shadows && i < shadows->len; i++) {
		const viommu_shadow *shadow = g_ptr_array_index(shadows, i);

		if (g_hash_table_add(seen, GUINT_TO_POINTER(shadow->device.v + 1u)))
			json_array_append_new(ret, json_pack("{s:o, s:s}", "device", viommu_json_bdf(shadow->device), "host", shadow->host));
	}
	return ret;
}
