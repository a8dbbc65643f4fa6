/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several reports say in the same way: counted here, rendered there. */
#ifndef VIOMMU_REPORT_PARTS_H
#define VIOMMU_REPORT_PARTS_H

#include <viommu/correlate.h>
#include <viommu/finding.h>

#include "text/text.h"

/* ---- the verdict in a word and a sentence --------------------------------------- */

typedef enum { VIOMMU_HEADLINE_OK, VIOMMU_HEADLINE_FAULT, VIOMMU_HEADLINE_UNVERIFIED } viommu_headline_state;

typedef struct {
	viommu_headline_state state;
	const char *word; /* "FAULT" */
	char *sentence;   /* without its full stop */
	uint64_t pages, faults;
} viommu_headline;

void viommu_headline_of(const viommu_result *result, viommu_headline *ret);
void viommu_headline_clear(viommu_headline *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(viommu_headline, viommu_headline_clear)

/* ---- what became of one map request ----------------------------------------------- */

/* The targets' runs: [first, end) for each, in an array of guint pairs. */
typedef struct {
	guint first, end;
} viommu_span;
GArray *viommu_report_spans(const viommu_result *result);

/* The worst of its pages. */
typedef enum {
	VIOMMU_MAPPING_NONE,   /* not mapped any more */
	VIOMMU_MAPPING_CLEAN,  /* everything matches, and no link is broken */
	VIOMMU_MAPPING_OPEN,   /* something could not be told */
	VIOMMU_MAPPING_BROKEN,
	VIOMMU_MAPPING_STATES,
} viommu_mapping_state;

typedef struct {
	guint request; /* its index */
	viommu_mapping_state state;
	uint64_t pages[VIOMMU_VERDICTS];
	uint64_t page_shifts; /* bit n: pages of 2^n bytes in the table */
	uint64_t extents;
	uint64_t gpa;         /* of the first page, when it is known */
	bool gpa_known;
	uint64_t total;
	bool other_page_size, read_added;
	viommu_link_state links[VIOMMU_LINKS]; /* the worst of its pages */
	guint first_bad; /* index of its first run that is not as it should be, G_MAXUINT: none */
} viommu_mapping;

/* What is told of the requests of a target, whose runs are span: there can be millions. */
typedef struct {
	uint64_t of[VIOMMU_MAPPING_STATES]; /* how many there are */
	uint64_t live; /* the sum of those that L1 has not unmapped */
	GArray *shown; /* of viommu_mapping: the first of them that are clean and that are not, in record
	                * order; those that are open only as far as those that are broken leave room */
} viommu_mappings;

void viommu_report_mappings(const viommu_result *result, uint32_t target, viommu_span span, guint most_clean,
	guint most_other, viommu_mappings *ret);
void viommu_mappings_clear(viommu_mappings *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(viommu_mappings, viommu_mappings_clear)
/* "4K+2M", "-". */
viommu_text viommu_mapping_page_sizes(const viommu_mapping *self);

static inline uint64_t
viommu_run_pages(const viommu_run *run)
{
	return ((run->iova.last - run->iova.first) >> VIOMMU_PAGE_SHIFT) + 1;
}

/* What its expected side is to L1 by now. */
static inline const char *
viommu_run_asked_words(const viommu_run *run)
{
	return run->verdict == VIOMMU_STALE || run->verdict == VIOMMU_GONE ? "L1 had there" : "L1 asked for";
}

/* For each target the devices whose DMA goes through its table, itself first: "00:04.0,
 * 00:05.0"; NULL for one whose table is an earlier one's. At most limit are named, and the
 * rest counted. */
GPtrArray *viommu_report_sharers(const viommu_result *result, guint limit);

/* ---- what makes the verdicts meaningless ---------------------------------------------- */

/* A record that is not of this vIOMMU: to be said before any verdict. NULL: none is known. */
const viommu_finding *viommu_report_caveat(const viommu_findings *findings);
#define VIOMMU_CAVEAT_TEXT "a record was not made behind this vIOMMU, so what is said of its mappings means nothing"
/* Of a record that has no mark and no end behind its last event. */
#define VIOMMU_UNSETTLED_TEXT "the record has no mark and no end behind its last event: more may have been asked for since"

/* ---- the first thing to look at ------------------------------------------------------ */

/* The first run with a fault: that of the earliest broken link, then in the order of the
 * result. NULL: there is none. */
const viommu_run *viommu_report_first_fault(const viommu_result *result);

/* ---- the chain -------------------------------------------------------------------------- */

/* Pages with one status of one link. */
typedef struct {
	viommu_link_status status;
	uint64_t pages;
	uint64_t unmapped; /* pages of viommu_report_all_shares() that are not mapped any more */
} viommu_share;

/* A link that is broken for one page is broken; one that is open for one is open. */
viommu_link_state viommu_link_worse(viommu_link_state a, viommu_link_state b);

/* Of what is mapped, or of what is unmapped; broken first. Array of viommu_share. */
GArray *viommu_report_shares(const viommu_result *result, viommu_link link, bool gone);
/* Of both; pages are then those that are mapped. */
GArray *viommu_report_all_shares(const viommu_result *result, viommu_link link);

#endif
