/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-steps.h"

#include <inttypes.h>

#include "report/report-parts.h"
#include "text/text.h"

/* The one to look at first; NULL: no device is known. run may be NULL. */
static const viommu_target_result *
first_target(const viommu_result *result, const viommu_run *run)
{
	for (guint i = run ? run->target : 0; i < (run ? run->target + 1 : result->targets->len); i++) {
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, i);

		if (!target->any_device)
			return target;
	}
	return NULL;
}

GPtrArray *
viommu_report_steps(const viommu_report *report)
{
	const viommu_run *run = viommu_report_first_fault(report->result);
	const viommu_target_result *target = first_target(report->result, run);
	const viommu_text device = target ? viommu_bdf_text(target->sid) : (viommu_text){ "BDF" };
	GPtrArray *ret = g_ptr_array_new_with_free_func(g_free);

	g_ptr_array_add(ret, g_strdup("Start QEMU with the command line above."));
	g_ptr_array_add(ret, g_strdup_printf("In L1, map memory for DMA and record it: with the program that wrote the record (above), or "
					     "with `viommu-probe map %s --bind -o maps.jsonl`.", device.text));
	g_ptr_array_add(ret, g_strdup("On the host: `viommu verify -q unix:SOCKET maps.jsonl`, with the SOCKET of QEMU's `-qmp`."));
	if (run && target)
		g_ptr_array_add(ret, g_strdup_printf("The first page that is wrong: `viommu walk -q unix:SOCKET %s 0x%" PRIx64 "`.",
							device.text, run->iova.first));
	return ret;
}

char *
viommu_report_replay(const viommu_report *report)
{
	const viommu_run *run = viommu_report_first_fault(report->result);
	const viommu_target_result *target = first_target(report->result, run);
	GString *ret = g_string_new("To see the same again without this QEMU, on any machine: `viommu verify BUNDLE`");

	if (run && target)
		g_string_append_printf(ret, ", `viommu walk -s BUNDLE %s 0x%" PRIx64 "`", viommu_bdf_text(target->sid).text, run->iova.first);
	g_string_append(ret, ", where BUNDLE is what `viommu report` writes when it is given the options of this report and "
			     "`-o bug.tar.gz`; or a saved snapshot (`viommu capture`, `verify --save`) and the record: `viommu verify -s "
			     "SNAPSHOT RECORD`.");
	return g_string_free(ret, FALSE);
}
