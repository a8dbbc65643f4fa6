/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chain: the five links that a mapping passes, and what was seen of each.
 *
 * The links are judged one by one, each by its own witnesses: a mapping whose table
 * entry is wrong can still have been announced.  The first link that is broken is the
 * one to look at.
 */
#ifndef VIOMMU_CHAIN_H
#define VIOMMU_CHAIN_H

#include <stdbool.h>

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
	VIOMMU_LINK_REQUEST,      /* L1 asked, and its kernel said yes: the record             */
	VIOMMU_LINK_TABLE,        /* L1's kernel wrote the translation: the walk               */
	VIOMMU_LINK_INVALIDATION, /* L1 told the vIOMMU: its invalidation queue                */
	VIOMMU_LINK_NOTICE,       /* QEMU walked it and told vfio or vhost: QEMU's trace events */
	VIOMMU_LINK_SHADOW,       /* L0's IOMMU maps the page behind it                        */
	VIOMMU_LINKS,             /* how many there are */
} viommu_link;

typedef enum {
	VIOMMU_LINK_UNVERIFIED, /* nothing that was looked at tells                     */
	VIOMMU_LINK_OK,         /* seen                                                 */
	VIOMMU_LINK_BROKEN,     /* seen not to be so                                    */
	VIOMMU_LINK_NOT_NEEDED, /* there is no such link for this device                */
	VIOMMU_LINK_STATES,
} viommu_link_state;

typedef struct {
	viommu_link_state state;
	const char *note; /* why, or by what; lives as long as the result; may be NULL */
} viommu_link_status;

typedef struct {
	viommu_link_status links[VIOMMU_LINKS];
} viommu_chain;

const char *viommu_link_name(viommu_link link);          /* "invalidation" */
const char *viommu_link_broken_text(viommu_link link);   /* what it usually means that this one broke */
const char *viommu_link_state_name(viommu_link_state state); /* "not-needed" */
char viommu_link_state_sign(viommu_link_state state);    /* '?', '+', 'X', '-' */

/* The first broken link, VIOMMU_LINKS if none is. */
viommu_link viommu_chain_first_broken(const viommu_chain *self);

bool viommu_chain_equal(const viommu_chain *a, const viommu_chain *b);

/* What was seen besides the record and the snapshot; all of it may be missing. The
 * pieces have to outlive every result that was judged by them. */
typedef struct {
	const struct viommu_qemu_log *log; /* QEMU's trace events (<viommu/qemu-log.h>) */
	const GPtrArray *shadows;          /* of viommu_shadow (<viommu/shadow.h>)       */
	/* The tables are those of a live QEMU, read when the record had all its events: they tell
	 * nothing of what events behind a chosen moment have undone. */
	bool now;
} viommu_witnesses;

G_END_DECLS

#endif
