/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"
#include "text/text.h"

char *
viommu_report_shown(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);

	return viommu_escape(valid);
}

json_t *
viommu_report_string(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);

	return json_string(valid);
}

char *
viommu_report_redacted(const viommu_report *report)
{
	return report->redact ? viommu_redact_counts_text(report->redact) : NULL;
}

char *
viommu_report_target_label(const viommu_report *report, const viommu_target_result *target)
{
	const viommu_pci_device *device = viommu_machine_pci_at(viommu_snapshot_machine(report->snapshot), target->sid);
	g_autofree char *class_text = NULL;
	g_autofree char *id = NULL;

	if (target->any_device)
		return g_strdup(target->space->attached ? "no device" : "any device");
	if (!device)
		return g_strdup_printf("%s (QEMU has no PCI device there)", viommu_bdf_text(target->sid).text);
	class_text = viommu_escape(device->class_text);
	id = viommu_report_shown(device->id);
	return g_strdup_printf("%s [%04x:%04x]%s%s%s%s", viommu_bdf_text(target->sid).text, device->vendor, device->device,
		*class_text ? " " : "", class_text, *id ? " id=" : "", id);
}
