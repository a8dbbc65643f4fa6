/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The areas of the HTML report, which their walks are made of, too. */
#ifndef VIOMMU_REPORT_HTML_DATA_H
#define VIOMMU_REPORT_HTML_DATA_H

#include "report/report-html.h"

/* Runs of which one thing is to be said: neighbours that differ in their GPAs only. */
typedef struct {
	const viommu_run *run; /* the first of them */
	uint64_t pages, extents;
	uint64_t requests; /* that it is of */
	uint32_t target; /* index into targets */
	bool keep, walk;
	int part;
} viommu_html_area;

struct viommu_html_data {
	const viommu_report *report;
	GArray *areas;   /* of viommu_html_area */
	GArray *targets; /* of guint: indices into the result's; that of bounds.tables */
	GPtrArray *notes;
	GHashTable *note_places; /* text (by its address) -> index + 1 */
	viommu_html_bounds bounds;
	vtd_unit unit;
	guint parts;
};

/* Writes what is there and empties it. */
void viommu_html_flush(GString *text, FILE *out);
void viommu_html_print_walks(FILE *out, const viommu_html_data *data);

#endif
