/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last word of QEMU's log for each IOVA of one device: what QEMU told vfio of it.
 */
#ifndef VIOMMU_NOTICE_WORDS_H
#define VIOMMU_NOTICE_WORDS_H

#include <viommu/qemu-log.h>

#include "record/pieces.h"

typedef enum {
	WORD_NONE,
	WORD_MAP,      /* vfio was told of a mapping                                  */
	WORD_UNMAP,    /* vfio was told that it is gone, or was never told of one      */
	WORD_SKIPPED,  /* the same, but vfio had been told of a mapping and was not told that it is gone */
	WORD_UNREAD,   /* QEMU could not read the table                                */
	WORD_RESERVED, /* QEMU met a reserved bit                                      */
} notice_word;

typedef struct notice_words notice_words;

/* alone: no other device of this QEMU's is assigned, so that what names none is its. */
notice_words *notice_words_new(const viommu_qemu_log *log, const vtd_device *device, bool alone);
void notice_words_free(notice_words *self);

/* The word for iova; *last is cut to where it changes. event: what said so; of a mapping,
 * gpa is that of iova. */
notice_word notice_words_at(const notice_words *self, uint64_t iova, uint64_t *last, viommu_qlog_event *event);
/* The first range at or behind iova that vfio was told of and that is not gone. */
bool notice_words_next_map(const notice_words *self, uint64_t iova, viommu_iova_range *ret);

/* How often the log has QEMU processing the announcement of exactly these pages, since
 * the device got its context entry; *line is the last one's. */
uint64_t notice_words_announced(const notice_words *self, viommu_iova_range pages, uint64_t *line);

/* The log has events of QEMU's walks before and after this line. */
bool notice_words_walks_around(const notice_words *self, uint64_t line);

#endif
