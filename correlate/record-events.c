/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The events of a record, played one after the other. */
#include <string.h>

#include <viommu/record.h>

#include "pieces.h"
#include "record-reader.h"
#include "text.h"

void
viommu_space_free(void *data)
{
	viommu_space *space = data;

	for (guint i = 0; i < space->requests->len; i++)
		g_free(g_array_index(space->requests, viommu_request, i).gpa_unknown);
	g_array_unref(space->requests);
	g_array_unref(space->devices);
	g_hash_table_unref(space->known);
	viommu_pieces_free(space->live);
	viommu_pieces_free(space->gone);
	viommu_pieces_free(space->tried);
	viommu_pieces_free(space->later);
	g_free(space->backend);
	g_free(space);
}

static viommu_space *
find_space(viommu_record_reader *r, int64_t id, bool create)
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
	space->live = viommu_pieces_new();
	space->gone = viommu_pieces_new();
	space->tried = viommu_pieces_new();
	space->later = viommu_pieces_new();
	g_ptr_array_add(r->record->spaces, space);
	g_hash_table_insert(r->spaces, &space->id, space);
	return space;
}

static bool
get_space(viommu_record_reader *r, const json_t *json, bool create, viommu_space **ret)
{
	const json_t *id = json_object_get(json, "space");

	if (!json_is_integer(id))
		return viommu_record_reject(r, "its \"space\" is not a number");
	*ret = find_space(r, json_integer_value(id), create);
	return *ret || viommu_record_reject(r, "it names a space that no device was attached to");
}

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

static bool
get_device(viommu_record_reader *r, const json_t *json, viommu_sid *sid)
{
	return viommu_parse_bdf(json_string_value(json_object_get(json, "device")), sid) ||
		viommu_record_reject(r, "its \"device\" is not of the form \"0000:00:04.0\"");
}

/* Without this, a space that no device was attached to is one whose devices were
 * not seen. */
static bool
on_space(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space;

	if (!get_space(r, json, true, &space))
		return false;
	g_free(space->backend);
	space->backend = viommu_json_dup_text(json, "backend");
	space->attached = true;
	space->complete = json_is_true(json_object_get(json, "complete"));
	return true;
}

/* When it began: begin_ns where time_ns is that of its end. */
static uint64_t
get_time(const json_t *json)
{
	const json_t *begin = json_object_get(json, "begin_ns");
	json_int_t ret = json_integer_value(begin ? begin : json_object_get(json, "time_ns"));

	return ret > 0 ? (uint64_t) ret : 0;
}

static void
take_device(viommu_space *space, viommu_sid sid)
{
	if (!g_hash_table_remove(space->known, GUINT_TO_POINTER(sid.v)))
		return;
	for (guint i = 0; i < space->devices->len; i++)
		if (g_array_index(space->devices, viommu_sid, i).v == sid.v)
			g_array_remove_index(space->devices, i--);
}

static bool
on_attach(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space, *before;
	viommu_sid sid;

	if (!get_space(r, json, true, &space) || !get_device(r, json, &sid))
		return false;
	/* A device uses one space at a time, whether the record has its detach or not. */
	before = g_hash_table_lookup(r->space_of, GUINT_TO_POINTER(sid.v));
	if (before && before != space)
		take_device(before, sid);
	g_hash_table_insert(r->space_of, GUINT_TO_POINTER(sid.v), space);
	g_free(space->backend);
	space->backend = viommu_json_dup_text(json, "backend");
	space->attached = true;
	space->complete = json_is_true(json_object_get(json, "complete"));
	space->from_start |= json_is_true(json_object_get(json, "from_start"));
	if (space->devices->len == 0)
		space->attached_ns = get_time(json);
	if (g_hash_table_add(space->known, GUINT_TO_POINTER(sid.v)))
		g_array_append_val(space->devices, sid);
	return true;
}

