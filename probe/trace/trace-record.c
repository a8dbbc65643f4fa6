/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/parse.h"
#include "sys/sysfs.h"
#include "trace/trace-invalidate.h"
#include "viommu/record.h"

enum { JOINED_MAX = 4096 }; /* extents on one line */

static const char *const backends[] = {
	[SPACE_CONTAINER] = "vfio",
	[SPACE_DEVICE] = "dma-api",
	[SPACE_DOMAIN] = "iommu-domain",
	[SPACE_ANY] = "unknown",
};

static struct json *
begin(struct trace_record *record, const char *event, uint64_t ns)
{
	record->writer->at_ns = ns;
	return record_event_begin(record->writer, event);
}

static void
finish(struct trace_record *record)
{
	record_event_write(record->writer);
	record->writer->at_ns = 0;
}

static void
add_domain(struct json *json, const struct trace_domain *domain)
{
	if (domain == NULL)
		return;
	json_add_string(json, "iommu", domain->iommu);
	json_add_uint(json, "domain_id", domain->did);
}

static void
write_map(struct trace_record *record)
{
	const struct trace_map *map = &record->map;
	struct json *json = begin(record, VIOMMU_EVENT_MAP, map->ns);

	json_add_uint(json, "space", record->space);
	json_add_hex(json, "iova", map->iova);
	json_add_hex(json, "size", map->size);
	if (map->prot != 0)
		json_add_string(json, "prot", prot_name(map->prot));
	json_key(json, "extents");
	json_open_array(json);
	for (size_t i = 0; i < record->extents.n; i++) {
		json_open_object(json);
		json_add_hex(json, "gpa", record->extents.extent[i].gpa.v);
		json_add_hex(json, "size", record->extents.extent[i].size);
		if (record->after_ns[i] != 0)
			json_add_uint(json, "after_ns", record->after_ns[i]);
		json_close_object(json);
	}
	json_close_array(json);
	add_domain(json, map->domain);
	finish(record);
}

void
trace_record_flush(struct trace_record *record)
{
	if (record->open)
		write_map(record);
	record->open = false;
	for (size_t i = 0; i < record->n_waiting; i++)
		trace_invalidate_write(record->writer, &record->waiting[i]);
	record->n_waiting = 0;
}

void
trace_record_free(struct trace_record *record)
{
	extents_free(&record->extents);
	free(record->after_ns);
	free(record->waiting);
}

static bool
continues(const struct trace_record *record, const struct trace_map *map)
{
	return record->open && map->call != 0 && map->call == record->map.call &&
	       map->space->id == record->space && map->iova == record->map.iova + record->map.size &&
	       map->prot == record->map.prot && record->extents.n < JOINED_MAX &&
	       (map->domain != NULL) == (record->map.domain != NULL) &&
	       (map->domain == NULL || memcmp(map->domain, &record->domain, sizeof record->domain) == 0);
}

/* Each part keeps its own time: what was announced before it is not for it. */
static bool
add_extent(struct trace_record *record, uint64_t gpa, uint64_t size, uint64_t after_ns)
{
	struct extents *extents = &record->extents;
	struct extent *last = extents->n > 0 ? &extents->extent[extents->n - 1] : NULL;

	if (last != NULL && last->gpa.v + last->size == gpa && record->after_ns[extents->n - 1] == after_ns) {
		last->size += size;
		return true;
	}
	if (extents->n == extents->capacity) {
		const size_t capacity = extents->capacity ? extents->capacity * 2 : 16;
		struct extent *grown = realloc(extents->extent, capacity * sizeof *grown);

		if (grown == NULL)
			return false;
		extents->extent = grown;
		extents->capacity = capacity;
	}
	if (extents->n == record->n_after) {
		const size_t capacity = record->n_after ? record->n_after * 2 : 16;
		uint64_t *grown = realloc(record->after_ns, capacity * sizeof *grown);

		if (grown == NULL)
			return false;
		record->after_ns = grown;
		record->n_after = capacity;
	}
	record->after_ns[extents->n] = after_ns;
	extents->extent[extents->n++] = (struct extent){ VIOMMU_GPA(gpa), size };
	return true;
}

