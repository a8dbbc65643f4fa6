/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shadow by a record made in L0.  There, L0 is the one who maps: what the record
 * calls a GPA is a page of L0's.
 */
#include <viommu/shadow.h>

#include "record/pieces.h"
#include "text/text.h"

static const viommu_space *
space_of(const viommu_record *record, viommu_sid host)
{
	for (guint i = 0; i < record->spaces->len; i++) {
		const viommu_space *space = g_ptr_array_index(record->spaces, i);

		if (g_hash_table_contains(space->known, GUINT_TO_POINTER(host.v)))
			return space;
	}
	return NULL;
}

static void
add_pieces(viommu_shadow *self, const viommu_space *space)
{
	const viommu_piece *piece = viommu_pieces_from(space->live, 0);

	while (piece) {
		viommu_shadow_piece mapped = { .iova = piece->iova, .hpa = { piece->gpa.v }, .hpa_known = piece->gpa_known,
			.prot_known = piece->prot_known, .read = piece->read, .write = piece->write };

		viommu_shadow_add(self, &mapped);
		piece = piece->iova.last == UINT64_MAX ? NULL : viommu_pieces_from(space->live, piece->iova.last + 1);
	}
}

static void
note_range(const viommu_piece *piece, viommu_pieces *all)
{
	viommu_piece range = { .iova = piece->iova };

	viommu_pieces_put(all, &range);
}

/* What is mapped in spaces of which no device is known. */
static void
add_maybe(viommu_shadow *self, const viommu_record *record)
{
	viommu_pieces *all = viommu_pieces_new();
	const viommu_piece *piece;

	for (guint i = 0; i < record->spaces->len; i++) {
		const viommu_space *space = g_ptr_array_index(record->spaces, i);

		if (space->devices->len || space->complete)
			continue;
		piece = viommu_pieces_from(space->live, 0);
		while (piece) {
			note_range(piece, all);
			piece = piece->iova.last == UINT64_MAX ? NULL : viommu_pieces_from(space->live, piece->iova.last + 1);
		}
	}
	for (piece = viommu_pieces_from(all, 0); piece;
		piece = piece->iova.last == UINT64_MAX ? NULL : viommu_pieces_from(all, piece->iova.last + 1))
		g_array_append_val(self->maybe, piece->iova);
	viommu_pieces_free(all);
}

viommu_shadow *
viommu_shadow_of_record(const viommu_record *record, viommu_sid device, const char *host, bool now, GError **error)
{
	g_autoptr(viommu_shadow) self = NULL;
	const viommu_space *space;
	viommu_sid sid;

	if (!viommu_parse_bdf(host, &sid) || !(space = space_of(record, sid))) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
			"the record %s has no address space of the device %s: the trace has to run in L0, with that device in use",
			record->path, host);
		return NULL;
	}
	self = viommu_shadow_new(record->path, device, host);
	add_pieces(self, space);
	add_maybe(self, record);
	self->now = now;
	if (record->lost_reason)
		self->presence = "L0's record has lost events";
	else if (!record->settled)
		self->presence = "L0's record does not end with a mark or its end: events may be missing behind its last line";
	else if (viommu_record_is_open_trace(record) && !now)
		self->presence = "the trace in L0 has not ended: what happened there since its last mark is not in the record";
	if (!space->complete && !space->from_start)
		self->absence = "L0's record does not go back to when the device was attached";
	if (self->presence)
		self->absence = self->presence;
	return g_steal_pointer(&self);
}
