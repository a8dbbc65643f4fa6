/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of the report in HTML. */
#ifndef VIOMMU_REPORT_HTML_H
#define VIOMMU_REPORT_HTML_H

#include "report/report-bounds.h"
#include "report/report.h"

/* Made of html/ when viommu is built. The hashes are for the content security policy. */
extern const char viommu_html_style[], viommu_html_style_hash[];
extern const char viommu_html_script[], viommu_html_script_hash[];

/* Text of an element or a quoted attribute. It went through viommu_escape() before. */
void viommu_html_text(FILE *out, const char *text);

/* What is in the file, and what is not: an area is a run of pages of which one thing is
 * to be said. */
typedef struct {
	uint64_t areas, areas_left_out;
	uint64_t pages_left_out; /* of the latter */
	uint64_t walks_left_out;
	viommu_table_bounds tables;
	bool joined; /* neighbours that match are one area, whoever asked for them */
} viommu_html_bounds;

/* The areas as JSON in a script element, and the walks in further ones, each of which is
 * read when somebody asks for one of its walks. */
typedef struct viommu_html_data viommu_html_data;
viommu_html_data *viommu_html_data_new(const viommu_report *report);
void viommu_html_data_free(viommu_html_data *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_html_data, viommu_html_data_free)
const viommu_html_bounds *viommu_html_data_bounds(const viommu_html_data *self);
void viommu_html_data_print(FILE *out, viommu_html_data *self);

/* Who does the work of a link: "L1 tells the vIOMMU". */
extern const char *const viommu_link_who[VIOMMU_LINKS];

/* The parts that need no script. */
void viommu_html_verdict(FILE *out, const viommu_report *report);
void viommu_html_first_fault(FILE *out, const viommu_report *report);
void viommu_html_chain(FILE *out, const viommu_report *report);
void viommu_html_findings(FILE *out, const viommu_report *report);
void viommu_html_environment(FILE *out, const viommu_report *report);
void viommu_html_steps(FILE *out, const viommu_report *report);

#endif
