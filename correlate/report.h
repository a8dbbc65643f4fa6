/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports: each renders a result and decides nothing. */
#ifndef VIOMMU_REPORT_H
#define VIOMMU_REPORT_H

#include <stdio.h>

#include <viommu/correlate.h>
#include <viommu/finding.h>

/* Texts that can hold what is private: names, paths, secrets. */
typedef enum {
	VIOMMU_PRIVATE_ARGUMENT,       /* one of QEMU's command line, in their order */
	VIOMMU_PRIVATE_KERNEL_CMDLINE, /* L1's                                       */
	VIOMMU_PRIVATE_KERNEL,         /* uname of L1 or of the host                 */
	VIOMMU_PRIVATE_PROGRAM,        /* that wrote the record                      */
	VIOMMU_PRIVATE_PATH,           /* of a file on this host                     */
	VIOMMU_PRIVATE_DEVICE,         /* what QEMU calls a device: its id=          */
	VIOMMU_PRIVATE_NOTE,           /* a sentence with text of L1's or QEMU's     */
	VIOMMU_PRIVATE_FINDING,        /* where something was seen, and what         */
} viommu_private;

typedef struct {
	/* The text to show instead: new, valid UTF-8. */
	char *(*text)(void *user, viommu_private kind, const char *text);
	/* What was replaced until now: for people, and as JSON; NULL: the report does not say. */
	char *(*summary)(void *user);
	json_t *(*summary_json)(void *user);
	void *user;
} viommu_redactor;

typedef struct {
	const viommu_result *result;
	viommu_snapshot *snapshot;
	const viommu_findings *findings; /* NULL: not looked for */
	int exit_status;
	gboolean all; /* every mapping and every fault, however many */
	const viommu_redactor *redactor; /* NULL: texts are shown as they are */
	const struct viommu_inputs *inputs; /* "bundle-make.h"; NULL: were not kept */
} viommu_report;

/* Every private text of a report goes through here. A new string in valid UTF-8, for the
 * form to escape. text may be NULL. */
char *viommu_report_private(const viommu_report *report, viommu_private kind, const char *text);
/* The same through viommu_escape(): with nothing in it that is not seen. */
char *viommu_report_shown(const viommu_report *report, viommu_private kind, const char *text);
/* "2 paths, 1 MAC address", to be said behind all other texts; NULL: nothing is to be said. */
char *viommu_report_redacted(const viommu_report *report);
/* A new reference: the same as a string of JSON. */
json_t *viommu_report_private_json(const viommu_report *report, viommu_private kind, const char *text);
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
