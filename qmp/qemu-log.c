/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU log as it comes in: lines, of bounded length; events, of bounded number, with
 * those joined that only go on where the one before ended.
 */
#include <viommu/qemu-log.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "qemu-log-line.h"

#define LINE_LIMIT 2048            /* longer ones are cut; QEMU's own are not  */
#define EVENTS_LIMIT (1u << 20)    /* then the older half goes: about 80 MiB   */
#define MESSAGES_KEPT 8            /* of each kind                             */

struct viommu_qemu_log {
	char *path;
	GArray *events;
	GPtrArray *messages;
	uint64_t counts[VIOMMU_QLOG_KINDS];
	uint64_t lines, known, dropped;
	uint64_t bytes; /* of the file */
	GString *line;
	bool current;
};

static void
message_free(void *data)
{
	viommu_qlog_message *message = data;

	g_free(message->text);
	g_free(message);
}

viommu_qemu_log *
viommu_qemu_log_new(const char *path)
{
	viommu_qemu_log *self = g_new0(viommu_qemu_log, 1);

	self->path = g_strdup(path);
	self->events = g_array_new(FALSE, FALSE, sizeof(viommu_qlog_event));
	self->messages = g_ptr_array_new_with_free_func(message_free);
	self->line = g_string_new(NULL);
	return self;
}

void
viommu_qemu_log_free(viommu_qemu_log *self)
{
	if (!self)
		return;
	g_array_unref(self->events);
	g_ptr_array_unref(self->messages);
	g_string_free(self->line, TRUE);
	g_free(self->path);
	g_free(self);
}

static bool
follows(const viommu_qlog_event *before, const viommu_qlog_event *next)
{
	return before->kind == next->kind && before->iova.last != UINT64_MAX && next->iova.first == before->iova.last + 1 &&
		before->read == next->read && before->write == next->write && before->has_did == next->has_did &&
		before->did == next->did && before->has_gpa == next->has_gpa &&
		(!next->has_gpa || next->gpa.v == before->gpa.v + (next->iova.first - before->iova.first));
}

static bool
may_join(viommu_qlog_kind kind)
{
	return kind == VIOMMU_QLOG_MAP || kind == VIOMMU_QLOG_UNMAP || kind == VIOMMU_QLOG_MAP_KNOWN ||
		kind == VIOMMU_QLOG_UNMAP_KNOWN || kind == VIOMMU_QLOG_NOTICE_MAP || kind == VIOMMU_QLOG_NOTICE_UNMAP;
}

static viommu_qlog_event *
last_event(const viommu_qemu_log *self, guint back)
{
	return self->events->len > back ? &g_array_index(self->events, viommu_qlog_event, self->events->len - 1 - back) : NULL;
}

/* The last event is whole now: joins it with the one before if it can be. */
static void
join(viommu_qemu_log *self)
{
	viommu_qlog_event *last = last_event(self, 0), *before = last_event(self, 1);

	if (!before || !may_join(last->kind) || before->has_notice != last->has_notice || !follows(before, last))
		return;
	before->iova.last = last->iova.last;
	before->joined = true;
	g_array_set_size(self->events, self->events->len - 1);
}

/* vfio's event stands right behind that of the walk which led to it, once for each
 * container that listens. */
static bool
is_notice_of(const viommu_qlog_event *notice, const viommu_qlog_event *walk)
{
	return ((notice->kind == VIOMMU_QLOG_NOTICE_MAP && walk->kind == VIOMMU_QLOG_MAP) ||
		(notice->kind == VIOMMU_QLOG_NOTICE_UNMAP && walk->kind == VIOMMU_QLOG_UNMAP)) &&
		notice->iova.first >= walk->iova.first && notice->iova.last <= walk->iova.last;
}

static void
add_event(viommu_qemu_log *self, const viommu_qlog_event *event)
{
	viommu_qlog_event *last = last_event(self, 0);

	if (last && is_notice_of(event, last)) {
		last->has_notice = true;
		return;
	}
	if (last)
		join(self);
	if (self->events->len == EVENTS_LIMIT) {
		g_array_remove_range(self->events, 0, EVENTS_LIMIT / 2);
		self->dropped += EVENTS_LIMIT / 2;
	}
	g_array_append_vals(self->events, event, 1);
}

