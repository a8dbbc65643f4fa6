/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "dump.h"
#include "text.h"

typedef struct {
	json_t *json;
	uint64_t done, pending;
} printer;

static const char *
state_text(vtd_descriptor_state state)
{
	return state == VTD_DESCRIPTOR_DONE ? "done" : "PENDING";
}

static void
print_json(json_t *list, const vtd_descriptor *d)
{
	json_t *item = json_pack("{s:I, s:s, s:o, s:s, s:i, s:s*}", "index", (json_int_t) d->index, "state",
		state_text(d->state), "entry_gpa", viommu_json_hex(d->entry.v), "name", d->name, "type", (int) d->type,
		"granularity", d->granularity);
	json_t *raw = json_array();

	for (unsigned i = 0; i < d->words; i++)
		json_array_append_new(raw, viommu_json_hex(d->raw[i]));
	json_object_set_new(item, "entry", raw);
	if (d->has_did)
		json_object_set_new(item, "domain", json_integer(d->did));
	if (d->has_sid)
		json_object_set_new(item, "device", viommu_json_bdf(d->sid));
	if (d->has_pasid)
		json_object_set_new(item, "pasid", json_integer(d->pasid));
	if (d->has_range) {
		json_object_set_new(item, "first", viommu_json_hex(d->range.first));
		json_object_set_new(item, "last", viommu_json_hex(d->range.last));
	}
	json_array_append_new(list, item);
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
	printf("  [");
	for (unsigned i = 0; i < d->words; i++)
		printf("%s0x%" PRIx64, i ? " " : "", d->raw[i]);
	printf("]\n");
}

gboolean
viommu_dump_queue(const viommu_target *target, json_t *json, GError **error)
{
	printer p = { .json = json ? json_array() : NULL };
	vtd_queue_facts facts;
	vtd_queue queue;

	vtd_queue_init(&target->unit, target->registers, &queue);
	if (!json) {
		printf("\n%sinvalidation queue%s at GPA 0x%" PRIx64 ": %u descriptors of %u bits%s, head %u, tail %u%s\n",
			viommu_tone_on(VIOMMU_STRONG), viommu_tone_off(VIOMMU_STRONG), queue.base.v, queue.entries, queue.width * 8,
			queue.width_inferred ? " (inferred from scalable mode; this QEMU does not show IQA.DW)" : "", queue.head,
			queue.tail, queue.enabled ? "" : "; not enabled (GSTS.QIES = 0)");
		if (queue.error)
			printf("  FSTS.IQE is set: QEMU refused the descriptor at the head and takes no more\n");
	}
	if (!queue.enabled) {
		if (json)
			json_object_set_new(json, "queue", json_pack("{s:b, s:o}", "enabled", 0, "descriptors", p.json));
		return TRUE;
	}
	if (!vtd_walk_queue(&queue, target->memory, &facts, print_descriptor, &p, error)) {
		json_decref(p.json);
		return FALSE;
	}
	if (json) {
		json_object_set_new(json, "queue", json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:I, s:o}", "enabled", 1,
			"base", viommu_json_hex(queue.base.v), "size", (json_int_t) queue.entries, "descriptor_bits",
			(json_int_t) queue.width * 8, "head", (json_int_t) queue.head, "tail", (json_int_t) queue.tail,
			"width_inferred", queue.width_inferred, "error", queue.error, "wrapped", facts.wrapped, "unreadable",
			(json_int_t) facts.unreadable, "descriptors", p.json));
		return TRUE;
	}
	if (facts.unreadable)
		printf("  %s descriptors: their page is %s\n", viommu_count_text(facts.unreadable).text,
			viommu_page_status_text(facts.status));
	if (facts.unreadable < queue.entries)
		printf("  %s done, %s pending; %s\n", viommu_count_text(p.done).text, viommu_count_text(p.pending).text,
			facts.wrapped ? "the ring has wrapped: older descriptors are gone" : "the ring has not wrapped");
	return TRUE;
}
