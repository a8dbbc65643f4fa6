/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a snapshot, for the files that build and store it. */
#ifndef VIOMMU_SNAPSHOT_PRIVATE_H
#define VIOMMU_SNAPSHOT_PRIVATE_H

#include <viommu/snapshot.h>

#include "page-map.h"

typedef struct {
	viommu_gpa gpa;
	const uint8_t *data; /* NULL unless status is OK, and when it lies in the file */
	uint64_t offset;     /* in the file */
	viommu_page_status status;
} viommu_snapshot_page;

/* Pages that were captured lie in a few large blocks. */
typedef struct {
	uint8_t *bytes;
	size_t size, used;
} viommu_snapshot_block;

struct viommu_snapshot {
	viommu_machine *machine;
	vtd_registers registers;
	viommu_capture_info info;
	GArray *pages;       /* of viommu_snapshot_page; sorted once sealed */
	viommu_page_map *seen; /* of pages, while it is built */
	GArray *blocks;      /* of viommu_snapshot_block */
	GArray *backing;     /* of viommu_backing */
	char *backing_unknown;
	bool sealed;
	int fd;        /* of a snapshot read from a file: where its pages are; or -1 */
	GBytes *bytes; /* of one read from memory: what data points into; or NULL */
};

/* The content of a page whose status is OK: in memory, or read into buffer.  NULL: it is
 * not there any more. */
const uint8_t *viommu_snapshot_page_bytes(const viommu_snapshot *self, const viommu_snapshot_page *page, uint8_t *buffer);

/* The place in pages of this page.  One that was not asked for before is appended, with no
 * content, and the status VIOMMU_PAGE_NOT_CAPTURED. Only before it is sealed. */
guint viommu_snapshot_place(viommu_snapshot *self, viommu_gpa gpa);
/* Room for n pages behind each other, at the end of all content.  What is not taken into
 * use with viommu_snapshot_use() is given out again. */
uint8_t *viommu_snapshot_room(viommu_snapshot *self, size_t n);
void viommu_snapshot_use(viommu_snapshot *self, size_t n);

/* The members of the note that tell of the backing; false when they are not what
 * viommu-snapshot(5) says. */
void viommu_snapshot_put_backing(const viommu_snapshot *self, json_t *note);
bool viommu_snapshot_get_backing(viommu_snapshot *self, const json_t *note);

/* The words of the JSON note (viommu-snapshot(5)). */
#define VIOMMU_SNAPSHOT_FORMAT "viommu-snapshot"
#define VIOMMU_SNAPSHOT_VERSION 1
#define VIOMMU_NOTE_NAME "VIOMMU"
#define VIOMMU_NOTE_TYPE 1

#endif