void
trace_record_map(struct trace_record *record, const struct trace_map *map)
{
	if (!continues(record, map)) {
		trace_record_flush(record);
		extents_clear(&record->extents);
		record->map = *map;
		record->map.size = 0;
		record->space = map->space->id;
		if (map->domain != NULL) {
			record->domain = *map->domain;
			record->map.domain = &record->domain;
		}
	}
	if (!add_extent(record, map->paddr, map->size, map->ns - record->map.ns)) {
		trace_record_lost(record, map->ns, 1, "out of memory", NULL);
		return;
	}
	record->open = true;
	record->map.size += map->size;
	if (map->call == 0)
		trace_record_flush(record);
}

void
trace_record_unmap(struct trace_record *record, const struct trace_event *unmap, uint64_t begin_ns,
	unsigned space, const struct trace_domain *domain)
{
	struct json *json;

	trace_record_flush(record);
	json = begin(record, VIOMMU_EVENT_UNMAP, unmap->ns);
	if (begin_ns != 0)
		json_add_uint(json, "begin_ns", begin_ns);
	json_add_uint(json, "space", space);
	json_add_hex(json, "iova", unmap->map.iova);
	json_add_hex(json, "size", unmap->map.size);
	add_domain(json, domain);
	finish(record);
}

static void
add_device(struct json *json, const struct trace_space *space, const char *device)
{
	struct pci_facts facts;

	record_add_device(json, space->id, backends[space->kind], device,
		sysfs_pci_facts(device, &facts) ? facts.group : -1);
}

void
trace_record_attach(struct trace_record *record, uint64_t ns, const struct trace_space *space,
	const char *device, const char *evidence)
{
	struct json *json;

	trace_record_flush(record);
	json = begin(record, VIOMMU_EVENT_ATTACH, ns);
	add_device(json, space, device);
	json_add_bool(json, "complete", false);
	if (space->from_start)
		json_add_bool(json, "from_start", true);
	json_add_string(json, "evidence", evidence);
	if (space->n_domains > 0)
		add_domain(json, &space->domain[space->n_domains - 1]);
	finish(record);
}

void
trace_record_detach(
	struct trace_record *record, uint64_t ns, const struct trace_space *space, const char *device)
{
	trace_record_flush(record);
	add_device(begin(record, VIOMMU_EVENT_DETACH, ns), space, device);
	finish(record);
}

void
trace_record_invalidate(struct trace_record *record, const struct trace_event *event)
{
	if (record->open && record->n_waiting == TRACE_WAITING_MAX)
		trace_record_flush(record);
	if (record->open && record->waiting == NULL)
		record->waiting = calloc(TRACE_WAITING_MAX, sizeof *record->waiting);
	if (!record->open || record->waiting == NULL) {
		trace_record_flush(record);
		trace_invalidate_write(record->writer, event);
		return;
	}
	record->waiting[record->n_waiting++] = *event;
}

void
trace_record_lost(struct trace_record *record, uint64_t ns, uint64_t count, const char *reason,
	const struct trace_event *unmap)
{
	struct json *json;

	trace_record_flush(record);
	json = begin(record, VIOMMU_EVENT_LOST, ns);
	json_add_uint(json, "count", count);
	json_add_string(json, "reason", reason);
	if (unmap != NULL) {
		json_add_hex(json, "iova", unmap->map.iova);
		json_add_hex(json, "size", unmap->map.size);
	}
	finish(record);
}

void
trace_record_note(struct trace_record *record, uint64_t ns, const char *format, ...)
{
	char text[1024];
	va_list ap;

	trace_record_flush(record);
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	json_add_string(begin(record, VIOMMU_EVENT_NOTE, ns), "text", text);
	finish(record);
}
