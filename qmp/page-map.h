/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From page numbers, which L1 chooses, to places in an array. */
#ifndef VIOMMU_PAGE_MAP_H
#define VIOMMU_PAGE_MAP_H

#include <glib.h>
#include <viommu/addr.h>

typedef struct viommu_page_map viommu_page_map;

viommu_page_map *viommu_page_map_new(void);
void viommu_page_map_free(viommu_page_map *self);

/* The place that goes with this page; one that is not in the map goes in with the given
 * place, and *added is TRUE. */
guint viommu_page_map_put(viommu_page_map *self, viommu_gpa gpa, guint place, gboolean *added);

#endif
