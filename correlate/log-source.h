/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's log for a look at the tables (--qemu-log, --trace): read anew for each look at a
 * live QEMU, and with proof that it goes up to then, where that can be had.
 */
#ifndef VIOMMU_LOG_SOURCE_H
#define VIOMMU_LOG_SOURCE_H

#include <viommu/capture.h>
#include <viommu/qemu-log.h>

typedef struct viommu_log_source viommu_log_source;

/* path: a saved log, or that of the live QEMU; or NULL.  trace: that of the viommu trace
 * that runs on this QEMU, else trace events of our own, until the source is freed (which a
 * signal that would end us waits for).  Both missing: a source that gives nothing.
 * live: NULL when the target is a snapshot; has to outlive the source. */
viommu_log_source *viommu_log_source_open(const char *path, gboolean trace, viommu_live *live, const char *address, pid_t pid,
	GError **error);
void viommu_log_source_free(viommu_log_source *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_log_source, viommu_log_source_free)

/* The log as it is now, into *ret (NULL when there is none; the source owns it); after the
 * tables were read. */
gboolean viommu_log_source_read(viommu_log_source *self, const viommu_qemu_log **ret, GError **error);

/* The text that the log was read from, so far; NULL without error when there is none, or it
 * came from standard input. */
GBytes *viommu_log_source_bytes(const viommu_log_source *self, GError **error);

#endif
