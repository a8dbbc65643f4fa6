/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source of L1's memory, page by page.
 *
 * One interface stands before every place that pages can come from: QEMU's
 * process, the monitor, a snapshot, an array in a test.  Reads are batched:
 * a caller names all the pages that it knows it will want.
 *
 * What comes back is L1's and may change or lie at any time: a caller reads an
 * entry once and works on its copy.
 */
#ifndef VIOMMU_MEMORY_H
#define VIOMMU_MEMORY_H

#include <glib.h>
#include <viommu/addr.h>

G_BEGIN_DECLS

typedef enum {
	VIOMMU_PAGE_OK,           /* data holds the page                                  */
	VIOMMU_PAGE_NOT_RAM,      /* L1 has no RAM there: nothing was read                */
	VIOMMU_PAGE_FAILED,       /* it should be RAM, but it could not be read           */
	VIOMMU_PAGE_NOT_CAPTURED, /* the snapshot does not hold this page                 */
} viommu_page_status;

/* One page of a batch. */
typedef struct {
	viommu_gpa gpa;            /* in: page aligned                                    */
	uint8_t *buffer;           /* in: VIOMMU_PAGE_SIZE bytes that the source may fill */
	const uint8_t *data;       /* out: the page if OK, in buffer or in the source's
	                            *      own memory (valid as long as the source), else NULL */
	viommu_page_status status; /* out                                                 */
} viommu_page_read;

typedef struct viommu_memory viommu_memory;

typedef struct {
	/* A word for people: "process memory", "HMP xp", "snapshot". */
	const char *name;
	/* Reads n pages.  FALSE with error: the source as a whole is gone (QEMU died,
	 * a deadline passed); nothing in reads may be used then. */
	gboolean (*read_pages)(viommu_memory *self, viommu_page_read *reads, size_t n, GError **error);
	void (*free)(viommu_memory *self);
} viommu_memory_ops;

/* The first field of every source. */
struct viommu_memory {
	const viommu_memory_ops *ops;
};

static inline const char *
viommu_memory_name(const viommu_memory *self)
{
	return self->ops->name;
}

static inline gboolean
viommu_memory_read_pages(viommu_memory *self, viommu_page_read *reads, size_t n, GError **error)
{
	return self->ops->read_pages(self, reads, n, error);
}

static inline void
viommu_memory_free(viommu_memory *self)
{
	if (self)
		self->ops->free(self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_memory, viommu_memory_free)

/* For a status that is not OK: what it means, in a few words. */
const char *viommu_page_status_text(viommu_page_status status);

G_END_DECLS

#endif
