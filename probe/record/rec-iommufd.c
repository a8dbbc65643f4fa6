/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iommufd: address spaces (IOAS) with numbers, page tables made from them
 * (HWPT), and devices that are bound to the iommufd by their own files.  All of
 * it goes with the last reference to the iommufd's file, which devices hold too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/report.h"
#include "record/rec-space.h"

static const char backend[] = "iommufd";

static struct rec_object *
find_object(const struct rec_file *iommufd, uint32_t id)
{
	for (size_t i = 0; i < iommufd->n_objects; i++) {
		if (iommufd->object[i].id == id)
			return &iommufd->object[i];
	}
	return NULL;
}

static void
add_object(struct recorder *recorder, struct rec_file *iommufd, const struct rec_object *object)
{
	struct rec_object *grown = reallocarray(iommufd->object, iommufd->n_objects + 1, sizeof *grown);

	if (grown == NULL) {
		record_lost(recorder->record, 0, "out of memory");
		return;
	}
	iommufd->object = grown;
	iommufd->object[iommufd->n_objects++] = *object;
}

/* The IOAS ID; one that was there before the recording is taken over. */
static struct rec_space *
find_space(struct recorder *recorder, struct rec_file *iommufd, uint32_t id)
{
	const struct rec_object *known = find_object(iommufd, id);
	struct rec_object object = { .id = id, .ioas = true };

	if (known != NULL)
		return known->space;
	object.space = rec_space_new(recorder, backend, false);
	if (object.space != NULL)
		add_object(recorder, iommufd, &object);
	return object.space;
}

static void
attach(struct recorder *recorder, struct rec_file *cdev, struct rec_space *space)
{
	const struct rec_file *iommufd = cdev->owner;
	struct iova_ranges ranges = { 0 };

	if (space == NULL || cdev->space == space)
		return;
	if (cdev->space != NULL)
		rec_space_detach(recorder, cdev->space, cdev->is.bdf, -1, "attached elsewhere");
	cdev->space = space;
	for (size_t k = 0; k < iommufd->n_objects && ranges.n == 0; k++) {
		const struct rec_object *object = &iommufd->object[k];

		for (size_t i = 0; object->ioas && object->space == space && i < iommufd->n_refs; i++)
			(void) recorder->asks->ioas(
				iommufd->ref[i].pid, iommufd->ref[i].fd, object->id, &ranges);
	}
	rec_space_attach(recorder, space, cdev->is.bdf, -1, &ranges);
}

static void
detach(struct recorder *recorder, struct rec_file *cdev, const char *reason)
{
	if (cdev->space != NULL)
		rec_space_detach(recorder, cdev->space, cdev->is.bdf, -1, reason);
	cdev->space = NULL;
}

static void
remove_object(struct recorder *recorder, struct rec_file *iommufd, size_t i, const char *reason)
{
	struct rec_object object = iommufd->object[i];

	iommufd->object[i] = iommufd->object[--iommufd->n_objects];
	if (!object.ioas)
		return;
	rec_space_clear(recorder, object.space, reason);
	for (size_t k = 0; k < recorder->files.n; k++) {
		struct rec_file *cdev = recorder->files.file[k];

		if (cdev->is.kind == REC_CDEV && cdev->space == object.space)
			detach(recorder, cdev, reason);
	}
	/* A page table made from it cannot outlive it. */
	for (size_t k = iommufd->n_objects; k > 0; k--) {
		if (iommufd->object[k - 1].space == object.space)
			iommufd->object[k - 1] = iommufd->object[--iommufd->n_objects];
	}
	rec_space_free(object.space);
}

static bool
has_devices(const struct recorder *recorder, const struct rec_file *iommufd)
{
	for (size_t i = 0; i < recorder->files.n; i++) {
		if (recorder->files.file[i]->is.kind == REC_CDEV && recorder->files.file[i]->owner == iommufd)
			return true;
	}
	return false;
}

static void
reap(struct recorder *recorder, struct rec_file *iommufd, const char *reason)
{
	if (iommufd->n_refs > 0 || has_devices(recorder, iommufd))
		return;
	while (iommufd->n_objects > 0)
		remove_object(recorder, iommufd, 0, reason);
	recorder_forget(recorder, iommufd);
}

