/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of the report in Markdown. */
#ifndef VIOMMU_REPORT_MD_PARTS_H
#define VIOMMU_REPORT_MD_PARTS_H

#include "report/report.h"

/* Where the first fault is and what it means, in a few lines. */
void viommu_md_first_fault(FILE *out, const viommu_report *report, const viommu_run *run);
/* The chain of the first broken mapping, and its walk. */
void viommu_md_story(FILE *out, const viommu_report *report);
void viommu_md_findings(FILE *out, const viommu_report *report);

/* Folded. */
void viommu_md_mappings(FILE *out, const viommu_report *report);
void viommu_md_further_faults(FILE *out, const viommu_report *report);
void viommu_md_chain(FILE *out, const viommu_report *report);

#endif
