/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The events of a record that say what is mapped. */
#include <string.h>

#include <viommu/record.h>

#include "record/pieces.h"
#include "record/record-reader.h"
#include "text/text.h"

static bool
set_range(viommu_record_reader *r, uint64_t first, uint64_t size, viommu_iova_range *ret)
{
	if (!viommu_range_ok(first, size))
		return viommu_record_reject(r, "a range of 0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER "x does not fit in 64 bits",
			size, first);
	if ((first | size) & ~VIOMMU_PAGE_MASK)
		return viommu_record_reject(r, "its \"iova\" or \"size\" is not a multiple of 4 KiB");
	*ret = (viommu_iova_range){ first, first + (size - 1) };
	return true;
}

static bool
get_range(viommu_record_reader *r, const json_t *json, viommu_iova_range *ret)
{
	uint64_t first, size;

	if (!viommu_json_get_hex(json, "iova", &first) || !viommu_json_get_hex(json, "size", &size))
		return viommu_record_reject(r, "its \"iova\" or \"size\" is not a \"0x…\" number");
	return set_range(r, first, size, ret);
}

static void
set_prot(const char *prot, viommu_request *request)
{
	request->prot_known = true;
	request->read = prot[0] == 'r';
	request->write = prot[0] == 'w' || prot[1] == 'w';
}

static bool
get_prot(viommu_record_reader *r, const json_t *json, viommu_request *request)
{
	const char *prot = json_string_value(json_object_get(json, "prot"));

	if (!json_object_get(json, "prot"))
		return true; /* its writer could not see it */
	if (g_strcmp0(prot, "r") != 0 && g_strcmp0(prot, "w") != 0 && g_strcmp0(prot, "rw") != 0)
		return viommu_record_reject(r, "its \"prot\" is not \"r\", \"w\" or \"rw\"");
	set_prot(prot, request);
	return true;
}

/* Its index + 1. */
static uint32_t
place_of_reason(viommu_space *space, const char *reason)
{
	gpointer place = g_hash_table_lookup(space->reason_places, reason);

	if (!place) {
		g_ptr_array_add(space->reasons, g_strdup(reason));
		place = GUINT_TO_POINTER(space->reasons->len);
		g_hash_table_insert(space->reason_places, g_ptr_array_index(space->reasons, space->reasons->len - 1), place);
	}
	return GPOINTER_TO_UINT(place);
}

const char *
viommu_request_gpa_unknown(const viommu_space *space, const viommu_request *request)
{
	return request->gpa_unknown ? g_ptr_array_index(space->reasons, request->gpa_unknown - 1) : NULL;
}

/* Of a power of two; 0: it is none, which no page's size is. */
static uint8_t
shift_of(uint64_t size)
{
	return size && (size & (size - 1)) == 0 ? (uint8_t) __builtin_ctzll(size) : 0;
}

/* The extents of a map: an array of jansson's, or of a map line. */
typedef struct {
	const json_t *json;
	const GArray *list;
} extents;

static bool
get_extent(const extents *from, size_t i, viommu_line_extent *ret)
{
	const json_t *item = json_array_get(from->json, i);
	json_int_t after = json_integer_value(json_object_get(item, "after_ns"));

	if (from->list) {
		*ret = g_array_index(from->list, viommu_line_extent, i);
		return true;
	}
	ret->after_ns = after > 0 ? (uint64_t) after : 0;
	return viommu_json_get_hex(item, "gpa", &ret->gpa) && viommu_json_get_hex(item, "size", &ret->size);
}

/* Puts the extents of a map in, and after them, if so said, pages with no known GPA. */
static bool
put_extents(viommu_record_reader *r, viommu_space *space, const extents *from, uint64_t since_ns, const viommu_request *request)
{
	viommu_piece piece = { .prot_known = request->prot_known, .read = request->read, .write = request->write,
		.request = space->requests->len - 1, .since_ns = since_ns };
	uint64_t left = request->iova.last - request->iova.first + 1, at = request->iova.first;
	size_t n = from->list ? from->list->len : json_array_size(from->json);

	for (size_t i = 0; i < n; i++) {
		viommu_line_extent e;

		if (!get_extent(from, i, &e) || !viommu_range_ok(e.gpa, e.size) || (e.gpa | e.size) & ~VIOMMU_PAGE_MASK)
			return viommu_record_reject(r, "extent %zu is not a run of whole pages", i);
		if (e.size - 1 > left - 1 || left == 0)
			return viommu_record_reject(r, "its extents are longer than the mapping");
		piece.iova = (viommu_iova_range){ at, at + (e.size - 1) };
		piece.gpa.v = e.gpa;
		piece.gpa_known = true;
		piece.since_ns = since_ns ? since_ns + e.after_ns : 0;
		viommu_pieces_put(space->live, &piece);
		at += e.size;
		left -= e.size;
	}
	if (left == 0)
		return true;
	if (!request->gpa_unknown)
		return viommu_record_reject(r, "its extents are shorter than the mapping, and no \"gpa_unknown\" says why");
	piece.iova = (viommu_iova_range){ at, request->iova.last };
	piece.gpa_known = false;
	piece.gpa.v = 0;
	piece.since_ns = since_ns;
	viommu_pieces_put(space->live, &piece);
	return true;
}

