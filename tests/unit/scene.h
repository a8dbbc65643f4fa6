/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest with one device, what it asked for, and the verdicts. */
#ifndef UNIT_SCENE_H
#define UNIT_SCENE_H

#include <viommu/correlate.h>

#include "records.h"
#include "tables.h"

#define SCENE_SID 0x20 /* 0000:00:04.0 */

typedef struct {
	tables *t;
	uint64_t top; /* of the device's second-stage table, three levels */
	record_text *text;
	const char *at; /* the moment; NULL: the end */
	GArray *backing; /* of viommu_backing */
	viommu_witnesses witnesses; /* what it points to outlives the scene */
	/* Once judged. */
	GPtrArray *records;
	viommu_snapshot *snapshot;
	viommu_result *result;
} scene;

/* The device is attached to space 1, which is complete or not. */
scene *scene_new(bool complete);
void scene_free(scene *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(scene, scene_free)

/* Asked for in space 1; and in the table, as it should be. */
void scene_ask(scene *self, uint64_t iova, uint64_t gpa, uint64_t size, const char *prot);
void scene_have(scene *self, uint64_t iova, uint64_t gpa, uint64_t size, uint64_t bits);
void scene_both(scene *self, uint64_t iova, uint64_t gpa, uint64_t size);

/* Ends the record, judges, and checks that all counts add up. */
void scene_judge(scene *self);

/* Judges; the runs are
 * "verdict first-last [want GPA prot] [have GPA prot page-shift] [size] [read]", one a line. */
void scene_expect(scene *self, const char *runs);
const viommu_run *scene_run(const scene *self, guint i);
const viommu_target_result *scene_target(const scene *self, guint i);

#endif
