/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was told already: what walk.c, nested.c and each.c share. */
#ifndef VIOMMU_VTD_MEMO_H
#define VIOMMU_VTD_MEMO_H

#include <viommu/vtd-walk.h>

/* For hash tables whose keys L1 chooses. */
guint vtd_key_hash(gconstpointer key);

/* The device whose tables are told next. */
void vtd_memo_begin(vtd_memo *self, const vtd_device *device);
vtd_place vtd_memo_here(const vtd_memo *self, uint64_t iova);

/* What a paging table says depends on its level, its stage and what its ancestors let
 * through. */
uint64_t vtd_memo_table(viommu_gpa table, unsigned level, bool first_stage, bool read, bool write);
uint64_t vtd_memo_pasid_table(viommu_gpa table);
uint64_t vtd_memo_pasid_dir(viommu_gpa directory, unsigned pdts);
/* entries: how many of the page's there are. */
uint64_t vtd_memo_pasid_dir_page(viommu_gpa page, unsigned entries);

/* Where this was told before, NULL: never. */
const vtd_place *vtd_memo_find(const vtd_memo *self, uint64_t key);
void vtd_memo_add(vtd_memo *self, uint64_t key, vtd_place place);

#endif