static bool
on_detach(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space;
	viommu_sid sid;

	if (!get_space(r, json, false, &space) || !get_device(r, json, &sid))
		return false;
	take_device(space, sid);
	return true;
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

/* The extents of a map: an array of jansson's, or of a map line. */
typedef struct {
	const json_t *json;
	const GArray *list;
} extents;

static bool
get_extent(const extents *from, size_t i, uint64_t *gpa, uint64_t *size)
{
	const json_t *item = json_array_get(from->json, i);

	if (!from->list)
		return viommu_json_get_hex(item, "gpa", gpa) && viommu_json_get_hex(item, "size", size);
	*gpa = g_array_index(from->list, viommu_line_extent, i).gpa;
	*size = g_array_index(from->list, viommu_line_extent, i).size;
	return true;
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
		uint64_t gpa, size;

		if (!get_extent(from, i, &gpa, &size) || !viommu_range_ok(gpa, size) || (gpa | size) & ~VIOMMU_PAGE_MASK)
			return viommu_record_reject(r, "extent %zu is not a run of whole pages", i);
		if (size - 1 > left - 1 || left == 0)
			return viommu_record_reject(r, "its extents are longer than the mapping");
		piece.iova = (viommu_iova_range){ at, at + (size - 1) };
		piece.gpa.v = gpa;
		piece.gpa_known = true;
		viommu_pieces_put(space->live, &piece);
		at += size;
		left -= size;
	}
	if (left == 0)
		return true;
	if (!request->gpa_unknown)
		return viommu_record_reject(r, "its extents are shorter than the mapping, and no \"gpa_unknown\" says why");
	piece.iova = (viommu_iova_range){ at, request->iova.last };
	piece.gpa_known = false;
	piece.gpa.v = 0;
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

/* A request whose range is all right. Takes request->gpa_unknown. */
static bool
put_map(viommu_record_reader *r, viommu_space *space, viommu_request *request, uint64_t since_ns, const extents *from)
{
	if (overlaps(space->live, request->iova)) {
		see(&space->overlaps, request->seq);
		request->again = true;
	}
	request->again |= overlaps(space->tried, request->iova);
	viommu_pieces_cut(space->gone, request->iova, note_again, &request->again);
	g_array_append_vals(space->requests, request, 1);
	return put_extents(r, space, from, since_ns, request);
}

static bool
not_everything(viommu_record_reader *r, viommu_iova_range range)
{
	return range.last - range.first != UINT64_MAX || viommu_record_reject(r, "a mapping of the whole 64-bit space");
}

static bool
on_map(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space;
	viommu_request request = { .seq = r->record->last_seq };
	extents from = { .json = json_object_get(json, "extents") };

	if (!get_space(r, json, true, &space))
		return false;
	if (json_object_get(json, "errno") || json_object_get(json, "error")) {
		see_failure(space, json, r->record->last_seq);
		return true;
	}
	if (!get_range(r, json, &request.iova) || !get_prot(r, json, &request) || !not_everything(r, request.iova))
		return false;
	viommu_json_get_hex(json, "page_size", &request.page_size);
	request.vaddr_known = viommu_json_get_hex(json, "vaddr", &request.vaddr);
	request.gpa_unknown = g_strdup(json_string_value(json_object_get(json, "gpa_unknown")));
	return put_map(r, space, &request, get_time(json), &from);
}

static bool
on_map_line(viommu_record_reader *r)
{
	const viommu_map_line *line = &r->map;
	viommu_request request = { .seq = line->seq, .page_size = line->page_size, .vaddr = line->vaddr,
		.vaddr_known = line->vaddr_known };
	extents from = { .list = line->extents };
	viommu_space *space = find_space(r, (int64_t) line->space, true);

	if (!set_range(r, line->iova, line->size, &request.iova))
		return false;
	if (line->prot)
		set_prot(line->prot, &request);
	return not_everything(r, request.iova) && put_map(r, space, &request, line->time_ns, &from);
}

typedef struct {
	viommu_pieces *pieces;
	uint64_t since_ns;
} gone;

static void
put_gone(const viommu_piece *piece, void *user)
{
	const gone *to = user;
	viommu_piece copy = *piece;

	copy.since_ns = to->since_ns;
	viommu_pieces_put(to->pieces, &copy);
}

static bool
on_unmap(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space;
	viommu_iova_range range;
	gone to;

	if (!get_space(r, json, true, &space))
		return false;
	if (json_object_get(json, "errno") || json_object_get(json, "error"))
		return true;
	if (!get_range(r, json, &range))
		return false;
	to = (gone){ space->gone, get_time(json) };
	viommu_pieces_cut(space->live, range, put_gone, &to);
	return true;
}

static void
count_lost(viommu_record *record, uint64_t count, const char *reason)
{
	record->lost = count > UINT64_MAX - record->lost ? UINT64_MAX : record->lost + count;
	if (!record->lost_reason)
		record->lost_reason = g_strdup(reason);
}

static bool
on_lost(viommu_record_reader *r, const json_t *json)
{
	json_int_t count = json_integer_value(json_object_get(json, "count"));
	const char *reason = json_string_value(json_object_get(json, "reason"));

	if (g_strcmp0(json_string_value(json_object_get(json, "of")), VIOMMU_EVENT_INVALIDATE) == 0) {
		r->record->queue_lost = true; /* and no mapping is */
		return true;
	}
	count_lost(r->record, count > 0 ? (uint64_t) count : 0, reason ? reason : "the record does not say why");
	return true;
}

static bool
on_mark(viommu_record_reader *r, const json_t *json)
{
	if (r->at && g_strcmp0(json_string_value(json_object_get(json, "name")), r->at) == 0)
		r->reached = true;
	return true;
}

static bool
on_end(viommu_record_reader *r, G_GNUC_UNUSED const json_t *json)
{
	r->record->ended = true;
	return true;
}

/* Only what the queue takes counts; what is odd about it is no reason to refuse a record. */
static bool
on_invalidate(viommu_record_reader *r, const json_t *json)
{
	const char *type = json_string_value(json_object_get(json, "type"));
	const char *granularity = json_string_value(json_object_get(json, "granularity"));
	const json_t *did = json_object_get(json, "domain_id");
	viommu_announcement seen = { .time_ns = get_time(json), .range = { 0, UINT64_MAX } };

	if (g_strcmp0(json_string_value(json_object_get(json, "tracepoint")), "qi_submit") != 0)
		return true;
	r->record->queue_watched = true;
	if (g_strcmp0(type, "iotlb") != 0 && g_strcmp0(type, "pasid-iotlb") != 0)
		return true;
	seen.every_domain = g_strcmp0(granularity, "global") == 0;
	seen.page_selective = g_strcmp0(granularity, "page") == 0;
	seen.did = (uint16_t) json_integer_value(did);
	if (!seen.every_domain && (!json_is_integer(did) || json_integer_value(did) < 0 || json_integer_value(did) > 0xffff))
		return true;
	if (seen.page_selective &&
		(!viommu_json_get_hex(json, "first", &seen.range.first) || !viommu_json_get_hex(json, "last", &seen.range.last) ||
			seen.range.last < seen.range.first))
		return true;
	g_array_append_val(r->record->announcements, seen);
	return true;
}

static const struct {
	const char *event;
	bool (*handle)(viommu_record_reader *r, const json_t *json);
} handlers[] = {
	{ VIOMMU_EVENT_SPACE, on_space },
	{ VIOMMU_EVENT_ATTACH, on_attach },
	{ VIOMMU_EVENT_DETACH, on_detach },
	{ VIOMMU_EVENT_MAP, on_map },
	{ VIOMMU_EVENT_UNMAP, on_unmap },
	{ VIOMMU_EVENT_LOST, on_lost },
	{ VIOMMU_EVENT_INVALIDATE, on_invalidate },
	{ VIOMMU_EVENT_MARK, on_mark },
	{ VIOMMU_EVENT_END, on_end },
};

/* A gap before the sequence number next is lost events. */
static void
count_gap(viommu_record *record, uint64_t next)
{
	if (next > record->last_seq + 1)
		count_lost(record, next - record->last_seq - 1, "sequence numbers are missing");
}

/* Sequence numbers rise by one; a step back is garbage. */
static bool
check_seq(viommu_record_reader *r, json_int_t seq)
{
	return seq > (json_int_t) r->record->last_seq || viommu_record_reject(r, "its \"seq\" does not rise");
}

/* Counts an event, unless it is behind the chosen moment. */
static bool
begin_event(viommu_record_reader *r, uint64_t seq, bool at_rest)
{
	uint64_t at = UINT64_MAX;

	if (r->at && !g_ascii_string_to_unsigned(r->at, 10, 0, G_MAXUINT64, &at, NULL))
		at = UINT64_MAX;
	if (seq >= at)
		r->reached = true;
	count_gap(r->record, MIN(seq, at == UINT64_MAX ? at : at + 1));
	if (seq > at)
		return false;
	r->record->last_seq = seq;
	r->record->events++;
	r->at_rest = at_rest;
	return true;
}

void
viommu_record_after(viommu_record_reader *r, const json_t *json)
{
	const json_t *id = json_object_get(json, "space");
	viommu_piece piece = { .request = 0 };
	viommu_space *space;
	uint64_t first, size;

	if (g_strcmp0(json_string_value(json_object_get(json, "event")), VIOMMU_EVENT_MAP) != 0 ||
		!json_is_integer(id) || json_object_get(json, "errno"))
		return;
	space = find_space(r, json_integer_value(id), false);
	if (!space || !viommu_json_get_hex(json, "iova", &first) || !viommu_json_get_hex(json, "size", &size) ||
		!viommu_range_ok(first, size))
		return;
	piece.iova = (viommu_iova_range){ first, first + (size - 1) };
	viommu_pieces_put(space->later, &piece);
}

bool
viommu_record_map(viommu_record_reader *r)
{
	if (!check_seq(r, (json_int_t) r->map.seq))
		return false;
	return !begin_event(r, r->map.seq, false) || on_map_line(r);
}

bool
viommu_record_event(viommu_record_reader *r, const json_t *json)
{
	const char *event = json_string_value(json_object_get(json, "event"));
	json_int_t seq = json_integer_value(json_object_get(json, "seq")); /* 0 when it is none */

	if (!event)
		return viommu_record_reject(r, "it has no \"event\"");
	if (!check_seq(r, seq))
		return false;
	if (!begin_event(r, (uint64_t) seq, strcmp(event, VIOMMU_EVENT_MARK) == 0 || strcmp(event, VIOMMU_EVENT_END) == 0))
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(handlers); i++)
		if (strcmp(event, handlers[i].event) == 0 && !handlers[i].handle(r, json))
			return false;
	return true;
}
