/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-queue.h"

#include <stdlib.h>
#include <string.h>

#include "trace/trace-qi.h"

enum {
	FIRST_CAPACITY = 4096,
	CAPACITY_MAX = 1 << 22, /* half a GiB of events */
	LOOK_AHEAD = 512,
};

void
trace_queue_add(struct trace_queue *queue, const struct trace_event *event)
{
	if (queue->n == queue->capacity && queue->head > queue->n / 2) {
		memmove(queue->event, queue->event + queue->head, (queue->n - queue->head) * sizeof *event);
		queue->n -= queue->head;
		queue->sorted -= queue->head;
		queue->head = 0;
	}
	if (queue->n == queue->capacity) {
		const size_t capacity = queue->capacity ? queue->capacity * 2 : FIRST_CAPACITY;
		struct trace_event *grown = NULL;

		if (capacity <= CAPACITY_MAX)
			grown = realloc(queue->event, capacity * sizeof *grown);
		if (grown == NULL) {
			queue->dropped++;
			return;
		}
		queue->event = grown;
		queue->capacity = capacity;
	}
	queue->event[queue->n++] = *event;
}

/* Merges the runs [0, middle) and [middle, n) of FROM, each in order, into TO. */
static void
merge_runs(struct trace_event *to, const struct trace_event *from, size_t middle, size_t n)
{
	size_t a = 0, b = middle;

	for (size_t i = 0; i < n; i++)
		to[i] = b == n || (a < middle && from[a].ns <= from[b].ns) ? from[a++] : from[b++];
}

/* Each CPU's events come in order, so there are few runs: a natural merge
 * sort, which keeps equal times in the order of their CPU's buffer. */
void
trace_queue_sort(struct trace_queue *queue)
{
	struct trace_event *event = queue->event + queue->head, *room;
	const size_t n = queue->n - queue->head;
	size_t done = queue->sorted > queue->head ? queue->sorted - queue->head : 0;

	while (done < n && (done == 0 || event[done - 1].ns <= event[done].ns))
		done++;
	room = done < n ? malloc(n * sizeof *room) : NULL;
	while (done < n && room != NULL) {
		size_t end = done + 1;

		while (end < n && event[end - 1].ns <= event[end].ns)
			end++;
		merge_runs(room, event, done, end);
		memcpy(event, room, end * sizeof *room);
		done = end;
	}
	free(room);
	queue->sorted = queue->n;
}

const struct trace_event *
trace_queue_first(const struct trace_queue *queue, uint64_t until)
{
	if (queue->head == queue->n || queue->event[queue->head].ns > until)
		return NULL;
	return &queue->event[queue->head];
}

void
trace_queue_pop(struct trace_queue *queue)
{
	queue->head++;
	if (queue->head == queue->n)
		queue->head = queue->n = queue->sorted = 0;
}

void
trace_queue_free(struct trace_queue *queue)
{
	free(queue->event);
	*queue = (struct trace_queue){ 0 };
}

static bool
ranges_meet(uint64_t a, uint64_t a_last, uint64_t b, uint64_t b_last)
{
	return a <= b_last && b <= a_last;
}

/* Whether EVENT flushes all of the range of FIRST, which tells its domain. */
static bool
flushes(const struct trace_event *event, const struct trace_event *first)
{
	const uint64_t last = first->map.iova + (first->map.size - 1);
	struct trace_qi_fields fields;

	if (event->kind == (first->kind == TRACE_MAP ? TRACE_FLUSH_NP : TRACE_FLUSH))
		return event->flush.type == 0 && event->flush.start <= first->map.iova &&
		       event->flush.end >= last;
	if (event->kind != TRACE_QI)
		return false;
	fields = trace_qi_decode(&event->qi);
	if (!fields.is_iotlb || !fields.has_did)
		return false;
	/* Everything of a domain is flushed for a large range, but by many others too. */
	if (!fields.has_range)
		return first->kind == TRACE_UNMAP;
	return fields.first <= first->map.iova && fields.last >= last;
}

static bool
tells_device(const struct trace_event *event, const struct trace_event *first)
{
	/* IOVAs are handed out in pages, what the driver gets may begin within one. */
	return event->kind == TRACE_DMA && event->dma.size != 0 &&
	       ranges_meet(event->dma.addr, event->dma.addr + (event->dma.size - 1), first->map.iova,
		       first->map.iova + (first->map.size - 1));
}

/* Whether what comes after EVENT belongs to another request. */
static bool
ends_request(const struct trace_event *event, const struct trace_event *first)
{
	switch (event->kind) {
	case TRACE_CALL:
	case TRACE_RETURN:
	case TRACE_ATTACH:
	case TRACE_TAG:
	case TRACE_TASK_EXIT:
		return true;
	case TRACE_QI:
		/* A device changes its domain: what is flushed next is about that. */
		return trace_qi_decode(&event->qi).is_entry;
	case TRACE_MAP:
		return first->kind == TRACE_UNMAP ||
		       ranges_meet(event->map.iova, event->map.iova + (event->map.size - 1), first->map.iova,
			       first->map.iova + (first->map.size - 1));
	case TRACE_UNMAP:
		return first->kind == TRACE_MAP;
	default:
		return false;
	}
}

struct trace_sequel
trace_queue_sequel(const struct trace_queue *queue, bool caching_mode)
{
	const struct trace_event *first = &queue->event[queue->head];
	struct trace_sequel sequel = { 0 };

	for (size_t i = queue->head + 1; i < queue->n && i - queue->head < LOOK_AHEAD; i++) {
		const struct trace_event *event = &queue->event[i];

		if (event->ns - first->ns > TRACE_FOLLOW_NS ||
			(event->kind == TRACE_LOST && event->cpu == first->cpu))
			break;
		if (!trace_same_context(event, first))
			continue;
		if (ends_request(event, first))
			break;
		if (!sequel.has_did && (caching_mode || first->kind == TRACE_UNMAP) &&
			flushes(event, first)) {
			sequel.has_did = true;
			sequel.iommu = event->name;
			sequel.did =
				event->kind == TRACE_QI ? trace_qi_decode(&event->qi).did : event->flush.did;
		}
		if (first->kind == TRACE_MAP && tells_device(event, first)) {
			sequel.dma = event;
			break;
		}
	}
	return sequel;
}
