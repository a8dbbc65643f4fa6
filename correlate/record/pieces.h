/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An ordered map of IOVA ranges that never overlap. */
#ifndef VIOMMU_PIECES_H
#define VIOMMU_PIECES_H

#include <viommu/correlate.h>

viommu_pieces *viommu_pieces_new(void);
viommu_pieces *viommu_pieces_copy(const viommu_pieces *self);
void viommu_pieces_free(viommu_pieces *self);

/* Puts a piece in; what it overlaps is cut away first.  Joined with the piece
 * before it when both are one stretch of one request. */
void viommu_pieces_put(viommu_pieces *self, const viommu_piece *piece);

/* Takes a range out.  What was there is handed to cut (which may be NULL). */
typedef void (*viommu_piece_visitor)(const viommu_piece *piece, void *user);
void viommu_pieces_cut(viommu_pieces *self, viommu_iova_range range, viommu_piece_visitor cut, void *user);

/* The first piece that ends at or behind iova; NULL when there is none. */
const viommu_piece *viommu_pieces_from(const viommu_pieces *self, uint64_t iova);
size_t viommu_pieces_count(const viommu_pieces *self);

/* For hash tables whose keys are viommu_iova_range. */
guint viommu_range_hash(gconstpointer range);
gboolean viommu_range_equal(gconstpointer a, gconstpointer b);

#endif
