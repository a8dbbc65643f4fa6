/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings: what is wrong, or worth knowing, besides the pages' verdicts.  The
 * catalogue says what each kind means and what mends it; an instance says what was
 * seen and where.  `viommu explain` and docs/findings/ are made of the catalogue.
 */
#ifndef VIOMMU_FINDING_H
#define VIOMMU_FINDING_H

#include <glib.h>
#include <viommu/correlate.h>
#include <viommu/snapshot.h>

G_BEGIN_DECLS

/* ---- the catalogue ------------------------------------------------------------ */

typedef enum {
	VIOMMU_SEVERITY_NOTE,     /* nothing is wrong; it explains what is seen           */
	VIOMMU_SEVERITY_WARNING,  /* works now, or for some devices; or cannot be judged  */
	VIOMMU_SEVERITY_FAULT,    /* DMA does not go where it should                      */
	VIOMMU_SEVERITY_SECURITY, /* a device reaches memory that it should not           */
	VIOMMU_SEVERITIES,
} viommu_severity;

const char *viommu_severity_name(viommu_severity severity); /* "note" */

typedef struct {
	const char *code; /* lower-case words and hyphens; never used again for something else */
	viommu_severity severity;
	const char *title;    /* one line, no full stop */
	const char *meaning;  /* sentences */
	const char *todo;     /* what mends it: QEMU option, kernel parameter, commit */
	const char *refs;     /* commits, message texts, specification: one a line */
	const char *shown_by; /* the test that makes it: "guest: …" or "files: …" */
} viommu_finding_kind;

/* NULL when there is no such code. */
const viommu_finding_kind *viommu_finding_kind_of(const char *code);
/* Kinds by number, by theme: NULL from n on. */
const viommu_finding_kind *viommu_finding_kind_at(guint n);

/* ---- what was found -------------------------------------------------------------- */

typedef struct {
	const viommu_finding_kind *kind;
	char *where; /* "entry at GPA 0x…: 0x…"; safe to print */
	char *seen;  /* a sentence without its full stop; safe to print */
} viommu_finding;

/* So many of a kind are kept; more are counted. */
#define VIOMMU_FINDINGS_KEPT 8

typedef struct viommu_findings viommu_findings;
viommu_findings *viommu_findings_new(void);
void viommu_findings_free(viommu_findings *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_findings, viommu_findings_free)

/* Adds one.  code is in the catalogue: anything else is a bug and aborts.  where and
 * seen may hold text of L1's or QEMU's: it is escaped here.  What was said already is
 * not said again. */
void viommu_findings_add(viommu_findings *self, const char *code, const char *where, const char *seen, ...)
	G_GNUC_PRINTF(4, 5);

/* Places in the words that all findings use. */
typedef struct { char text[160]; } viommu_where;
viommu_where viommu_where_entry(viommu_gpa entry, uint64_t raw);
viommu_where viommu_where_register(const char *name, uint64_t value);
viommu_where viommu_where_property(const char *name, const char *value);
viommu_where viommu_where_device(viommu_sid sid);
viommu_where viommu_where_iova(viommu_sid sid, viommu_iova_range iova);
viommu_where viommu_where_line(const char *path, uint64_t line);
viommu_where viommu_where_event(uint64_t seq);

/* All of one kind: list holds the first VIOMMU_FINDINGS_KEPT of count. */
typedef struct {
	const viommu_finding_kind *kind;
	GPtrArray *list; /* of viommu_finding */
	uint64_t count;
} viommu_finding_group;

/* The groups, worst severity first and else in the catalogue's order: a new array of
 * viommu_finding_group that self owns. */
GPtrArray *viommu_findings_groups(const viommu_findings *self);
/* How many were found of one code; with NULL: of all. */
uint64_t viommu_findings_count(const viommu_findings *self, const char *code);
/* How many kinds of at least this severity were found. */
guint viommu_findings_at_least(const viommu_findings *self, viommu_severity severity);
/* Adds all that other has. */
void viommu_findings_merge(viommu_findings *self, const viommu_findings *other);
/* Drops what another look at the same guest did not find: it runs, and moves. Where more
 * were counted than kept, and none of those kept is in both, those of self stay. */
void viommu_findings_keep(viommu_findings *self, const viommu_findings *other);

/* ---- finders: no I/O but the snapshot's pages, no printing -------------------------- */

/* Registers, properties, devices, queue and fault records: nothing that grows with L1's
 * memory.  FALSE with error only when the snapshot cannot be read. */
gboolean viommu_find_unit(viommu_findings *self, const viommu_snapshot *snapshot, GError **error);
/* Every paging entry of every device. */
gboolean viommu_find_tables(viommu_findings *self, const viommu_snapshot *snapshot, GError **error);
/* What the records and the result say besides; snapshot is the one it was judged by. */
gboolean viommu_find_result(
	viommu_findings *self, const viommu_result *result, const viommu_snapshot *snapshot, GError **error);
/* What QEMU's log says: refusals, failures, faults. */
void viommu_find_log(viommu_findings *self, const struct viommu_qemu_log *log);
/* What QEMU was seen not to notice (link 4). */
void viommu_find_notice(viommu_findings *self, const viommu_result *result);

/* ---- renderers ------------------------------------------------------------------------ */

/* Each kind once, with what was seen; from the severity details on with its meaning and
 * what to do (VIOMMU_SEVERITIES: never). */
void viommu_findings_text(FILE *out, const viommu_findings *self, viommu_severity details);
/* An array, one object a kind; details: with what it means and what to do. */
json_t *viommu_findings_json(const viommu_findings *self, bool details);

G_END_DECLS

#endif