static void
add_message(viommu_qemu_log *self, const viommu_qlog_event *event)
{
	viommu_qlog_message *message;

	if (self->counts[event->kind] > MESSAGES_KEPT)
		return;
	message = g_new0(viommu_qlog_message, 1);
	message->event = *event;
	message->text = g_strndup(self->line->str, 400);
	g_ptr_array_add(self->messages, message);
}

static void
end_line(viommu_qemu_log *self)
{
	viommu_qlog_event event;
	qlog_line kind;

	self->lines++;
	if (self->line->len && self->line->str[self->line->len - 1] == '\r')
		g_string_truncate(self->line, self->line->len - 1);
	kind = viommu_qemu_log_line(self->line->str, &event);
	if (kind != QLOG_OTHER)
		self->known++;
	if (kind == QLOG_EVENT) {
		event.line = self->lines;
		self->counts[event.kind]++;
		if (event.kind >= VIOMMU_QLOG_FIRST_MESSAGE)
			add_message(self, &event);
		else
			add_event(self, &event);
	}
	g_string_truncate(self->line, 0);
}

void
viommu_qemu_log_feed(viommu_qemu_log *self, const char *bytes, size_t len)
{
	while (len) {
		const char *end = memchr(bytes, '\n', len);
		size_t n = end ? (size_t) (end - bytes) : len, room = LINE_LIMIT - self->line->len;

		g_string_append_len(self->line, bytes, (gssize) MIN(n, room));
		if (!end)
			return;
		end_line(self);
		bytes += n + 1;
		len -= n + 1;
	}
}

void
viommu_qemu_log_finish(viommu_qemu_log *self)
{
	if (self->line->len)
		end_line(self);
	if (last_event(self, 0))
		join(self);
}

gboolean
viommu_qemu_log_follow(viommu_qemu_log *self, GError **error)
{
	bool standard = strcmp(self->path, "-") == 0;
	FILE *file = standard ? stdin : fopen(self->path, "rbe");
	char chunk[64 * 1024];
	const char *mistaken = NULL;
	bool failed;
	size_t n;
	int why;

	if (!file) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot open QEMU's log %s: %s", self->path, g_strerror(errno));
		return FALSE;
	}
	if (self->bytes)
		fseeko(file, (off_t) self->bytes, SEEK_SET);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		mistaken = self->bytes ? NULL : viommu_file_mistaken(chunk, n);
		if (mistaken)
			break;
		viommu_qemu_log_feed(self, chunk, n);
		self->bytes += n;
	}
	failed = ferror(file) != 0;
	why = errno;
	if (!standard)
		fclose(file);
	if (failed)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read QEMU's log %s: %s", self->path, g_strerror(why));
	if (mistaken)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read QEMU's log %s: %s", self->path, mistaken);
	return !failed && !mistaken;
}

uint64_t
viommu_qemu_log_bytes(const viommu_qemu_log *self)
{
	return self->bytes;
}

viommu_qemu_log *
viommu_qemu_log_read(const char *path, GError **error)
{
	g_autoptr(viommu_qemu_log) self = viommu_qemu_log_new(path);

	if (!viommu_qemu_log_follow(self, error))
		return NULL;
	viommu_qemu_log_finish(self);
	return g_steal_pointer(&self);
}

const char *
viommu_qemu_log_path(const viommu_qemu_log *self)
{
	return self->path;
}

uint64_t
viommu_qemu_log_lines(const viommu_qemu_log *self)
{
	return self->lines;
}

const GArray *
viommu_qemu_log_events(const viommu_qemu_log *self)
{
	return self->events;
}

const GPtrArray *
viommu_qemu_log_messages(const viommu_qemu_log *self)
{
	return self->messages;
}

uint64_t
viommu_qemu_log_count(const viommu_qemu_log *self, viommu_qlog_kind kind)
{
	return self->counts[kind];
}

uint64_t
viommu_qemu_log_known(const viommu_qemu_log *self)
{
	return self->known;
}

uint64_t
viommu_qemu_log_dropped(const viommu_qemu_log *self)
{
	return self->dropped;
}

void
viommu_qemu_log_set_current(viommu_qemu_log *self, bool current)
{
	self->current = current;
}

bool
viommu_qemu_log_current(const viommu_qemu_log *self)
{
	return self->current;
}
