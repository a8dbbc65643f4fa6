/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How to see it again, for whoever has the report only. Commands stand between two backticks; there
 * are no other ones, and nothing of a guest's or QEMU's text. */
#ifndef VIOMMU_REPORT_STEPS_H
#define VIOMMU_REPORT_STEPS_H

#include "report/report.h"

/* With this QEMU: an array of char *, in their order. */
GPtrArray *viommu_report_steps(const viommu_report *report);
/* Without it, on any machine. */
char *viommu_report_replay(const viommu_report *report);

#endif
