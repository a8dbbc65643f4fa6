/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lines that a record may have millions of: "map" events as the probe writes them.
 * They are read without jansson, whose objects cost twenty times the time and memory.
 */
#ifndef VIOMMU_RECORD_LINE_H
#define VIOMMU_RECORD_LINE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
	uint64_t gpa, size, after_ns;
} viommu_line_extent;

/* What such a line says, none of it checked but for its form. */
typedef struct {
	uint64_t seq, time_ns, space;
	uint64_t iova, size, page_size, vaddr;
	const char *prot;  /* "r", "w" or "rw"; NULL when it is not there */
	bool vaddr_known;
	GArray *extents; /* of viommu_line_extent; the caller's: emptied and filled */
} viommu_map_line;

/* False: the line is something else, or in another form, and maybe a good one: jansson
 * decides.  True: jansson would have read the very same. */
bool viommu_map_line_parse(const char *text, size_t len, viommu_map_line *ret);

#endif
