/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-invalidate.h"

#include "trace/trace-qi.h"
#include "viommu/record.h"

static const char *const tracepoints[] = {
	[TRACE_FLUSH] = "cache_tag_flush_range",
	[TRACE_FLUSH_NP] = "cache_tag_flush_range_np",
	[TRACE_FLUSH_ALL] = "cache_tag_flush_all",
	[TRACE_QI] = "qi_submit",
};

static void
add_flush(struct json *json, const struct trace_event *event)
{
	const struct trace_flush *flush = &event->flush;

	json_add_uint(json, "tag_type", flush->type);
	json_add_uint(json, "domain_id", flush->did);
	json_add_uint(json, "pasid", flush->pasid);
	if (event->kind == TRACE_FLUSH_ALL)
		return;
	json_add_hex(json, "first", flush->start);
	json_add_hex(json, "last", flush->end);
	json_add_hex(json, "address", flush->addr);
	json_add_uint(json, "pages", flush->pages);
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
		json_add_string(json, "type", fields.type);
	if (fields.granularity != NULL)
		json_add_string(json, "granularity", fields.granularity);
	if (fields.has_did)
		json_add_uint(json, "domain_id", fields.did);
	if (fields.has_sid)
		json_add_hex(json, "source_id", fields.sid);
	if (fields.has_pasid)
		json_add_uint(json, "pasid", fields.pasid);
	if (!fields.has_range)
		return;
	json_add_hex(json, "first", fields.first);
	json_add_hex(json, "last", fields.last);
	if (!fields.is_iotlb)
		return;
	json_add_bool(json, "leaf_only", fields.leaf_only);
}

void
trace_invalidate_write(struct record_writer *writer, const struct trace_event *event)
{
	struct json *json;

	writer->at_ns = event->ns;
	json = record_event_begin(writer, VIOMMU_EVENT_INVALIDATE);
	json_add_string(json, "tracepoint", tracepoints[event->kind]);
	json_add_string(json, "iommu", event->name);
	if (event->kind == TRACE_QI)
		add_descriptor(json, event);
	else
		add_flush(json, event);
	record_event_write(writer);
	writer->at_ns = 0;
}
