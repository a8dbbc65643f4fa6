/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shadow: what L0's IOMMU maps for a device that is assigned to L1.  Wherever it is
 * seen, it comes to the same: IOVA ranges, in order, and the pages of L0 that they go to.
 */
#ifndef VIOMMU_SHADOW_H
#define VIOMMU_SHADOW_H

#include <glib.h>
#include <viommu/correlate.h>

G_BEGIN_DECLS

/* A stretch of IOVAs that L0 maps to consecutive pages; or of which the source cannot
 * tell what is there. */
typedef struct {
	viommu_iova_range iova;
	viommu_hpa hpa;   /* of iova.first, when known */
	bool hpa_known;
	bool prot_known;  /* read and write say what L0's IOMMU allows */
	bool read, write;
	const char *unknown; /* why it is not known what is there; NULL when it is */
} viommu_shadow_piece;

typedef struct {
	char *name;        /* where it is from, for people; safe to print */
	viommu_sid device; /* L1's name of the device */
	char *host;        /* L0's, "0000:03:00.0"; safe to print */
	GArray *pieces;    /* of viommu_shadow_piece, in order, never overlapping */
	GArray *maybe;     /* of viommu_iova_range, in order: something is mapped there for a
	                    * device that is not known, perhaps this one */
	/* Why it proves nothing that a page is not there; and why that it differs from L1's
	 * table proves no fault.  NULL when it does. They live as long as self. */
	const char *absence, *presence;
	/* Why it tells nothing of L1's table at all; NULL when it does. Constant. */
	const char *apart;
	/* It is of the moment at which it was read, which was after L1's tables were; else, of
	 * one that somebody chose. */
	bool now;
	GStringChunk *notes;
} viommu_shadow;

/* name and host need not be safe to print. */
viommu_shadow *viommu_shadow_new(const char *name, viommu_sid device, const char *host);
void viommu_shadow_free(viommu_shadow *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_shadow, viommu_shadow_free)

/* Adds a piece behind all that were added before, joined with the last where both are
 * one stretch. false: it is not behind them, or no range of whole pages. */
bool viommu_shadow_add(viommu_shadow *self, const viommu_shadow_piece *piece);
/* The first piece that ends at or behind iova; NULL when there is none. */
const viommu_shadow_piece *viommu_shadow_from(const viommu_shadow *self, uint64_t iova);

/* L1's tables are those of now: what is of another moment tells nothing of them. */
void viommu_shadow_set_apart(viommu_shadow *self);

/* ---- where it is seen --------------------------------------------------------------- */

/* All of them: path or name is for people and messages; device is L1's name of the
 * device, host is L0's. Errors: INPUT (nothing is said of this device, or what is said is
 * no such file), FAILED, and those of snapshots. */

/* A record made in L0, by viommu-probe trace or any other.  now: it tells of the time after L1's
 * tables were read, up to its last mark; without that, a trace that goes on proves no fault. */
viommu_shadow *viommu_shadow_of_record(
	const viommu_record *record, viommu_sid device, const char *host, bool now, GError **error);
/* The tables of the vIOMMU that L0 has itself, when it is a guest. */
viommu_shadow *viommu_shadow_of_snapshot(
	const viommu_snapshot *outer, const char *name, viommu_sid device, const char *host, GError **error);
/* The text of domain_translation_struct in debugfs: of Intel's driver, Linux 5.6 and later. */
viommu_shadow *viommu_shadow_of_debugfs(
	const char *text, size_t len, const char *name, viommu_sid device, const char *host, GError **error);

/* ---- what it says --------------------------------------------------------------------- */

typedef enum {
	VIOMMU_SHADOW_UNVERIFIED,
	VIOMMU_SHADOW_FOLLOWS,
	VIOMMU_SHADOW_MISSING,          /* L1's table has it, the shadow does not */
	VIOMMU_SHADOW_STALE,            /* the shadow has it, L1's table does not */
	VIOMMU_SHADOW_WRONG_PAGE,
	VIOMMU_SHADOW_WRONG_PERMISSION,
	VIOMMU_SHADOW_VERDICTS,
} viommu_shadow_verdict;

/* What link 5 of a run says, by its status. */
viommu_shadow_verdict viommu_shadow_verdict_of(const viommu_link_status *status);

G_END_DECLS

#endif
