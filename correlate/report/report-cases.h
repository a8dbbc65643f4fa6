/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A result as test cases: one for each mapping that L1 asked for, and one for each run of
 * pages that is wrong and belongs to none.  For forms that CI systems read. */
#ifndef VIOMMU_REPORT_CASES_H
#define VIOMMU_REPORT_CASES_H

#include "report/report.h"

typedef enum { VIOMMU_CASE_PASSED, VIOMMU_CASE_FAILED, VIOMMU_CASE_SKIPPED, VIOMMU_CASE_STATES } viommu_case_state;

typedef struct {
	char *name;
	viommu_case_state state;
	char *message;   /* why, in one line; NULL when it passed */
	char *evidence;  /* the walk, many lines; NULL when there is none */
} viommu_case;

/* One device of one address space, with all that share its table. */
typedef struct {
	char *name;
	GPtrArray *cases; /* of viommu_case */
	uint64_t of[VIOMMU_CASE_STATES];
} viommu_suite;

/* So many cases a suite has at most, unless report->all; what is more is one case. */
#define VIOMMU_CASES 5000

/* An array of viommu_suite. All texts are safe to show: viommu_escape(). */
GPtrArray *viommu_report_suites(const viommu_report *report);

#endif
