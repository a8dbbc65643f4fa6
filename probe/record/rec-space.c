/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-space.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "sys/errno-text.h"
#include "viommu/record.h"

/* A line of the record is read whole; a mapping with more than this many
 * extents becomes several map events, one after the other. */
enum { EXTENTS_MAX = 4096 };

struct rec_space *
rec_space_new(struct recorder *recorder, const char *backend, bool complete)
{
	struct rec_space *ret = calloc(1, sizeof *ret);

	if (ret == NULL) {
		probe_say("out of memory: what follows is not recorded");
		record_lost(recorder->record, 0, "out of memory");
		return NULL;
	}
	ret->id = ++recorder->n_spaces;
	ret->backend = backend;
	ret->complete = complete;
	return ret;
}

void
rec_space_free(struct rec_space *space)
{
	live_free(&space->live);
	free(space);
}

void
rec_space_begin(struct recorder *recorder, const struct rec_space *space)
{
	struct json *json = record_event_begin(recorder->record, VIOMMU_EVENT_SPACE);

	json_add_uint(json, "space", space->id);
	json_add_string(json, "backend", space->backend);
	if (space->complete)
		json_add_bool(json, "complete", true);
	record_event_write(recorder->record);
}

struct rec_space *
rec_call_space(const struct rec_pending *pending)
{
	if (pending->file == NULL || pending->file->is.kind == REC_CONTAINER)
		return pending->file != NULL ? pending->file->space : NULL;
	for (size_t i = 0; i < pending->file->n_objects; i++) {
		if (pending->file->object[i].id == pending->call.id)
			return pending->file->object[i].space;
	}
	return NULL;
}

static struct json *
begin_device(struct recorder *recorder, const char *event, const struct rec_space *space, const char *bdf,
	int group)
{
	struct json *json = record_event_begin(recorder->record, event);

	record_add_device(json, space->id, space->backend, bdf, group);
	return json;
}

void
rec_space_attach(struct recorder *recorder, const struct rec_space *space, const char *bdf, int group,
	const struct iova_ranges *ranges)
{
	struct json *json = begin_device(recorder, VIOMMU_EVENT_ATTACH, space, bdf, group);

	if (space->complete)
		json_add_bool(json, "complete", true);
	if (ranges != NULL && ranges->n > 0)
		record_add_ranges(json, ranges);
	record_event_write(recorder->record);
}

void
rec_space_detach(struct recorder *recorder, const struct rec_space *space, const char *bdf, int group,
	const char *reason)
{
	struct json *json = begin_device(recorder, VIOMMU_EVENT_DETACH, space, bdf, group);

	if (reason != NULL)
		json_add_string(json, "reason", reason);
	record_event_write(recorder->record);
}

static void
write_unmap(struct recorder *recorder, const struct rec_space *space, viommu_iova_range range, int err,
	const char *reason)
{
	struct json *json = record_event_begin(recorder->record, VIOMMU_EVENT_UNMAP);

	record_add_area(json, space->id, VIOMMU_IOVA(range.first), range.last - range.first + 1);
	record_add_errno(json, err);
	if (reason != NULL)
		json_add_string(json, "reason", reason);
	record_event_write(recorder->record);
}

void
rec_space_clear(struct recorder *recorder, struct rec_space *space, const char *reason)
{
	viommu_iova_range range;

	for (size_t at = 0; at < space->live.n;) {
		at = live_run(&space->live, at, &range);
		write_unmap(recorder, space, range, 0, reason);
	}
	live_free(&space->live);
}

/* ---- map ---------------------------------------------------------------------- */

/* A mapping is there, so what was there before is gone: the unmap was made by
 * another thread and has not been seen to return, although it has. */
static void
settle(struct recorder *recorder, struct rec_space *space, viommu_iova_range range)
{
	for (size_t i = 0; i < recorder->n_pending; i++) {
		struct rec_pending *other = recorder->pending[i];
		const enum rec_op op = other->call.request->op;

		if ((op != REC_UNMAP && op != REC_IOAS_UNMAP) || other->told ||
			rec_call_space(other) != space)
			continue;
		if (!other->call.all &&
			(other->call.iova > range.last || range.first - other->call.iova >= other->call.size))
			continue;
		rec_space_unmap(recorder, space, &other->call, 0);
		other->told = true;
	}
	if (!live_overlaps(&space->live, range))
		return;
	record_note(recorder->record, "space %u: 0x%" PRIx64 "-0x%" PRIx64 " was unmapped unseen", space->id,
		range.first, range.last);
	write_unmap(recorder, space, range, 0, "mapped anew");
	(void) live_cut(&space->live, range);
}

static struct json *
begin_map(struct recorder *recorder, const struct rec_space *space, const struct rec_call *call,
	uint64_t done, uint64_t size)
{
	struct json *json = record_event_begin(recorder->record, VIOMMU_EVENT_MAP);

	record_add_area(json, space->id, VIOMMU_IOVA(call->iova + done), size);
	if (call->prot != 0)
		json_add_string(json, "prot", prot_name(call->prot));
	if (call->vaddr != 0)
		json_add_hex(json, "vaddr", call->vaddr + done);
	return json;
}

