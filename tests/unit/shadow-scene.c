/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shadow-scene.h"

#include <string.h>

static void
free_shadow(void *shadow)
{
	viommu_shadow_free(shadow);
}

scene *
shadow_scene_new(void)
{
	scene *s = scene_new(true);
	GPtrArray *shadows = g_ptr_array_new_with_free_func(free_shadow);

	s->t->driver = "vfio-pci";
	g_ptr_array_add(shadows, viommu_shadow_new("the test", (viommu_sid){ SCENE_SID }, "0000:03:00.0"));
	s->witnesses.shadows = shadows;
	return s;
}

void
shadow_scene_free(scene *s)
{
	GPtrArray *shadows = (GPtrArray *) s->witnesses.shadows;

	scene_free(s);
	if (shadows)
		g_ptr_array_unref(shadows);
}
viommu_shadow *
shadow_scene_shadow(const scene *s, guint i)
{
	return g_ptr_array_index(s->witnesses.shadows, i);
}

void
shadow_scene_maps(viommu_shadow *shadow, uint64_t iova, uint64_t hpa, uint64_t size, const char *prot)
{
	viommu_shadow_piece piece = { .iova = { iova, iova + (size - 1) }, .hpa = { hpa }, .hpa_known = true,
		.prot_known = true, .read = strchr(prot, 'r'), .write = strchr(prot, 'w') };

	g_assert_true(viommu_shadow_add(shadow, &piece));
}

void
shadow_scene_stands(scene *s, uint64_t gpa, uint64_t hpa, uint64_t size)
{
	viommu_backing backing = { { gpa, gpa + (size - 1) }, { hpa } };

	g_array_append_val(s->backing, backing);
}

const char *const shadow_words[VIOMMU_SHADOW_VERDICTS] = { "unverified", "follows", "missing", "stale", "wrong-page",
	"wrong-permission" };

const viommu_link_status *
shadow_scene_status(const scene *s, guint i)
{
	return &viommu_run_chain(s->result, scene_run(s, i))->links[VIOMMU_LINK_SHADOW];
}
