/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a snapshot, for the files that build and store it. */
#ifndef VIOMMU_SNAPSHOT_PRIVATE_H
#define VIOMMU_SNAPSHOT_PRIVATE_H

#include <viommu/snapshot.h>

typedef struct {
	viommu_gpa gpa;
	const uint8_t *data; /* NULL unless status is OK */
	viommu_page_status status;
} viommu_snapshot_page;

struct viommu_snapshot {
	viommu_machine *machine;
	vtd_registers registers;
	viommu_capture_info info;
	GArray *pages;       /* of viommu_snapshot_page; sorted once sealed */
	GHashTable *seen;    /* page number -> place in pages + 1, while it is built */
	GArray *backing;     /* of viommu_backing */
	char *backing_unknown;
	bool sealed, owns_pages;
	uint8_t *file; /* of a snapshot read from a file: what data points into */
};

/* A page that was added already, NULL if it was not. Only before it is sealed. */
const viommu_snapshot_page *viommu_snapshot_seen(const viommu_snapshot *self, viommu_gpa gpa);

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
