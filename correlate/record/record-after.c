/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events behind the chosen moment.  What they map may be in tables that are younger
 * than the moment, and what they undo need not be in them any more.
 */
#include <string.h>

#include <viommu/record.h>

#include "record/pieces.h"
#include "record/record-reader.h"
#include "text/text.h"

typedef struct {
	viommu_pieces *undone;
	uint32_t by;
} undoing;

static void
put_undone(const viommu_piece *piece, void *user)
{
	const undoing *to = user;
	viommu_piece copy = *piece;

	copy.request = to->by;
	copy.gpa_known = false;
	viommu_pieces_put(to->undone, &copy);
}

/* What one event undoes, no later one undoes again. */
static void
undo(viommu_space *space, viommu_iova_range range, uint32_t by)
{
	const viommu_pieces *still = space->still ? space->still : space->live;
	const viommu_piece *first = viommu_pieces_from(still, range.first);

	if (!first || first->iova.first > range.last)
		return;
	if (!space->still)
		space->still = viommu_pieces_copy(space->live);
	viommu_pieces_cut(space->still, range, put_undone, &(undoing){ space->undone, by });
}

static void
leave(viommu_space *space, viommu_sid sid, uint64_t seq)
{
	gpointer key = GUINT_TO_POINTER(sid.v);

	if (!g_hash_table_contains(space->known, key))
		return;
	if (!space->left)
		space->left = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	if (!g_hash_table_contains(space->left, key))
		g_hash_table_insert(space->left, key, g_memdup2(&seq, sizeof(seq)));
}

/* space: that which the event names, NULL if it was not there at the moment. */
static void
after_device(viommu_record_reader *r, const json_t *json, viommu_space *space, bool attached, uint64_t seq)
{
	viommu_space *before;
	viommu_sid sid;

	if (!viommu_parse_bdf(json_string_value(json_object_get(json, "device")), &sid))
		return;
	before = g_hash_table_lookup(r->space_of, GUINT_TO_POINTER(sid.v));
	if (!attached && space)
		leave(space, sid, seq);
	else if (attached && before && before != space)
		leave(before, sid, seq);
}

static void
after_range(viommu_space *space, const json_t *json, bool mapped, uint64_t seq)
{
	viommu_piece piece = { .request = space->later_seqs->len };
	uint64_t first, size;

	if (!viommu_json_get_hex(json, "iova", &first) || !viommu_json_get_hex(json, "size", &size) || !viommu_range_ok(first, size))
		return;
	piece.iova = (viommu_iova_range){ first, first + (size - 1) };
	g_array_append_val(space->later_seqs, seq);
	undo(space, piece.iova, piece.request);
	if (mapped)
		viommu_pieces_put(space->later, &piece);
}

/* Whether all that happened since the moment is told. */
static void
watch_for_gaps(viommu_record_reader *r, const json_t *json, const char *event, json_int_t seq)
{
	const char *of = json_string_value(json_object_get(json, "of"));
	uint64_t last = r->behind_seq ? r->behind_seq : r->record->last_seq;

	if (!event || seq <= 0 || (uint64_t) seq != last + 1 ||
		(strcmp(event, VIOMMU_EVENT_LOST) == 0 && g_strcmp0(of, VIOMMU_EVENT_INVALIDATE) != 0))
		r->record->lost_behind = "events are missing from the record behind the moment that was chosen";
	r->behind_seq = MAX(last, (uint64_t) MAX(seq, 0));
	r->behind_rest = g_strcmp0(event, VIOMMU_EVENT_MARK) == 0 || g_strcmp0(event, VIOMMU_EVENT_END) == 0;
}

void
viommu_record_after(viommu_record_reader *r, const json_t *json)
{
	const char *event = json_string_value(json_object_get(json, "event"));
	const json_t *id = json_object_get(json, "space");
	json_int_t seq = json_integer_value(json_object_get(json, "seq"));
	viommu_space *space;
	bool map, attach;

	watch_for_gaps(r, json, event, seq);
	if (g_strcmp0(event, VIOMMU_EVENT_MARK) == 0)
		viommu_record_note_mark(r, json);
	if (!event || seq <= 0 || !json_is_integer(id) || json_object_get(json, "errno") || json_object_get(json, "error"))
		return;
	space = viommu_record_find_space(r, json_integer_value(id), false);
	map = strcmp(event, VIOMMU_EVENT_MAP) == 0;
	attach = strcmp(event, VIOMMU_EVENT_ATTACH) == 0;
	if (space && (map || strcmp(event, VIOMMU_EVENT_UNMAP) == 0))
		after_range(space, json, map, (uint64_t) seq);
	else if (attach || strcmp(event, VIOMMU_EVENT_DETACH) == 0)
		after_device(r, json, space, attach, (uint64_t) seq);
}
