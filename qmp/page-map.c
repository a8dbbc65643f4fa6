/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page-map.h"

#include "vtd/memo.h"

/* Open addressing; never more than half full. */
typedef struct {
	uint64_t key; /* page number + 1; 0: free */
	guint place;
} slot;

struct viommu_page_map {
	slot *slots;
	size_t size, used; /* size is a power of two */
};

viommu_page_map *
viommu_page_map_new(void)
{
	viommu_page_map *self = g_new0(viommu_page_map, 1);

	self->size = 1024;
	self->slots = g_new0(slot, self->size);
	return self;
}

void
viommu_page_map_free(viommu_page_map *self)
{
	if (!self)
		return;
	g_free(self->slots);
	g_free(self);
}

static slot *
find(const viommu_page_map *self, uint64_t key)
{
	size_t i = vtd_key_hash(GSIZE_TO_POINTER(key)) & (self->size - 1);

	while (self->slots[i].key && self->slots[i].key != key)
		i = (i + 1) & (self->size - 1);
	return &self->slots[i];
}

static void
grow(viommu_page_map *self)
{
	g_autofree slot *old = self->slots;
	size_t n = self->size;

	self->size *= 2;
	self->slots = g_new0(slot, self->size);
	for (size_t i = 0; i < n; i++)
		if (old[i].key)
			*find(self, old[i].key) = old[i];
}

guint
viommu_page_map_put(viommu_page_map *self, viommu_gpa gpa, guint place, gboolean *added)
{
	uint64_t key = (gpa.v >> VIOMMU_PAGE_SHIFT) + 1;
	slot *at = find(self, key);

	*added = at->key == 0;
	if (!*added)
		return at->place;
	*at = (slot){ key, place };
	if (++self->used * 2 > self->size)
		grow(self);
	return place;
}
