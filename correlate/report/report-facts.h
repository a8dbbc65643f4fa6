/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was looked at, as pairs of a name and a value, in the order of QEMU's bug template. */
#ifndef VIOMMU_REPORT_FACTS_H
#define VIOMMU_REPORT_FACTS_H

#include "report/report.h"

typedef struct {
	const char *name;
	char *value; /* safe to show: viommu_escape() */
	bool known;  /* else value says why not */
} viommu_fact;

GArray *viommu_facts_new(void);
/* Takes value. */
void viommu_facts_add(GArray *facts, const char *name, char *value);

/* Arrays of viommu_fact. */
GArray *viommu_report_host_facts(const viommu_report *report);
GArray *viommu_report_iommu_facts(const viommu_report *report);
/* Of each record: an array of viommu_fact; never empty. */
GPtrArray *viommu_report_guest_facts(const viommu_report *report);

/* Of each of the same records, what viommu-probe doctor found in L1, a line a check;
 * NULL: it is not in the record.  Safe to show. */
GPtrArray *viommu_report_checks(const viommu_report *report);
/* "1 FAIL, 2 warn, 20 ok, 1 skip" */
char *viommu_checks_summary(const json_t *checks);

/* QEMU's command line for a shell, an option a line; NULL when it is not known. Long ones
 * are cut, and say so. */
char *viommu_report_command_line(const viommu_report *report);

/* "CAP      0x00d2008c22260286": every register that is not 0, a line each. */
char *viommu_report_registers(const viommu_report *report);

#endif
