/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scene whose device is assigned, with shadows that the test makes. */
#ifndef SHADOW_SCENE_H
#define SHADOW_SCENE_H

#include <viommu/shadow.h>

#include "scene.h"

/* With one shadow that is empty. */
scene *shadow_scene_new(void);
void shadow_scene_free(scene *s);
typedef scene shadow_scene;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(shadow_scene, shadow_scene_free)

viommu_shadow *shadow_scene_shadow(const scene *s, guint i);
void shadow_scene_maps(viommu_shadow *shadow, uint64_t iova, uint64_t hpa, uint64_t size, const char *prot);
/* The page of L0 that stands behind one of L1's. */
void shadow_scene_stands(scene *s, uint64_t gpa, uint64_t hpa, uint64_t size);

extern const char *const shadow_words[VIOMMU_SHADOW_VERDICTS];
/* Of link 5 of run i. */
const viommu_link_status *shadow_scene_status(const scene *s, guint i);

#endif
