/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls: from their beginning to their end, or to that of their thread. */
#include <stdlib.h>

#include "record/rec-space.h"
#include "viommu/record.h"

static bool
add_pending(struct recorder *recorder, struct rec_pending *pending)
{
	struct rec_pending **grown = reallocarray(recorder->pending, recorder->n_pending + 1, sizeof *grown);

	if (grown == NULL)
		return false;
	recorder->pending = grown;
	recorder->pending[recorder->n_pending++] = pending;
	return true;
}

void
recorder_abandon(struct recorder *recorder, struct rec_pending *pending)
{
	for (size_t i = 0; i < recorder->n_pending; i++) {
		if (recorder->pending[i] == pending) {
			recorder->pending[i] = recorder->pending[--recorder->n_pending];
			return;
		}
	}
}

static bool
is_open_elsewhere(const struct rec_file *file, pid_t ended)
{
	for (size_t i = 0; file != NULL && i < file->n_refs; i++) {
		if (file->ref[i].pid != ended)
			return true;
	}
	return false;
}

void
recorder_cut_off(struct recorder *recorder, struct rec_pending *pending, pid_t ended)
{
	const struct rec_call *call = &pending->call;
	struct json *json;

	recorder_abandon(recorder, pending);
	/* Otherwise what was mapped goes with the process. */
	if (pending->told || !is_open_elsewhere(pending->file, ended))
		return;
	json = record_event_begin(recorder->record, VIOMMU_EVENT_LOST);
	json_add_uint(json, "count", 1);
	json_add_string(json, "reason", "a thread ended in a call, which the kernel may have carried out");
	if (!call->all && viommu_range_ok(call->iova, call->size)) {
		json_add_hex(json, "iova", call->iova);
		json_add_hex(json, "size", call->size);
	}
	record_event_write(recorder->record);
}

/* A reader takes a record that ends with the mark for complete, so it stands only
 * where nothing waits for room in the queue, and a call that begins ends it before
 * the kernel has changed anything. */
uint64_t
recorder_rest(struct recorder *recorder, uint64_t now_ns)
{
	struct record_writer *record = recorder->record;
	const bool waiting = record->queue != NULL && record->queue->len > 0;

	if (recorder->n_pending > 0 || waiting || record->seq == 0 || record->at_rest || record->failed)
		return 0;
	if (now_ns - record->last_ns < REC_REST_NS)
		return record->last_ns + REC_REST_NS - now_ns;
	record_mark(record, VIOMMU_MARK_REST);
	return 0;
}

bool
recorder_enter(struct recorder *recorder, struct rec_pending *pending, pid_t pid, int fd, uint32_t number,
	uint64_t arg, const void *bytes, size_t size)
{
	struct rec_file *file = rec_files_get(&recorder->files, pid, fd);
	const struct rec_request *request = file != NULL ? rec_request_find(number, file->is.kind) : NULL;

	if (request == NULL)
		return false;
	*pending = (struct rec_pending){ .pid = pid, .file = file };
	/* An argument that cannot be read is EFAULT for the kernel as well. */
	(void) rec_decode(&pending->call, request, fd, arg, bytes, size);
	if (recorder->record->at_rest)
		record_busy(recorder->record);
	return add_pending(recorder, pending);
}

static void
look_behind(struct recorder *recorder, const struct rec_pending *pending)
{
	const struct rec_call *call = &pending->call;
	const int pagemap = recorder_pagemap(recorder, pending->pid);

	if (recorder->asks->memory(&recorder->backing, pending->pid, pagemap, &recorder->devices, call->vaddr,
		    call->size) < 0) {
		record_lost(recorder->record, 0, "out of memory");
		extents_stop(&recorder->backing.extents, "the recorder ran out of memory");
	}
}

void
recorder_leave(struct recorder *recorder, struct rec_pending *pending, int64_t result, const void *bytes,
	size_t size)
{
	const enum rec_op op = pending->call.request->op;
	const enum rec_kind kind = pending->call.request->kind;

	recorder_abandon(recorder, pending);
	if (rec_restarts(result))
		return;
	if (pending->file == NULL || (!pending->call.readable && pending->call.request->size != 0)) {
		if (result >= 0)
			record_lost(recorder->record, 1,
				"an ioctl's argument, or its file, could not be looked at");
		else
			rec_note_failure(recorder, &pending->call, (int) -result);
		return;
	}
	if (result >= 0) {
		rec_decode_answer(&pending->call, bytes, size);
		if ((op == REC_MAP || op == REC_IOAS_MAP) && !pending->call.vaddr_only)
			look_behind(recorder, pending);
	}
	if (kind == REC_CONTAINER || kind == REC_GROUP)
		rec_vfio_done(recorder, pending, result);
	else
		rec_iommufd_done(recorder, pending, result);
}
