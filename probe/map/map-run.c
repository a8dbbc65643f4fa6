/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/map-run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/signals.h"
#include "sys/errno-text.h"
#include "sys/pagemap.h"

enum {
	FAILURES_MAX = 8, /* refusals after which more of the same teach nothing */
};

static void
note_unplaced(struct map_run *run)
{
	for (size_t i = 0; i < run->pattern.n_unplaced; i++) {
		probe_say("left out: %s: no room for it in the IOVAs that this IOMMU allows",
			run->pattern.unplaced[i]);
		record_note(
			run->record, "left out: %s: no room in the IOVA ranges", run->pattern.unplaced[i]);
	}
	if (run->options->shaped && run->pattern.n > 0 && run->pattern.item[0].iova.v != run->options->shape.iova) {
		probe_say("IOVA 0x%" PRIx64 " is not among those that this IOMMU allows: the first mapping is at 0x%" PRIx64,
			run->options->shape.iova, run->pattern.item[0].iova.v);
		record_note(run->record, "asked for IOVA 0x%" PRIx64 ", which is not in the IOVA ranges", run->options->shape.iova);
	}
}

int
map_run_prepare(struct map_run *run, struct probe_error *error)
{
	const struct map_options *options = run->options;
	int ret;

	if (options->shaped)
		ret = pattern_shaped(&run->pattern, run->backend->ranges, &options->shape, options->seed);
	else
		ret = pattern_default(&run->pattern, run->backend->ranges, options->seed);
	if (ret == -2)
		return probe_fail(error, ENOSPC,
			"%" PRIu64 " mapping(s) of 0x%" PRIx64 " bytes from IOVA 0x%" PRIx64
			" on do not fit the IOVAs that this IOMMU allows (the last is 0x%" PRIx64 ")",
			options->shape.count, options->shape.size, options->shape.iova,
			run->backend->ranges->range[run->backend->ranges->n - 1].last);
	run->held = ret < 0 ? NULL : calloc(run->pattern.n + 1, sizeof *run->held);
	if (run->held == NULL)
		return probe_fail(error, ENOMEM, "out of memory");
	/* Huge pages are set apart and not part of what is available. */
	if (options->shaped && options->shape.page_size == PAGE_4K &&
		!memory_available(pattern_bytes(&run->pattern), error))
		return -1;
	return 0;
}

/* The pages may move until the kernel has pinned them, so only the second look
 * counts; the first shows whether they did. */
static int
record_made(struct map_run *run, const struct pattern_item *item, const struct buffer *buffer,
	uint64_t asked_ns, int err, const struct extents *before, struct extents *after)
{
	const struct record_map map = {
		.iova = item->iova,
		.size = item->size,
		.prot = item->prot,
		.vaddr = buffer->addr,
		.page_size = item->page_size,
		.extents = after,
		.err = -err,
	};
	uint64_t moved;

	if (err == 0 && pagemap_read(buffer->addr, item->size, after) < 0)
		return -1;
	run->record->at_ns = asked_ns;
	record_map(run->record, run->backend->space, &map);
	run->record->at_ns = 0;
	witness_write(run->witness, run->record);
	if (err == 0 && after->unknown != NULL && !run->told_unknown) {
		run->told_unknown = true;
		probe_say("guest-physical addresses are not recorded: %s", after->unknown);
	}
	moved = err == 0 ? extents_difference(before, after) : 0;
	if (moved > 0)
		record_note(run->record,
			"%" PRIu64 " page(s) at IOVA 0x%" PRIx64
			" moved before they were pinned; recorded as pinned",
			moved, item->iova.v);
	return 0;
}

static void
say_refused(const struct map_run *run, const struct pattern_item *item, int err)
{
	probe_say("the kernel refused to map 0x%" PRIx64 " bytes at IOVA 0x%" PRIx64 ": %s: %s", item->size,
		item->iova.v, errno_name(err), run->backend->kind->map_hint(err));
}