static void
note_again(G_GNUC_UNUSED const viommu_piece *piece, void *user)
{
	*(bool *) user = true;
}

static void
see(viommu_seen *seen, uint64_t seq)
{
	if (seen->count++ == 0)
		seen->seq = seq;
}

static void
see_failure(viommu_space *space, const json_t *json, uint64_t seq)
{
	const char *error = json_string_value(json_object_get(json, "error"));
	uint64_t first, size;

	space->failed++;
	space->changed_seq = seq;
	if (viommu_json_get_hex(json, "iova", &first) && viommu_json_get_hex(json, "size", &size) && viommu_range_ok(first, size)) {
		viommu_piece piece = { .iova = { first, first + (size - 1) } };

		viommu_pieces_put(space->tried, &piece);
		if (piece.iova.last > space->refused_last) {
			space->refused_last = piece.iova.last;
			space->refused_seq = seq;
		}
	}
	if (g_strcmp0(error, "ENOSPC") == 0)
		see(&space->no_space, seq);
	else if (g_strcmp0(error, "EEXIST") == 0)
		see(&space->exists, seq);
}

static bool
overlaps(const viommu_pieces *pieces, viommu_iova_range range)
{
	const viommu_piece *piece = viommu_pieces_from(pieces, range.first);

	return piece && piece->iova.first <= range.last;
}

/* A request whose range is all right. */
static bool
put_map(viommu_record_reader *r, viommu_space *space, viommu_request *request, uint64_t since_ns, const extents *from)
{
	bool again = false;

	space->changed_seq = request->seq;
	if (overlaps(space->live, request->iova)) {
		see(&space->overlaps, request->seq);
		request->again = true;
	}
	request->again |= overlaps(space->tried, request->iova);
	viommu_pieces_cut(space->gone, request->iova, note_again, &again);
	request->again |= again;
	g_array_append_vals(space->requests, request, 1);
	return put_extents(r, space, from, since_ns, request);
}

static bool
not_everything(viommu_record_reader *r, viommu_iova_range range)
{
	return range.last - range.first != UINT64_MAX || viommu_record_reject(r, "a mapping of the whole 64-bit space");
}

bool
viommu_record_on_map(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space;
	viommu_request request = { .seq = r->record->last_seq };
	const char *reason = json_string_value(json_object_get(json, "gpa_unknown"));
	uint64_t page_size;
	extents from = { .json = json_object_get(json, "extents") };

	if (!viommu_record_get_space(r, json, true, &space))
		return false;
	if (json_object_get(json, "errno") || json_object_get(json, "error")) {
		see_failure(space, json, r->record->last_seq);
		return true;
	}
	if (!get_range(r, json, &request.iova) || !get_prot(r, json, &request) || !not_everything(r, request.iova))
		return false;
	if (viommu_json_get_hex(json, "page_size", &page_size))
		request.page_shift = shift_of(page_size);
	request.vaddr_known = viommu_json_get_hex(json, "vaddr", &request.vaddr);
	if (reason)
		request.gpa_unknown = place_of_reason(space, reason);
	return put_map(r, space, &request, viommu_record_get_time(json), &from);
}

bool
viommu_record_on_map_line(viommu_record_reader *r)
{
	const viommu_map_line *line = &r->map;
	viommu_request request = { .seq = line->seq, .page_shift = shift_of(line->page_size), .vaddr = line->vaddr,
		.vaddr_known = line->vaddr_known };
	extents from = { .list = line->extents };
	viommu_space *space = viommu_record_find_space(r, (int64_t) line->space, true);

	if (!set_range(r, line->iova, line->size, &request.iova))
		return false;
	if (line->prot)
		set_prot(line->prot, &request);
	return not_everything(r, request.iova) && put_map(r, space, &request, line->time_ns, &from);
}

typedef struct {
	viommu_pieces *pieces;
	uint64_t begin_ns, time_ns; /* when it may have begun at the earliest, and was over */
} gone;

/* What was flushed before it was mapped was not flushed for this. */
static void
put_gone(const viommu_piece *piece, void *user)
{
	const gone *to = user;
	viommu_piece copy = *piece;

	copy.since_ns = to->begin_ns > piece->since_ns ? to->begin_ns : to->time_ns;
	viommu_pieces_put(to->pieces, &copy);
}

bool
viommu_record_on_unmap(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space;
	viommu_iova_range range;
	json_int_t time_ns;
	gone to;

	if (!viommu_record_get_space(r, json, true, &space))
		return false;
	if (json_object_get(json, "errno") || json_object_get(json, "error"))
		return true;
	if (!get_range(r, json, &range))
		return false;
	space->changed_seq = r->record->last_seq;
	time_ns = json_integer_value(json_object_get(json, "time_ns"));
	to = (gone){ space->gone, viommu_record_get_time(json), time_ns > 0 ? (uint64_t) time_ns : 0 };
	viommu_pieces_cut(space->live, range, put_gone, &to);
	return true;
}
