/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports: each renders a result and decides nothing. */
#ifndef VIOMMU_REPORT_H
#define VIOMMU_REPORT_H

#include <stdio.h>

#include <viommu/correlate.h>
#include <viommu/finding.h>

typedef struct {
	const viommu_result *result;
	viommu_snapshot *snapshot;
	const viommu_findings *findings; /* NULL: not looked for */
	int exit_status;
	gboolean all; /* every mapping and every fault, however many */
} viommu_report;

void viommu_report_text(FILE *out, const viommu_report *report);
void viommu_report_json(FILE *out, const viommu_report *report);

/* One run alone, with its evidence. */
void viommu_report_text_run(FILE *out, const viommu_report *report, const viommu_run *run);
json_t *viommu_report_json_run(const viommu_report *report, const viommu_run *run);

/* How many pages passed each link, and how that is known. */
void viommu_report_text_chain(FILE *out, const viommu_report *report);
json_t *viommu_report_json_chain(const viommu_result *result);

#endif
