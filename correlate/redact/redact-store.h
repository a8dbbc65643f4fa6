/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What redact.c, redact-learn.c and redact-replace.c share. */
#ifndef VIOMMU_REDACT_STORE_H
#define VIOMMU_REDACT_STORE_H

#include "redact/redact.h"

/* Shorter than this it would be found in other words. */
#define VIOMMU_REDACT_MIN_LITERAL 3
#define VIOMMU_REDACT_BUCKETS 4096
/* A kernel takes 2 or 4 KiB; what is longer is replaced as a whole. */
#define VIOMMU_REDACT_MAX_KERNEL (64u << 10)

typedef struct {
	char *literal;
	size_t len;
	viommu_redact_kind kind;
	unsigned number; /* 0: not shown yet. Numbers go by what is shown, not by what is known. */
	guint id;        /* in list */
} viommu_redact_entry;

struct viommu_redact {
	GHashTable *entries;                       /* literal -> viommu_redact_entry */
	GPtrArray *list;                           /* of the same */
	GPtrArray *buckets[VIOMMU_REDACT_BUCKETS]; /* of entries to look for, longest first; NULL: none */
	GHashTable *arguments;                     /* argument -> what it is shown as */
	GHashTable *terms;                         /* viommu_redact_terms */
	unsigned homes;                            /* whose owners were learned */
	struct {
		unsigned last, count;
		uint64_t times;
	} kinds[VIOMMU_REDACT_KINDS];
};

/* The one with this literal, which is added if there was none. */
viommu_redact_entry *viommu_redact_entry_of(viommu_redact *self, viommu_redact_kind kind, const char *literal);
/* Where entries are looked for whose first three bytes are those of text. */
static inline unsigned
viommu_redact_bucket(const char *text)
{
	const unsigned char *t = (const unsigned char *) text;

	return (t[0] * 961u + t[1] * 31u + t[2]) % VIOMMU_REDACT_BUCKETS;
}

/* The words of viommu's own formats, which are nobody's even if somebody is called so; NULL is the last. */
extern const char *const viommu_redact_terms[];

#endif