static int
make_one(struct map_run *run, size_t i, struct prng *prng, struct probe_error *error)
{
	const struct pattern_item *item = &run->pattern.item[i];
	struct held_mapping *held = &run->held[i];
	struct extents before = { 0 }, after = { 0 };
	uint64_t asked_ns;
	int ret, err;

	if (buffer_alloc(&held->buffer, item, prng, error) < 0) {
		if (!item->optional)
			return -1;
		probe_say("left out: %s at IOVA 0x%" PRIx64 ": %s", item->name, item->iova.v, error->text);
		record_note(run->record, "left out: %s at IOVA 0x%" PRIx64 ": %s", item->name, item->iova.v,
			error->text);
		return 0;
	}
	held->iova = item->iova;
	ret = pagemap_read(held->buffer.addr, item->size, &before);
	asked_ns = record_clock_ns();
	err = ret < 0 ? 0
		      : run->backend->kind->map(
				run->backend, item->iova, item->size, held->buffer.addr, item->prot);
	held->mapped = ret == 0 && err == 0;
	if (ret == 0)
		ret = record_made(run, item, &held->buffer, asked_ns, err, &before, &after);
	if (err < 0) {
		say_refused(run, item, -err);
		run->n_failed++;
		run->full = err == -ENOSPC;
		buffer_free(&held->buffer);
	}
	extents_free(&before);
	extents_free(&after);
	return ret < 0 ? probe_fail(error, ENOMEM, "out of memory") : 0;
}

/* Whether to stop after item I: more of the same would teach nothing. */
static bool
given_up(struct map_run *run, size_t i)
{
	const size_t left = run->pattern.n - i - 1;

	if (left == 0 || (!run->full && run->n_failed < FAILURES_MAX))
		return false;
	probe_say("the %zu mappings after that are not tried", left);
	record_note(run->record, "%zu mappings were not tried after %zu refused", left, run->n_failed);
	return true;
}

int
map_run_make(struct map_run *run, struct probe_error *error)
{
	struct prng prng = { run->options->seed };

	note_unplaced(run);
	for (size_t i = 0; i < run->pattern.n; i++) {
		if (signals_count() > 0)
			return probe_fail(error, EINTR, "%s before all mappings were made", signals_first());
		if (run->record->failed)
			return probe_fail(error, EIO, "stopped: the record cannot be written");
		if (make_one(run, i, &prng, error) < 0)
			return -1;
		if (given_up(run, i))
			break;
	}
	return 0;
}

static void
unmap_one(struct map_run *run, size_t i)
{
	struct held_mapping *held = &run->held[i];
	uint64_t gone = 0, asked_ns;
	int err;

	if (!held->mapped)
		return;
	asked_ns = record_clock_ns();
	err = run->backend->kind->unmap(run->backend, held->iova, held->buffer.size, &gone);
	run->record->at_ns = asked_ns;
	record_unmap(run->record, run->backend->space, held->iova, held->buffer.size, -err);
	run->record->at_ns = 0;
	witness_write(run->witness, run->record);
	held->mapped = err < 0;
	if (err < 0) {
		probe_say("the kernel refused to unmap 0x%" PRIx64 " bytes at IOVA 0x%" PRIx64 ": %s",
			held->buffer.size, held->iova.v, errno_name(-err));
		run->n_failed++;
		return;
	}
	if (gone != held->buffer.size)
		record_note(run->record,
			"the kernel says it unmapped 0x%" PRIx64 " of 0x%" PRIx64 " bytes at IOVA 0x%" PRIx64,
			gone, held->buffer.size, held->iova.v);
	buffer_free(&held->buffer);
}

void
map_run_unmap_half(struct map_run *run)
{
	bool odd = false;

	for (size_t i = 0; i < run->pattern.n; i++) {
		if (!run->held[i].mapped)
			continue;
		if (odd)
			unmap_one(run, i);
		odd = !odd;
	}
}

void
map_run_undo(struct map_run *run)
{
	for (size_t i = 0; run->held != NULL && i < run->pattern.n; i++)
		unmap_one(run, i);
}

void
map_run_free(struct map_run *run)
{
	for (size_t i = 0; run->held != NULL && i < run->pattern.n; i++)
		buffer_free(&run->held[i].buffer);
	free(run->held);
	run->held = NULL;
	pattern_free(&run->pattern);
}

size_t
map_run_count(const struct map_run *run, uint64_t *bytes)
{
	size_t n = 0;

	*bytes = 0;
	for (size_t i = 0; i < run->pattern.n; i++) {
		if (!run->held[i].mapped)
			continue;
		n++;
		*bytes += run->held[i].buffer.size;
	}
	return n;
}
