/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU's own log says: refusals, failures and faults; and the pages that QEMU was
 * seen not to notice. */
#include <inttypes.h>

#include <viommu/finding.h>
#include <viommu/qemu-log.h>

#include "link/links.h"

static void
add_failure(viommu_findings *self, const char *where, const viommu_qlog_message *message)
{
	const viommu_qlog_event *event = &message->event;

	viommu_findings_add(self, event->kind == VIOMMU_QLOG_MAP_FAILED ? "qemu-vfio-dma-map-failed" : "qemu-vfio-dma-unmap-failed",
		where, "IOVA 0x%" PRIx64 "-0x%" PRIx64 ": %s (%s)", event->iova.first, event->iova.last,
		g_strerror((int) event->value), message->text);
}

static void
add_message(viommu_findings *self, const viommu_qemu_log *log, const viommu_qlog_message *message)
{
	const viommu_qlog_event *event = &message->event;
	viommu_where line = viommu_where_line(viommu_qemu_log_path(log), event->line);
	const char *where = line.text, *text = message->text;

	switch (event->kind) {
	case VIOMMU_QLOG_CACHING_MODE:
		viommu_findings_add(self, "qemu-refused-caching-mode", where, "%s", text);
		break;
	case VIOMMU_QLOG_AW_BITS:
		viommu_findings_add(self, "qemu-aw-bits", where, "%s", text);
		break;
	case VIOMMU_QLOG_DEVICE_IOTLB:
		viommu_findings_add(self, "qemu-device-iotlb", where, "%s", text);
		break;
	case VIOMMU_QLOG_SNOOP_CONTROL:
		viommu_findings_add(self, "qemu-snoop-control", where, "%s", text);
		break;
	case VIOMMU_QLOG_RESERVED_BIT:
		viommu_findings_add(self, "qemu-reserved-bit", where, "%s", text);
		break;
	case VIOMMU_QLOG_MAP_FAILED:
	case VIOMMU_QLOG_UNMAP_FAILED:
		add_failure(self, where, message);
		break;
	default:
		viommu_findings_add(self, "fault-recorded", where, "%s, IOVA 0x%" PRIx64 ", %s: reason 0x%x, %s",
			viommu_where_device(event->sid).text, event->iova.first, event->write ? "write" : "read", event->value,
			vtd_fault_text((vtd_fault) event->value));
		break;
	}
}

void
viommu_find_log(viommu_findings *self, const viommu_qemu_log *log)
{
	const GPtrArray *messages = viommu_qemu_log_messages(log);

	for (guint i = 0; i < messages->len; i++)
		add_message(self, log, g_ptr_array_index(messages, i));
}

void
viommu_find_notice(viommu_findings *self, const viommu_result *result)
{
	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		const viommu_link_status *status = &viommu_run_chain(result, run)->links[VIOMMU_LINK_NOTICE];
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, run->target);
		viommu_where where;

		if (status->state != VIOMMU_LINK_BROKEN)
			continue;
		where = viommu_where_iova(target->sid, run->iova);
		viommu_findings_add(self, run->verdict != VIOMMU_GONE ? "map-not-noticed"
			: status->note == viommu_notice_unmap_skipped  ? "unmap-skipped"
									: "unmap-not-noticed",
			where.text, "%s", status->note);
	}
}
