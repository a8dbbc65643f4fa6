/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the errno values of VFIO's and iommufd's calls mean.  One table, for
 * `explain`, `doctor`, `map` and `record`. */
#ifndef PROBE_ERRNO_TABLE_H
#define PROBE_ERRNO_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum errno_call {
	ERRNO_OPEN_CONTAINER,
	ERRNO_OPEN_GROUP,
	ERRNO_SET_CONTAINER,
	ERRNO_SET_IOMMU,
	ERRNO_ENABLE,
	ERRNO_GET_DEVICE_FD,
	ERRNO_MAP_DMA,
	ERRNO_UNMAP_DMA,
	ERRNO_BIND_IOMMUFD,
	ERRNO_ATTACH_IOMMUFD,
	ERRNO_IOAS_MAP,
	ERRNO_IOAS_UNMAP,
	ERRNO_CALLS,
};

struct errno_meaning {
	enum errno_call call;
	int err;
	const char *why;  /* the usual reason, in a few words */
	const char *todo; /* what mends it, in a few words */
	const char *more; /* other reasons, one on a line; or NULL */
};

/* "VFIO_IOMMU_MAP_DMA", "open /dev/vfio/N" */
const char *errno_call_name(enum errno_call call);
/* The name, with or without VFIO_, IOMMU_ and the like, in any case; or what
 * was opened.  False when it is none of them. */
bool errno_call_parse(const char *text, enum errno_call *ret);

/* NULL when the table has nothing about it. */
const struct errno_meaning *errno_meaning(enum errno_call call, int err);
/* The table's rows about CALL, one after the other: those after AFTER, or NULL
 * for the first. */
const struct errno_meaning *errno_meaning_next(enum errno_call call, const struct errno_meaning *after);

/* "why; todo", to stand after the name of the errno.  Constant, or in a buffer
 * that the next call overwrites. */
const char *errno_hint(enum errno_call call, int err);

#endif
