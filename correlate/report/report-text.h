/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the text for people. */
#ifndef VIOMMU_REPORT_TEXT_H
#define VIOMMU_REPORT_TEXT_H

#include "report/report-parts.h"
#include "report/report.h"

viommu_tone viommu_verdict_tone(viommu_verdict verdict);

/* The faults, then what could not be told, as many as are read: chosen (of guint: indices
 * of runs, rising), or NULL for all.  Says how much it leaves out. */
void viommu_report_text_faults(FILE *out, const viommu_report *report, const GArray *chosen);

/* "FAULT: 1 of 16 pages is not as L1 asked", no newline. */
void viommu_report_text_headline(FILE *out, const viommu_headline *line);

#endif
