/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/witness.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/trace-invalidate.h"
#include "trace/trace-queue.h"
#include "trace/trace-source.h"
#include "viommu/record.h"

enum {
	BUFFER_KIB = 4 << 10,
	ROUNDS_MAX = 1000,
};

struct witness {
	struct trace_source *source;
	struct trace_queue queue;
	bool failed;
};

struct witness *
witness_open(struct probe_error *error)
{
	const struct trace_source_options options = {
		.buffer_kib = BUFFER_KIB,
		.invalidations = true,
		.only_thread = (int) syscall(SYS_gettid),
	};
	struct witness *witness = calloc(1, sizeof *witness);

	if (witness == NULL) {
		(void) probe_fail(error, ENOMEM, "out of memory");
		return NULL;
	}
	witness->source = trace_source_open(&options, error);
	if (witness->source == NULL || trace_source_start(witness->source, error) < 0) {
		witness_close(witness);
		return NULL;
	}
	return witness;
}

static void
take_event(const struct trace_event *event, void *data)
{
	trace_queue_add(data, event);
}

static void
write_all(struct trace_queue *queue, struct record_writer *record)
{
	const struct trace_event *event;

	trace_queue_sort(queue);
	while ((event = trace_queue_first(queue, UINT64_MAX)) != NULL) {
		if (event->kind == TRACE_LOST)
			record_lost_of(record, event->lost, VIOMMU_EVENT_INVALIDATE,
				"the kernel's trace buffer was full");
		else
			trace_invalidate_write(record, event);
		trace_queue_pop(queue);
	}
	if (queue->dropped > 0)
		record_lost_of(record, queue->dropped, VIOMMU_EVENT_INVALIDATE, "out of memory");
	queue->dropped = 0;
}

void
witness_write(struct witness *witness, struct record_writer *record)
{
	struct probe_error error = { 0 };
	uint64_t until;
	int n = 1;

	if (witness == NULL || witness->failed)
		return;
	for (int i = 0; n > 0 && i < ROUNDS_MAX; i++)
		n = trace_source_read(witness->source, take_event, &witness->queue, &until, &error);
	write_all(&witness->queue, record);
	if (n >= 0)
		return;
	witness->failed = true;
	probe_say("invalidations are not recorded from here on: %s", error.text);
	record_lost_of(record, 0, VIOMMU_EVENT_INVALIDATE, error.text);
}

void
witness_close(struct witness *witness)
{
	if (witness == NULL)
		return;
	if (witness->source != NULL)
		trace_source_close(witness->source);
	trace_queue_free(&witness->queue);
	free(witness);
}