static void
add_backing(struct json *json, const struct rec_backing *backing)
{
	if (backing->page_size != 0)
		json_add_hex(json, "page_size", backing->page_size);
	if (backing->bar[0] == '\0')
		return;
	json_key(json, "bar");
	json_open_object(json);
	json_add_string(json, "device", backing->bar);
	json_add_uint(json, "region", backing->bar_region);
	json_close_object(json);
}

/* Extents from FIRST on, as many as one event takes; the last event has the rest
 * of SIZE, known or not. */
static void
write_maps(struct recorder *recorder, const struct rec_space *space, const struct rec_call *call)
{
	const struct rec_backing *backing = &recorder->backing;
	const struct extents *all = &backing->extents;
	uint64_t done = 0;
	size_t first = 0;

	do {
		struct extents part = { .extent = all->extent + first, .n = all->n - first };
		struct json *json;

		if (part.n > EXTENTS_MAX)
			part.n = EXTENTS_MAX;
		for (size_t i = 0; i < part.n; i++)
			part.size += part.extent[i].size;
		first += part.n;
		if (first == all->n) {
			part.unknown = all->unknown;
			part.size = call->size - done;
		}
		json = begin_map(recorder, space, call, done, part.size);
		add_backing(json, backing);
		record_add_extents(json, &part);
		record_event_write(recorder->record);
		done += part.size;
	} while (first < all->n);
}

static void
write_refused(struct recorder *recorder, const struct rec_space *space, const struct rec_call *call, int err)
{
	struct json *json = begin_map(recorder, space, call, 0, call->size);
	bool vfio = call->request->op == REC_MAP;

	record_add_errno(json, err);
	json_add_string(json, "meaning", vfio ? errno_map_dma_hint(err) : errno_ioas_map_hint(err));
	record_event_write(recorder->record);
}

void
rec_space_map(struct recorder *recorder, struct rec_space *space, const struct rec_pending *pending, int err)
{
	const struct rec_call *call = &pending->call;
	struct live_mapping mapping = { .vaddr = call->vaddr, .pid = pending->pid };

	recorder->n_maps++;
	if (err != 0) {
		recorder->n_failed++;
		write_refused(recorder, space, call, err);
		return;
	}
	if (!viommu_range_ok(call->iova, call->size))
		return; /* no kernel makes such a mapping */
	mapping.iova = (viommu_iova_range){ call->iova, call->iova + (call->size - 1) };
	if (live_overlaps(&space->live, mapping.iova))
		settle(recorder, space, mapping.iova);
	write_maps(recorder, space, call);
	if (live_add(&space->live, &mapping) < 0)
		record_lost(recorder->record, 0, "out of memory");
	if (recorder->backing.extents.unknown != NULL && !recorder->told_unknown) {
		recorder->told_unknown = true;
		probe_say("some guest-physical addresses are not recorded: %s",
			recorder->backing.extents.unknown);
	}
}

/* ---- unmap -------------------------------------------------------------------- */

/* Version 1 of type1 takes a mapping away whole when it begins in the range
 * (Linux, vfio_dma_do_unmap()). */
static void
widen(const struct rec_space *space, viommu_iova_range *range)
{
	const size_t at = live_find(&space->live, range->last);

	if (at < space->live.n && space->live.mapping[at].iova.first <= range->last &&
		space->live.mapping[at].iova.first >= range->first)
		range->last = space->live.mapping[at].iova.last;
}

static bool
whole_pages(viommu_iova_range *range)
{
	struct iova_ranges whole = { 0 };

	iova_ranges_add(&whole, range->first, range->last);
	if (whole.n > 0)
		*range = whole.range[0];
	return whole.n > 0;
}

void
rec_space_unmap(struct recorder *recorder, struct rec_space *space, const struct rec_call *call, int err)
{
	viommu_iova_range range = { call->iova, call->iova + (call->size - 1) };

	recorder->n_unmaps++;
	if (err == 0 && call->all) {
		rec_space_clear(recorder, space, NULL);
		return;
	}
	if (!viommu_range_ok(call->iova, call->size)) {
		if (err != 0)
			rec_note_failure(recorder, call, err);
		return;
	}
	if (err == 0 && space->v1)
		widen(space, &range);
	/* iommufd takes any range, and unmaps what lies in it wholly. */
	if (err == 0 && !whole_pages(&range))
		return;
	write_unmap(recorder, space, range, err, NULL);
	if (err == 0 && live_cut(&space->live, range) < 0)
		record_lost(recorder->record, 0, "out of memory");
	if (err != 0)
		recorder->n_failed++;
}

void
rec_note_failure(struct recorder *recorder, const struct rec_call *call, int err)
{
	char about[64] = "";

	if (call->request->op == REC_SET_IOMMU)
		snprintf(about, sizeof about, " (type %u)", call->id);
	else if (call->device[0])
		snprintf(about, sizeof about, " (%s)", call->device);
	recorder->n_failed++;
	record_note(recorder->record, "%s%s failed: %s", call->request->name, about, errno_name(err));
}
