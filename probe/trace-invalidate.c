/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace-invalidate.h"

#include "trace-qi.h"
#include "viommu/record.h"

static const char *const tracepoints[] = {
	[TRACE_FLUSH] = "cache_tag_flush_range",
	[TRACE_FLUSH_NP] = "cache_tag_flush_range_np",
	[TRACE_FLUSH_ALL] = "cache_tag_flush_all",
	[TRACE_QI] = "qi_submit",
};

static void
add_string(struct json *json, const char *key, const char *text)
{
	json_key(json, key);
	json_string(json, text);
}

static void
add_uint(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	json_uint(json, value);
}

static void
add_hex(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	json_hex(json, value);
}

static void
add_flush(struct json *json, const struct trace_event *event)
{
	const struct trace_flush *flush = &event->flush;

	add_uint(json, "tag_type", flush->type);
	add_uint(json, "domain_id", flush->did);
	add_uint(json, "pasid", flush->pasid);
	if (event->kind == TRACE_FLUSH_ALL)
		return;
	add_hex(json, "first", flush->start);
	add_hex(json, "last", flush->end);
	add_hex(json, "address", flush->addr);
	add_uint(json, "pages", flush->pages);
}

static void
add_descriptor(struct json *json, const struct trace_event *event)
{
	const struct trace_qi_fields fields = trace_qi_decode(&event->qi);

	json_key(json, "descriptor");
	json_open_array(json);
	for (size_t i = 0; i < 4; i++)
		json_hex(json, event->qi.qw[i]);
	json_close_array(json);
	if (fields.type != NULL)
		add_string(json, "type", fields.type);
	if (fields.granularity != NULL)
		add_string(json, "granularity", fields.granularity);
	if (fields.has_did)
		add_uint(json, "domain_id", fields.did);
	if (fields.has_sid)
		add_hex(json, "source_id", fields.sid);
	if (fields.has_pasid)
		add_uint(json, "pasid", fields.pasid);
	if (!fields.has_range)
		return;
	add_hex(json, "first", fields.first);
	add_hex(json, "last", fields.last);
	if (!fields.is_iotlb)
		return;
	json_key(json, "leaf_only");
	json_bool(json, fields.leaf_only);
}

void
trace_invalidate_write(struct record_writer *writer, const struct trace_event *event)
{
	struct json *json;

	writer->at_ns = event->ns;
	json = record_event_begin(writer, VIOMMU_EVENT_INVALIDATE);
	add_string(json, "tracepoint", tracepoints[event->kind]);
	add_string(json, "iommu", event->name);
	if (event->kind == TRACE_QI)
		add_descriptor(json, event);
	else
		add_flush(json, event);
	record_event_write(writer);
	writer->at_ns = 0;
}
