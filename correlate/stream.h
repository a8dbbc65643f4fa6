/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record that is still being written, read as it grows. */
#ifndef VIOMMU_STREAM_H
#define VIOMMU_STREAM_H

#include <viommu/correlate.h>

typedef struct viommu_stream viommu_stream;

/* where: a file (followed as it grows), a FIFO, "unix:PATH" (a socket, such as that of a
 * virtio-serial port), or "-" (which ends where it ends, a file too). Errors: FAILED. */
viommu_stream *viommu_stream_open(const char *where, GError **error);
void viommu_stream_free(viommu_stream *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_stream, viommu_stream_free)

/* What one read may take in or a little more, so that a writer who never pauses cannot hold us. */
#define VIOMMU_STREAM_BURST (16 << 20)

/* Feeds player with what has come, waiting up to timeout_ms for the first of it.
 * Returns the bytes fed (0: nothing came), or -1 with error. */
gssize viommu_stream_read(viommu_stream *self, viommu_record_player *player, int timeout_ms, GError **error);
/* The writer has closed its end: nothing more can come. */
gboolean viommu_stream_ended(const viommu_stream *self);
/* Somebody has it open to write: of a file that cannot be told. */
gboolean viommu_stream_has_writer(const viommu_stream *self);

#endif
