/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/queue.h"

#include <stdlib.h>
#include <string.h>

void
queue_begin(struct queue *ret, struct output *output, size_t limit)
{
	*ret = (struct queue){ .output = output, .limit = limit };
}

void
queue_free(struct queue *queue)
{
	free(queue->data);
	*queue = (struct queue){ 0 };
}

int
queue_flush(struct queue *queue)
{
	while (queue->len > 0) {
		ssize_t wrote = output_try(queue->output, queue->data + queue->start, queue->len);

		if (wrote < 0) {
			queue->len = 0;
			return -1;
		}
		if (wrote == 0)
			break;
		queue->start += (size_t) wrote;
		queue->len -= (size_t) wrote;
	}
	if (queue->len == 0)
		queue->start = 0;
	if (queue->len <= queue->limit / 2)
		queue->full = false;
	return queue->output->err ? -1 : 0;
}

static bool
make_room(struct queue *queue, size_t len)
{
	size_t capacity = queue->capacity ? queue->capacity : 65536;
	char *grown;

	if (len > queue->limit || queue->len > queue->limit - len)
		return false;
	if (queue->start > 0 && queue->capacity - queue->start - queue->len < len) {
		memmove(queue->data, queue->data + queue->start, queue->len);
		queue->start = 0;
	}
	if (queue->capacity - queue->start - queue->len >= len)
		return true;
	while (capacity < queue->len + len)
		capacity *= 2;
	grown = realloc(queue->data, capacity);
	if (grown == NULL)
		return false;
	queue->data = grown;
	queue->capacity = capacity;
	return true;
}

bool
queue_put(struct queue *queue, const char *bytes, size_t len)
{
	ssize_t wrote = 0;

	if (queue_flush(queue) < 0 || queue->full)
		return false;
	/* Room first: a line that has begun has to be finished. */
	if (!make_room(queue, len)) {
		queue->full = true;
		return false;
	}
	if (queue->len == 0)
		wrote = output_try(queue->output, bytes, len);
	if (wrote < 0)
		return false;
	memcpy(queue->data + queue->start + queue->len, bytes + wrote, len - (size_t) wrote);
	queue->len += len - (size_t) wrote;
	return true;
}

int
queue_drain(struct queue *queue)
{
	const size_t len = queue->len;

	queue->len = 0;
	queue->full = false;
	return len > 0 ? output_write(queue->output, queue->data + queue->start, len) : 0;
}
