/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/record-writer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/report.h"
#include "sys/errno-text.h"
#include "sys/parse.h"
#include "sys/sysfs.h"
#include "viommu/record.h"

enum { IOMMUS_MAX = 32 };

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

uint64_t
record_clock_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void
record_begin(struct record_writer *ret, struct output *output)
{
	*ret = (struct record_writer){ .output = output };
}

void
record_free(struct record_writer *record)
{
	json_free(&record->json);
}

void
record_event_write(struct record_writer *record)
{
	json_close_object(&record->json);
	json_newline(&record->json);
	if (record->json.oom && !record->failed) {
		probe_say("the record is cut off: out of memory");
		record->failed = true;
	}
	if (record->failed)
		return;
	if (record->queue == NULL) {
		record->failed = output_write(record->output, record->json.data, record->json.len) < 0;
		return;
	}
	if (queue_put(record->queue, record->json.data, record->json.len))
		return;
	/* The number goes to the next event: a gap would count as lost, too. */
	record->seq--;
	record->lost++;
	record->failed = record->output->err != 0;
}

static struct json *
begin_line(struct record_writer *record)
{
	json_reset(&record->json);
	json_open_object(&record->json);
	return &record->json;
}

static void
tell_lost(struct record_writer *record)
{
	const uint64_t lost = record->lost;

	record->lost = 0;
	record_lost(record, lost, "the reader of the record was too slow");
	if (record->lost > 0) /* refused again */
		record->lost = lost;
}

struct json *
record_event_begin(struct record_writer *record, const char *event)
{
	struct json *json;

	if (record->lost > 0 && strcmp(event, VIOMMU_EVENT_LOST) != 0)
		tell_lost(record);
	json = begin_line(record);
	record->last_ns = clock_ns(CLOCK_MONOTONIC);
	record->at_rest = false;
	json_add_uint(json, "seq", ++record->seq);
	json_add_uint(json, "time_ns", record->at_ns != 0 ? record->at_ns : record->last_ns);
	json_add_string(json, "event", event);
	return json;
}

static void
add_iommus(struct json *json)
{
	struct iommu_facts iommus[IOMMUS_MAX];
	const size_t n = sysfs_iommus(iommus, IOMMUS_MAX);

	json_key(json, "iommus");
	json_open_array(json);
	for (size_t i = 0; i < n; i++) {
		json_open_object(json);
		json_add_string(json, "name", iommus[i].name);
		if (iommus[i].address[0])
			json_add_string(json, "address", iommus[i].address);
		if (iommus[i].version[0])
			json_add_string(json, "version", iommus[i].version);
		if (iommus[i].cap[0])
			json_add_string(json, "cap", iommus[i].cap);
		if (iommus[i].ecap[0])
			json_add_string(json, "ecap", iommus[i].ecap);
		json_close_object(json);
	}
	json_close_array(json);
}

static void
add_session(struct json *json)
{
	char text[24];
	uint64_t session;

	/* Early in boot the pool may not be ready; the clock has to do then. */
	if (getrandom(&session, sizeof session, GRND_NONBLOCK) != (ssize_t) sizeof session)
		session = clock_ns(CLOCK_REALTIME) ^ (uint64_t) getpid() << 40;
	snprintf(text, sizeof text, "%016" PRIx64, session);
	json_add_string(json, "session", text);
}

void
record_header(struct record_writer *record, const char *program)
{
	struct json *json = begin_line(record);
	struct utsname kernel = { 0 };
	char text[4096];

	json_add_string(json, "event", VIOMMU_EVENT_HEADER);
	json_add_string(json, "format", VIOMMU_RECORD_FORMAT);
	json_add_uint(json, "version", VIOMMU_RECORD_VERSION);
	add_session(json);
	snprintf(text, sizeof text, "%s %s", program, VIOMMU_VERSION);
	json_add_string(json, "program", text);
	if (read_text_file("/proc/sys/kernel/random/boot_id", text, sizeof text) > 0)
		json_add_string(json, "boot_id", text);
	(void) uname(&kernel);
	snprintf(text, sizeof text, "%s %s %s", kernel.sysname, kernel.release, kernel.version);
	json_add_string(json, "kernel", text);
	if (read_text_file("/proc/cmdline", text, sizeof text) >= 0)
		json_add_string(json, "cmdline", text);
	json_add_uint(json, "realtime_ns", clock_ns(CLOCK_REALTIME));
	json_add_uint(json, "monotonic_ns", clock_ns(CLOCK_MONOTONIC));
	add_iommus(json);
	record_event_write(record);
}

void
record_doctor(struct record_writer *record, const struct json *checks)
{
	struct json *json = record_event_begin(record, VIOMMU_EVENT_DOCTOR);

	json_key(json, "checks");
	json_value(json, checks);
	record_event_write(record);
}

