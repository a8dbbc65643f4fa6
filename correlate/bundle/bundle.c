/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bundle/bundle.h"

#include <string.h>

viommu_part *
viommu_part_new(const char *name, const char *kind, const char *label, GBytes *bytes)
{
	viommu_part *self = g_new0(viommu_part, 1);

	self->name = g_strdup(name);
	self->kind = g_strdup(kind);
	self->label = g_strdup(label);
	self->bytes = g_bytes_ref(bytes);
	return self;
}

viommu_part *
viommu_part_like(const viommu_part *self, const char *label, GBytes *bytes)
{
	viommu_part *ret = viommu_part_new(self->name, self->kind, label, bytes);

	ret->now = self->now;
	return ret;
}

void
viommu_part_free(viommu_part *self)
{
	if (!self)
		return;
	g_free(self->name);
	g_free(self->kind);
	g_free(self->label);
	g_bytes_unref(self->bytes);
	g_free(self);
}

static void
part_free(void *part)
{
	viommu_part_free(part);
}

viommu_bundle *
viommu_bundle_new(json_t *manifest)
{
	viommu_bundle *self = g_new0(viommu_bundle, 1);

	self->parts = g_ptr_array_new_with_free_func(part_free);
	self->manifest = manifest;
	return self;
}

void
viommu_bundle_free(viommu_bundle *self)
{
	if (!self)
		return;
	g_ptr_array_unref(self->parts);
	json_decref(self->manifest);
	g_free(self);
}

void
viommu_bundle_add(viommu_bundle *self, viommu_part *part)
{
	g_ptr_array_add(self->parts, part);
}

const viommu_part *
viommu_bundle_next(const viommu_bundle *self, const char *kind, const viommu_part *after)
{
	bool behind = !after;

	for (guint i = 0; i < self->parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(self->parts, i);

		if (behind && strcmp(part->kind, kind) == 0)
			return part;
		behind = behind || part == after;
	}
	return NULL;
}

char *
viommu_bytes_sha256(GBytes *bytes)
{
	return g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
}

gboolean
viommu_bundle_is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 80 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._/") == len && name[0] != '/' &&
		name[0] != '.' && name[len - 1] != '/' && !strstr(name, "/.") && !strstr(name, "//");
}
