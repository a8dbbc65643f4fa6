/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record in a file that still grows: what does it tell of the time up to now? */
#ifndef VIOMMU_FOLLOW_H
#define VIOMMU_FOLLOW_H

#include <viommu/correlate.h>

/* A mark may be on its way while something is read.  One that was not there when the record was read
 * to its end after that, and comes so much later, or speaks for a moment so much later, was made after it. */
#define VIOMMU_ON_ITS_WAY_US (400 * 1000)

/* Reads the record at path, a regular file.  Of a trace that goes on, if wait, waits for a mark that
 * was made after this call began, for some seconds at most.  *told: all that was done up to this call
 * is in it.  Errors: those of viommu_record_read(). */
viommu_record_player *viommu_record_follow(const char *path, bool wait, bool *told, GError **error);

/* The same, read: of a trace what stands up to its last mark, and caught_up if that was made after
 * this call began; of others all there is.  *bytes, if bytes is not NULL: that of it, new. */
viommu_record *viommu_record_read_told(const char *path, bool wait, GBytes **bytes, GError **error);

#endif
