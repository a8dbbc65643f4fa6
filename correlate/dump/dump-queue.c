/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "dump/dump.h"
#include "text/json-text.h"
#include "text/text.h"

typedef struct {
	GString *json;
	uint64_t done, pending;
} printer;

static const char *
state_text(vtd_descriptor_state state)
{
	return state == VTD_DESCRIPTOR_DONE ? "done" : "PENDING";
}

static void
put_wait(GString *out, const vtd_descriptor *d)
{
	viommu_jt_bool(out, "fence", d->fence);
	viommu_jt_bool(out, "interrupt", d->interrupt);
	if (d->status_write) {
		viommu_jt_hex(out, "status_gpa", d->status_address.v);
		viommu_jt_int(out, "status", d->status);
	}
}

static void
print_wait(const vtd_descriptor *d)
{
	if (d->status_write)
		printf(", writes %u to GPA 0x%" PRIx64, d->status, d->status_address.v);
	printf("%s%s", d->interrupt ? ", interrupt" : "", d->fence ? ", fence" : "");
}

static void
print_json(GString *out, const vtd_descriptor *d)
{
	viommu_jt_begin(out, NULL, '{');
	viommu_jt_int(out, "index", d->index);
	viommu_jt_word(out, "state", state_text(d->state));
	viommu_jt_hex(out, "entry_gpa", d->entry.v);
	viommu_jt_word(out, "name", d->name);
	viommu_jt_int(out, "type", d->type);
	if (d->granularity)
		viommu_jt_word(out, "granularity", d->granularity);
	viommu_jt_begin(out, "entry", '[');
	for (unsigned i = 0; i < d->words; i++)
		viommu_jt_hex(out, NULL, d->raw[i]);
	viommu_jt_end(out, ']');
	if (d->has_did)
		viommu_jt_int(out, "domain", d->did);
	if (d->has_sid)
		viommu_jt_bdf(out, "device", d->sid);
	if (d->has_pasid)
		viommu_jt_int(out, "pasid", d->pasid);
	if (d->has_range) {
		viommu_jt_hex(out, "first", d->range.first);
		viommu_jt_hex(out, "last", d->range.last);
	}
	if (d->has_index) {
		viommu_jt_int(out, "first_index", d->first_index);
		viommu_jt_int(out, "indexes", d->indexes);
	}
	if (d->type == VTD_INV_WAIT)
		put_wait(out, d);
	viommu_jt_end(out, '}');
	viommu_jt_flush(out, stdout);
}

static void
print_descriptor(const vtd_descriptor *d, void *user)
{
	printer *p = user;

	p->done += d->state == VTD_DESCRIPTOR_DONE;
	p->pending += d->state == VTD_DESCRIPTOR_PENDING;
	if (p->json) {
		print_json(p->json, d);
		return;
	}
	printf("  %5u  %-10s %s", d->index, state_text(d->state), d->name);
	if (d->granularity)
		printf(", %s", d->granularity);
	if (d->has_did)
		printf(", domain %u", d->did);
	if (d->has_pasid)
		printf(", PASID %u", d->pasid);
	if (d->has_sid)
		printf(", device %s", viommu_bdf_text(d->sid).text);
	if (d->has_range)
		printf(", 0x%" PRIx64 "-0x%" PRIx64, d->range.first, d->range.last);
	if (d->has_index && d->indexes == 1)
		printf(", index %u", d->first_index);
	else if (d->has_index)
		printf(", %u indexes from %u", d->indexes, d->first_index);
	if (d->type == VTD_INV_WAIT)
		print_wait(d);
	printf("  [");
	for (unsigned i = 0; i < d->words; i++)
		printf("%s0x%" PRIx64, i ? " " : "", d->raw[i]);
	printf("]\n");
}

static void
print_head(const vtd_queue *queue)
{
	printf("\n%sinvalidation queue%s at GPA 0x%" PRIx64 ": %u descriptors of %u bits%s, head %u, tail %u%s\n",
		viommu_tone_on(VIOMMU_STRONG), viommu_tone_off(VIOMMU_STRONG), queue->base.v, queue->entries, queue->width * 8,
		queue->width_inferred ? " (inferred from scalable mode; this QEMU does not show IQA.DW)" : "", queue->head,
		queue->tail, queue->enabled ? "" : "; not enabled (GSTS.QIES = 0)");
	if (queue->error)
		printf("  FSTS.IQE is set: QEMU refused the descriptor at the head and takes no more\n");
}

static void
put_head(GString *out, const vtd_queue *queue)
{
	viommu_jt_hex(out, "base", queue->base.v);
	viommu_jt_int(out, "size", queue->entries);
	viommu_jt_int(out, "descriptor_bits", queue->width * 8);
	viommu_jt_int(out, "head", queue->head);
	viommu_jt_int(out, "tail", queue->tail);
	viommu_jt_bool(out, "width_inferred", queue->width_inferred);
	viommu_jt_bool(out, "error", queue->error);
}

static void
print_sum(const vtd_queue *queue, const vtd_queue_facts *facts, const printer *p)
{
	if (facts->unreadable)
		printf("  %s descriptors: their page is %s\n", viommu_count_text(facts->unreadable).text,
			viommu_page_status_text(facts->status));
	if (facts->unreadable < queue->entries)
		printf("  %s done, %s pending; %s\n", viommu_count_text(p->done).text, viommu_count_text(p->pending).text,
			facts->wrapped ? "the ring has wrapped: older descriptors are gone" : "the ring has not wrapped");
}

gboolean
viommu_dump_queue(const viommu_target *target, GString *json, GError **error)
{
	printer p = { .json = json };
	vtd_queue_facts facts;
	vtd_queue queue;

	vtd_queue_init(&target->unit, target->registers, &queue);
	if (json) {
		viommu_jt_begin(json, "queue", '{');
		viommu_jt_bool(json, "enabled", queue.enabled);
		if (queue.enabled)
			put_head(json, &queue);
		viommu_jt_begin(json, "descriptors", '[');
	} else {
		print_head(&queue);
	}
	if (queue.enabled && !vtd_walk_queue(&queue, target->memory, &facts, print_descriptor, &p, error))
		return FALSE;
	if (json) {
		viommu_jt_end(json, ']');
		if (queue.enabled) {
			viommu_jt_bool(json, "wrapped", facts.wrapped);
			viommu_jt_int(json, "unreadable", facts.unreadable);
		}
		viommu_jt_end(json, '}');
	} else if (queue.enabled) {
		print_sum(&queue, &facts, &p);
	}
	return TRUE;
}