void
rec_iommufd_cdev_gone(struct recorder *recorder, struct rec_file *cdev, const char *reason)
{
	struct rec_file *iommufd = cdev->owner;

	detach(recorder, cdev, reason);
	recorder_forget(recorder, cdev);
	if (iommufd != NULL)
		reap(recorder, iommufd, reason);
}

/* Whether the iommufd behind a descriptor is the one that we think: a new one
 * does not have the IOAS that this one has. */
static bool
is_still(struct recorder *recorder, const struct rec_file *iommufd, const struct rec_ref *ref)
{
	struct iova_ranges ranges = { 0 };

	if (recorder->asks->world.look(ref->pid, ref->fd).kind != REC_IOMMUFD)
		return false;
	for (size_t i = 0; i < iommufd->n_objects; i++) {
		if (iommufd->object[i].ioas)
			return recorder->asks->ioas(ref->pid, ref->fd, iommufd->object[i].id, &ranges);
	}
	return true;
}

void
rec_iommufd_check(struct recorder *recorder, struct rec_file *iommufd)
{
	char reason[64];

	rec_ending_of(recorder, iommufd, reason, sizeof reason);
	for (size_t i = iommufd->n_refs; i > 0; i--) {
		if (!is_still(recorder, iommufd, &iommufd->ref[i - 1]))
			rec_file_drop_ref(iommufd, i - 1);
	}
	reap(recorder, iommufd, reason);
}

static void
on_ioas_alloc(struct recorder *recorder, struct rec_file *iommufd, const struct rec_call *call)
{
	const struct rec_object object = {
		.id = call->id, .ioas = true, .space = rec_space_new(recorder, backend, true)
	};

	/* A number that is in use: we missed its end. */
	for (size_t i = iommufd->n_objects; i > 0; i--) {
		if (i <= iommufd->n_objects && iommufd->object[i - 1].id == call->id)
			remove_object(recorder, iommufd, i - 1, "not seen");
	}
	if (object.space == NULL)
		return;
	add_object(recorder, iommufd, &object);
	rec_space_begin(recorder, object.space);
}

static void
on_hwpt_alloc(struct recorder *recorder, struct rec_file *iommufd, const struct rec_call *call)
{
	struct rec_object object = { .id = call->id };

	object.space = find_space(recorder, iommufd, call->source);
	if (object.space != NULL)
		add_object(recorder, iommufd, &object);
}

static void
on_destroy(struct recorder *recorder, struct rec_file *iommufd, uint32_t id)
{
	for (size_t i = 0; i < iommufd->n_objects; i++) {
		if (iommufd->object[i].id == id) {
			remove_object(recorder, iommufd, i, "destroyed");
			return;
		}
	}
}

/* ---- map ------------------------------------------------------------------------ */

static struct rec_process *
find_process(struct recorder *recorder, pid_t pid)
{
	for (size_t i = 0; i < recorder->n_processes; i++) {
		if (recorder->process[i].pid == pid)
			return &recorder->process[i];
	}
	return NULL;
}

static void
unknown(struct recorder *recorder, const char *why)
{
	extents_clear(&recorder->backing.extents);
	recorder->backing.bar[0] = '\0';
	recorder->backing.page_size = 0;
	extents_stop(&recorder->backing.extents, why);
}

/* A copy shares the pages of its source, which may be several mappings; each
 * becomes one here. */
