/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The events of a record, played one after the other. */
#include <string.h>

#include <viommu/record.h>

#include "record/record-reader.h"
#include "text/text.h"

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

	if (!viommu_record_get_space(r, json, true, &space))
		return false;
	g_free(space->backend);
	space->backend = viommu_json_dup_text(json, "backend");
	space->attached = true;
	space->complete = json_is_true(json_object_get(json, "complete"));
	r->tells_rest |= space->complete;
	return true;
}

static void
take_device(viommu_space *space, viommu_sid sid, uint64_t seq)
{
	if (!g_hash_table_remove(space->known, GUINT_TO_POINTER(sid.v)))
		return;
	space->devices_seq = seq;
	for (guint i = 0; i < space->devices->len; i++)
		if (g_array_index(space->devices, viommu_sid, i).v == sid.v)
			g_array_remove_index(space->devices, i--);
}

static bool
on_attach(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space, *before;
	viommu_sid sid;

	if (!viommu_record_get_space(r, json, true, &space) || !get_device(r, json, &sid))
		return false;
	/* A device uses one space at a time, whether the record has its detach or not. */
	before = g_hash_table_lookup(r->space_of, GUINT_TO_POINTER(sid.v));
	if (before && before != space)
		take_device(before, sid, r->record->last_seq);
	g_hash_table_insert(r->space_of, GUINT_TO_POINTER(sid.v), space);
	g_free(space->backend);
	space->backend = viommu_json_dup_text(json, "backend");
	space->attached = true;
	space->complete = json_is_true(json_object_get(json, "complete"));
	r->tells_rest |= space->complete;
	space->from_start |= json_is_true(json_object_get(json, "from_start"));
	if (space->devices->len == 0)
		space->attached_ns = viommu_record_get_time(json);
	space->devices_seq = r->record->last_seq;
	if (g_hash_table_add(space->known, GUINT_TO_POINTER(sid.v)))
		g_array_append_val(space->devices, sid);
	return true;
}

static bool
on_detach(viommu_record_reader *r, const json_t *json)
{
	viommu_space *space;
	viommu_sid sid;

	if (!viommu_record_get_space(r, json, false, &space) || !get_device(r, json, &sid))
		return false;
	take_device(space, sid, r->record->last_seq);
	return true;
}

static void
count_lost(viommu_record *record, uint64_t count, const char *reason)
{
	record->losses++;
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

void
viommu_record_note_mark(viommu_record_reader *r, const json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "name"));

	if (name && r->record->marks->len < VIOMMU_MARKS && !g_ptr_array_find_with_equal_func(r->record->marks, name, g_str_equal, NULL))
		g_ptr_array_add(r->record->marks, g_strdup(name));
}

/* A trace that does not keep up tells late. */
static uint64_t
lag_of_mark(const json_t *json)
{
	json_int_t until = json_integer_value(json_object_get(json, VIOMMU_MARK_UNTIL));
	uint64_t written = viommu_record_get_time(json);

	return until >= 0 && written > (uint64_t) until ? written - (uint64_t) until : 0;
}

static bool
on_mark(viommu_record_reader *r, const json_t *json)
{
	r->tells_rest = true;
	r->record->rests++;
	r->record->looks_back = json_object_get(json, VIOMMU_MARK_UNTIL) != NULL;
	r->record->lag_ns = r->record->looks_back ? lag_of_mark(json) : 0;
	viommu_record_note_mark(r, json);
	if (r->at && g_strcmp0(json_string_value(json_object_get(json, "name")), r->at) == 0)
		r->reached = true;
	return true;
}

static bool
on_end(viommu_record_reader *r, G_GNUC_UNUSED const json_t *json)
{
	r->record->rests++;
	r->record->lag_ns = 0;
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
	viommu_announcement seen = { .time_ns = viommu_record_get_time(json), .range = { 0, UINT64_MAX } };

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
	{ VIOMMU_EVENT_MAP, viommu_record_on_map },
	{ VIOMMU_EVENT_UNMAP, viommu_record_on_unmap },
	{ VIOMMU_EVENT_LOST, on_lost },
	{ VIOMMU_EVENT_DOCTOR, viommu_record_on_doctor },
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

bool
viommu_record_map(viommu_record_reader *r)
{
	if (!check_seq(r, (json_int_t) r->map.seq))
		return false;
	return !begin_event(r, r->map.seq, false) || viommu_record_on_map_line(r);
}

/* Two runs wrote to one file: that of a port, say, to which QEMU adds. */
static bool
reject_second(viommu_record_reader *r, const json_t *json)
{
	const char *session = json_string_value(json_object_get(json, "session"));
	bool named = session && strlen(session) == 16 && strspn(session, "0123456789abcdef") == 16;
	g_autofree char *which = named ? g_strdup_printf(" (session %s)", session) : g_strdup("");

	return viommu_record_reject(r,
		"another record%s begins here, and one file holds one record: give each run a file or port of its own; of this file, "
		"head -n %" G_GUINT64_FORMAT " is the first, and tail -n +%" G_GUINT64_FORMAT " the one that begins here", which,
		r->line - 1, r->line);
}

bool
viommu_record_event(viommu_record_reader *r, const json_t *json)
{
	const char *event = json_string_value(json_object_get(json, "event"));
	json_int_t seq = json_integer_value(json_object_get(json, "seq")); /* 0 when it is none */

	if (!event)
		return viommu_record_reject(r, "it has no \"event\"");
	if (strcmp(event, VIOMMU_EVENT_HEADER) == 0 && !json_object_get(json, "seq")) /* an event that has one is unknown to us, no more */
		return reject_second(r, json);
	if (!check_seq(r, seq))
		return false;
	if (!begin_event(r, (uint64_t) seq, strcmp(event, VIOMMU_EVENT_MARK) == 0 || strcmp(event, VIOMMU_EVENT_END) == 0)) {
		viommu_record_after(r, json);
		return true;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(handlers); i++)
		if (strcmp(event, handlers[i].event) == 0 && !handlers[i].handle(r, json))
			return false;
	return true;
}
