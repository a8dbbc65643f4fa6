/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a snapshot knows of the pages of L0 that stand behind L1's RAM. */
#include <viommu/json.h>

#include "snapshot.h"

bool
viommu_snapshot_add_backing(viommu_snapshot *self, const viommu_backing *backing)
{
	viommu_backing *before = self->backing->len
		? &g_array_index(self->backing, viommu_backing, self->backing->len - 1)
		: NULL;

	if (backing->gpa.last < backing->gpa.first || (before && backing->gpa.first <= before->gpa.last))
		return false;
	if (before && before->gpa.last + 1 == backing->gpa.first &&
		backing->hpa.v - before->hpa.v == backing->gpa.first - before->gpa.first)
		before->gpa.last = backing->gpa.last;
	else
		g_array_append_vals(self->backing, backing, 1);
	return true;
}

void
viommu_snapshot_set_backing_unknown(viommu_snapshot *self, const char *why)
{
	g_free(self->backing_unknown);
	self->backing_unknown = g_strdup(why);
}

const GArray *
viommu_snapshot_backing(const viommu_snapshot *self)
{
	return self->backing;
}

const char *
viommu_snapshot_backing_unknown(const viommu_snapshot *self)
{
	return self->backing_unknown;
}

const viommu_backing *
viommu_snapshot_backing_from(const viommu_snapshot *self, viommu_gpa gpa)
{
	guint low = 0, high = self->backing->len;

	while (low < high) {
		guint mid = low + (high - low) / 2;

		if (g_array_index(self->backing, viommu_backing, mid).gpa.last < gpa.v)
			low = mid + 1;
		else
			high = mid;
	}
	return low < self->backing->len ? &g_array_index(self->backing, viommu_backing, low) : NULL;
}

void
viommu_snapshot_put_backing(const viommu_snapshot *self, json_t *note)
{
	json_t *list = json_array();

	for (guint i = 0; i < self->backing->len; i++) {
		const viommu_backing *item = &g_array_index(self->backing, viommu_backing, i);

		json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "gpa", viommu_json_hex(item->gpa.first), "hpa",
			viommu_json_hex(item->hpa.v), "size", viommu_json_hex(item->gpa.last - item->gpa.first + 1)));
	}
	if (self->backing->len)
		json_object_set(note, "backing", list);
	if (self->backing_unknown)
		json_object_set_new(note, "backing_unknown", json_string(self->backing_unknown));
	json_decref(list);
}

bool
viommu_snapshot_get_backing(viommu_snapshot *self, const json_t *note)
{
	const json_t *list = json_object_get(note, "backing"), *why = json_object_get(note, "backing_unknown");
	size_t i;
	json_t *item;

	if ((list && !json_is_array(list)) || (why && !json_is_string(why)))
		return false;
	json_array_foreach (list, i, item) {
		viommu_backing backing;
		uint64_t size;

		if (!viommu_json_get_hex(item, "gpa", &backing.gpa.first) || !viommu_json_get_hex(item, "hpa", &backing.hpa.v) ||
			!viommu_json_get_hex(item, "size", &size) || (backing.gpa.first | backing.hpa.v | size) & ~VIOMMU_PAGE_MASK ||
			!viommu_range_ok(backing.gpa.first, size) || !viommu_range_ok(backing.hpa.v, size))
			return false;
		backing.gpa.last = backing.gpa.first + (size - 1);
		if (!viommu_snapshot_add_backing(self, &backing))
			return false;
	}
	self->backing_unknown = g_strdup(json_string_value(why));
	return true;
}
