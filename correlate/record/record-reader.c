/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers of single events share. */
#include "record/record-reader.h"

#include "record/pieces.h"

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
viommu_space_free(void *data)
{
	viommu_space *space = data;

	g_array_unref(space->requests);
	g_hash_table_unref(space->reason_places);
	g_ptr_array_unref(space->reasons);
	g_array_unref(space->devices);
	g_hash_table_unref(space->known);
	viommu_pieces_free(space->live);
	viommu_pieces_free(space->gone);
	viommu_pieces_free(space->tried);
	viommu_pieces_free(space->later);
	viommu_pieces_free(space->undone);
	viommu_pieces_free(space->still);
	g_array_unref(space->later_seqs);
	g_clear_pointer(&space->left, g_hash_table_unref);
	g_free(space->backend);
	g_free(space);
}

viommu_space *
viommu_record_find_space(viommu_record_reader *r, int64_t id, bool create)
{
	viommu_space *space = g_hash_table_lookup(r->spaces, &id);

	if (space || !create)
		return space;
	space = g_new0(viommu_space, 1);
	space->id = id;
	space->backend = g_strdup("");
	space->devices = g_array_new(FALSE, FALSE, sizeof(viommu_sid));
	space->known = g_hash_table_new(NULL, NULL);
	space->requests = g_array_new(FALSE, FALSE, sizeof(viommu_request));
	space->reasons = g_ptr_array_new_with_free_func(g_free);
	space->reason_places = g_hash_table_new(g_str_hash, g_str_equal);
	space->live = viommu_pieces_new();
	space->gone = viommu_pieces_new();
	space->tried = viommu_pieces_new();
	space->later = viommu_pieces_new();
	space->undone = viommu_pieces_new();
	space->later_seqs = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	g_ptr_array_add(r->record->spaces, space);
	g_hash_table_insert(r->spaces, &space->id, space);
	return space;
}

bool
viommu_record_get_space(viommu_record_reader *r, const json_t *json, bool create, viommu_space **ret)
{
	const json_t *id = json_object_get(json, "space");

	if (!json_is_integer(id))
		return viommu_record_reject(r, "its \"space\" is not a number");
	*ret = viommu_record_find_space(r, json_integer_value(id), create);
	return *ret || viommu_record_reject(r, "it names a space that no device was attached to");
}

uint64_t
viommu_record_get_time(const json_t *json)
{
	const json_t *begin = json_object_get(json, "begin_ns");
	json_int_t ret = json_integer_value(begin ? begin : json_object_get(json, "time_ns"));

	return ret > 0 ? (uint64_t) ret : 0;
}