static void
copy(struct recorder *recorder, struct rec_file *iommufd, struct rec_space *space,
	const struct rec_pending *pending)
{
	const struct rec_call *call = &pending->call;
	const struct rec_object *source = find_object(iommufd, call->source);
	uint64_t done = 0;

	while (done < call->size) {
		struct rec_pending part = *pending;
		const struct live *live = source != NULL ? &source->space->live : NULL;
		const size_t at = live != NULL ? live_find(live, call->from + done) : 0;
		const struct live_mapping *from = live != NULL && at < live->n ? &live->mapping[at] : NULL;
		const struct rec_process *process = NULL;

		part.call.iova += done;
		part.call.size -= done;
		if (from != NULL && from->iova.first <= call->from + done) {
			const uint64_t rest = from->iova.last - (call->from + done) + 1;

			part.call.size = rest < part.call.size ? rest : part.call.size;
			part.call.vaddr =
				from->vaddr != 0 ? from->vaddr + (call->from + done - from->iova.first) : 0;
			part.pid = from->pid;
			process = from->vaddr != 0 ? find_process(recorder, from->pid) : NULL;
		}
		if (process == NULL || recorder->asks->memory(&recorder->backing, part.pid, process->pagemap,
					       &recorder->devices, part.call.vaddr, part.call.size) < 0)
			unknown(recorder, "a copy of a mapping whose pages are not known");
		rec_space_map(recorder, space, &part, 0);
		done += part.call.size;
	}
}

static void
on_map(struct recorder *recorder, struct rec_file *iommufd, const struct rec_pending *pending, int err)
{
	const struct rec_call *call = &pending->call;
	struct rec_space *space = find_space(recorder, iommufd, call->id);

	if (space == NULL)
		return;
	if (call->request->op == REC_IOAS_COPY && err == 0) {
		copy(recorder, iommufd, space, pending);
		return;
	}
	if (call->request->op == REC_IOAS_MAP_FILE && err == 0 &&
		recorder->asks->file(
			&recorder->backing, pending->pid, call->other_fd, call->from, call->size) < 0)
		unknown(recorder, "the file that is mapped could not be looked at");
	rec_space_map(recorder, space, pending, err);
}

/* A file is bound once only: had it an owner, then that was another file. */
static void
on_bind(struct recorder *recorder, const struct rec_pending *pending)
{
	struct rec_file *iommufd = rec_files_get(&recorder->files, pending->pid, pending->call.other_fd);
	struct rec_file *cdev = pending->file, *before = cdev->owner;

	detach(recorder, cdev, "not seen");
	cdev->owner = iommufd != NULL && iommufd->is.kind == REC_IOMMUFD ? iommufd : NULL;
	if (before != NULL)
		reap(recorder, before, "not seen");
	if (rec_devices_add(&recorder->devices, cdev->is.bdf) < 0)
		record_lost(recorder->record, 0, "out of memory");
}

static void
on_cdev(struct recorder *recorder, struct rec_pending *pending)
{
	struct rec_file *cdev = pending->file;
	const struct rec_call *call = &pending->call;

	switch (call->request->op) {
	case REC_BIND:
		on_bind(recorder, pending);
		break;
	case REC_ATTACH:
		if (cdev->owner == NULL) {
			record_note(recorder->record,
				"%s was bound to an iommufd before the recording: unknown to which",
				cdev->is.bdf);
			break;
		}
		attach(recorder, cdev, find_space(recorder, cdev->owner, call->id));
		break;
	default:
		detach(recorder, cdev, NULL);
	}
}

void
rec_iommufd_done(struct recorder *recorder, struct rec_pending *pending, int64_t result)
{
	const struct rec_call *call = &pending->call;
	const int err = result < 0 ? (int) -result : 0;
	struct rec_file *file = pending->file;
	struct rec_space *space;

	switch (call->request->op) {
	case REC_IOAS_MAP:
	case REC_IOAS_MAP_FILE:
	case REC_IOAS_COPY:
		on_map(recorder, file, pending, err);
		return;
	case REC_IOAS_UNMAP:
		space = find_space(recorder, file, call->id);
		if (space != NULL && !pending->told)
			rec_space_unmap(recorder, space, call, err);
		return;
	default:
		break;
	}
	if (err != 0) {
		rec_note_failure(recorder, call, err);
		return;
	}
	switch (call->request->op) {
	case REC_IOAS_ALLOC:
		on_ioas_alloc(recorder, file, call);
		break;
	case REC_HWPT_ALLOC:
		on_hwpt_alloc(recorder, file, call);
		break;
	case REC_DESTROY:
		on_destroy(recorder, file, call->id);
		break;
	default:
		on_cdev(recorder, pending);
	}
}
