/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports: each renders a result and decides nothing. */
#ifndef VIOMMU_REPORT_H
#define VIOMMU_REPORT_H

#include <stdio.h>

#include <viommu/correlate.h>
#include <viommu/finding.h>

#include "bundle/bundle.h"
#include "redact/redact.h"

typedef struct {
	const viommu_result *result;
	viommu_snapshot *snapshot;
	const viommu_findings *findings; /* NULL: not looked for */
	int exit_status;
	gboolean all; /* every mapping and every fault, however many */
	viommu_bundle *bundle;       /* that the result was made from; NULL: it was not kept */
	const viommu_redact *redact; /* that replaced the private texts of the bundle; NULL: none were */
} viommu_report;

/* A text of L1's, QEMU's or a user's, for people: valid UTF-8 with nothing in it that is
 * not seen.  A new string; text may be NULL. */
char *viommu_report_shown(const char *text);
/* A new reference: the same as a string of JSON, whose escapes suffice. */
json_t *viommu_report_string(const char *text);
/* "2 paths, 1 MAC address"; NULL: nothing is to be said. */
char *viommu_report_redacted(const viommu_report *report);
/* "00:04.0 [1234:11e8] id=edu0", "any device". As viommu_report_shown(). */
char *viommu_report_target_label(const viommu_report *report, const viommu_target_result *target);

void viommu_report_text(FILE *out, const viommu_report *report);
void viommu_report_json(FILE *out, const viommu_report *report);
void viommu_report_markdown(FILE *out, const viommu_report *report);
void viommu_report_html(FILE *out, const viommu_report *report);
void viommu_report_junit(FILE *out, const viommu_report *report);
void viommu_report_tap(FILE *out, const viommu_report *report);

/* One run alone, with its evidence. */
void viommu_report_text_run(FILE *out, const viommu_report *report, const viommu_run *run);
json_t *viommu_report_json_run(const viommu_report *report, const viommu_run *run);

/* How many pages passed each link, and how that is known. */
void viommu_report_text_chain(FILE *out, const viommu_report *report);
json_t *viommu_report_json_chain(const viommu_report *report);

#endif