void
record_add_device(struct json *json, unsigned space, const char *backend, const char *device, int group)
{
	json_add_uint(json, "space", space);
	json_add_string(json, "device", device);
	json_add_string(json, "backend", backend);
	if (group >= 0)
		json_add_uint(json, "group", (uint64_t) group);
}

void
record_add_ranges(struct json *json, const struct iova_ranges *ranges)
{
	if (!ranges->from_kernel)
		return;
	json_key(json, "iova_ranges");
	json_open_array(json);
	for (size_t i = 0; i < ranges->n; i++) {
		json_open_object(json);
		json_add_hex(json, "first", ranges->range[i].first);
		json_add_hex(json, "last", ranges->range[i].last);
		json_close_object(json);
	}
	json_close_array(json);
}

void
record_attach(struct record_writer *record, unsigned space, const char *backend, const char *device, int group,
	const struct iova_ranges *ranges)
{
	struct json *json = record_event_begin(record, VIOMMU_EVENT_ATTACH);

	record_add_device(json, space, backend, device, group);
	json_add_bool(json, "complete", true);
	record_add_ranges(json, ranges);
	record_event_write(record);
}

void
record_detach(
	struct record_writer *record, unsigned space, const char *backend, const char *device, int group)
{
	struct json *json = record_event_begin(record, VIOMMU_EVENT_DETACH);

	record_add_device(json, space, backend, device, group);
	record_event_write(record);
}

void
record_add_area(struct json *json, unsigned space, viommu_iova iova, uint64_t size)
{
	json_add_uint(json, "space", space);
	json_add_hex(json, "iova", iova.v);
	json_add_hex(json, "size", size);
}

void
record_add_errno(struct json *json, int err)
{
	if (err == 0)
		return;
	json_add_uint(json, "errno", (uint64_t) err);
	json_add_string(json, "error", errno_name(err));
}

void
record_add_extents(struct json *json, const struct extents *extents)
{
	json_key(json, "extents");
	json_open_array(json);
	for (size_t i = 0; i < extents->n; i++) {
		json_open_object(json);
		json_add_hex(json, "gpa", extents->extent[i].gpa.v);
		json_add_hex(json, "size", extents->extent[i].size);
		json_close_object(json);
	}
	json_close_array(json);
	if (extents->unknown != NULL)
		json_add_string(json, "gpa_unknown", extents->unknown);
}

void
record_map(struct record_writer *record, unsigned space, const struct record_map *map)
{
	struct json *json = record_event_begin(record, VIOMMU_EVENT_MAP);

	record_add_area(json, space, map->iova, map->size);
	json_add_string(json, "prot", prot_name(map->prot));
	json_add_hex(json, "vaddr", (uint64_t) (uintptr_t) map->vaddr);
	json_add_hex(json, "page_size", map->page_size);
	if (map->err == 0)
		record_add_extents(json, map->extents);
	record_add_errno(json, map->err);
	record_event_write(record);
}

void
record_unmap(struct record_writer *record, unsigned space, viommu_iova iova, uint64_t size, int err)
{
	struct json *json = record_event_begin(record, VIOMMU_EVENT_UNMAP);

	record_add_area(json, space, iova, size);
	record_add_errno(json, err);
	record_event_write(record);
}

void
record_mark(struct record_writer *record, const char *name)
{
	json_add_string(record_event_begin(record, VIOMMU_EVENT_MARK), "name", name);
	record_event_write(record);
	record->at_rest = true;
}

void
record_mark_until(struct record_writer *record, const char *name, uint64_t until_ns)
{
	struct json *json = record_event_begin(record, VIOMMU_EVENT_MARK);

	json_add_string(json, "name", name);
	json_add_uint(json, VIOMMU_MARK_UNTIL, until_ns);
	record_event_write(record);
	record->at_rest = true;
}

void
record_busy(struct record_writer *record)
{
	(void) record_event_begin(record, VIOMMU_EVENT_BUSY);
	record_event_write(record);
}

void
record_note(struct record_writer *record, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	json_add_string(record_event_begin(record, VIOMMU_EVENT_NOTE), "text", text);
	record_event_write(record);
}

void
record_lost(struct record_writer *record, uint64_t count, const char *reason)
{
	record_lost_of(record, count, NULL, reason);
}

void
record_lost_of(struct record_writer *record, uint64_t count, const char *event, const char *reason)
{
	struct json *json = record_event_begin(record, VIOMMU_EVENT_LOST);

	json_add_uint(json, "count", count);
	json_add_string(json, "reason", reason);
	if (event != NULL)
		json_add_string(json, "of", event);
	record_event_write(record);
}

void
record_drain(struct record_writer *record)
{
	if (record->queue == NULL)
		return;
	if (queue_drain(record->queue) < 0)
		record->failed = true;
	if (record->lost > 0)
		tell_lost(record);
}

void
record_end(struct record_writer *record, const char *reason)
{
	json_add_string(record_event_begin(record, VIOMMU_EVENT_END), "reason", reason);
	record_event_write(record);
}
