/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a maintainer asks first: what broke, where, through which entry, on which versions. */
#ifndef VIOMMU_REPORT_FIRST_H
#define VIOMMU_REPORT_FIRST_H

#include "report/report-facts.h"

/* "domain 4, second-stage table at GPA 0x1000, 3 levels (39 bits)". */
char *viommu_report_domain(const viommu_target_result *target);
/* Of a run that is at fault: an array of viommu_fact. */
GArray *viommu_report_first_facts(const viommu_report *report, const viommu_run *run);
/* QEMU, host, L1 and viommu: an array of viommu_fact. */
GArray *viommu_report_versions(const viommu_report *report);

#endif
