/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memo.h"

struct vtd_memo {
	GHashTable *told; /* key -> index into places, plus 1 */
	GArray *places;   /* of vtd_place */
	viommu_sid sid;
	uint32_t pasid;
};

/* L1 chooses the addresses of its tables, so it must not know how they are hashed. */
guint
vtd_key_hash(gconstpointer key)
{
	static uint64_t factor;

	if (!factor)
		factor = (uint64_t) g_random_int() << 32 | g_random_int() | 1;
	return (guint) (GPOINTER_TO_SIZE(key) * factor >> 32);
}

vtd_memo *
vtd_memo_new(void)
{
	vtd_memo *self = g_new0(vtd_memo, 1);

	self->told = g_hash_table_new(vtd_key_hash, NULL);
	self->places = g_array_new(FALSE, FALSE, sizeof(vtd_place));
	return self;
}

void
vtd_memo_free(vtd_memo *self)
{
	if (!self)
		return;
	g_hash_table_unref(self->told);
	g_array_unref(self->places);
	g_free(self);
}

void
vtd_memo_begin(vtd_memo *self, const vtd_device *device)
{
	self->sid = device->sid;
	self->pasid = device->pasid;
}

vtd_place
vtd_memo_here(const vtd_memo *self, uint64_t iova)
{
	return (vtd_place){ self->sid, self->pasid, VIOMMU_IOVA(iova) };
}

G_STATIC_ASSERT(sizeof(gpointer) == sizeof(uint64_t));

/* A page number has 52 bits; level 7 is that of what has no levels. */
static uint64_t
key_of(viommu_gpa page, unsigned level, unsigned more)
{
	return page.v >> VIOMMU_PAGE_SHIFT | (uint64_t) level << 52 | (uint64_t) more << 55;
}

uint64_t
vtd_memo_table(viommu_gpa table, unsigned level, bool first_stage, bool read, bool write)
{
	return key_of(table, level, (unsigned) first_stage | (unsigned) read << 1 | (unsigned) write << 2);
}

uint64_t
vtd_memo_pasid_table(viommu_gpa table)
{
	return key_of(table, 7, 0);
}

uint64_t
vtd_memo_pasid_dir_page(viommu_gpa page, unsigned entries)
{
	return key_of(page, 7, 1 | entries / 128 << 2);
}

uint64_t
vtd_memo_pasid_dir(viommu_gpa directory, unsigned pdts)
{
	return key_of(directory, 7, 2 | pdts << 2);
}

const vtd_place *
vtd_memo_find(const vtd_memo *self, uint64_t key)
{
	gsize place = GPOINTER_TO_SIZE(g_hash_table_lookup(self->told, GSIZE_TO_POINTER(key)));

	return place ? &g_array_index(self->places, vtd_place, place - 1) : NULL;
}

void
vtd_memo_add(vtd_memo *self, uint64_t key, vtd_place place)
{
	g_array_append_val(self->places, place);
	g_hash_table_insert(self->told, GSIZE_TO_POINTER(key), GSIZE_TO_POINTER((gsize) self->places->len));
}
