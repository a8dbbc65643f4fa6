/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found of the links behind the tables. */
#include "found.h"
#include "scene.h"

#define IOVA 0x40000000ull

#define WAIT 5ull

/* An assigned device, and a queue with nothing in it that covers what L1 did. */
static scene *
silent(void)
{
	scene *s = scene_new(true);

	s->t->driver = "vfio-pci";
	tables_submit(s->t, WAIT, 0);
	return s;
}

static viommu_findings *
look(scene *s)
{
	viommu_findings *ret = viommu_findings_new();
	GError *error = NULL;

	scene_judge(s);
	viommu_find_result(ret, s->result, s->snapshot, &error);
	g_assert_no_error(error);
	return ret;
}

static void
test_map_not_announced(void)
{
	g_autoptr(scene) s = silent();
	g_autoptr(viommu_findings) f = NULL;

	scene_both(s, IOVA, 0x5000, 0x1000);
	f = look(s);
	found_says(f, "map-not-announced", "device 00:04.0, IOVA 0x40000000-0x40000fff: ");
	g_assert_cmpuint(viommu_findings_count(f, "unmap-not-announced"), ==, 0);
}

static void
test_unmap_not_announced(void)
{
	g_autoptr(scene) s = silent();
	g_autoptr(viommu_findings) f = NULL;

	scene_ask(s, IOVA, 0x5000, 0x1000, "rw");
	record_unmap(s->text, 1, IOVA, 0x1000);
	f = look(s);
	found_says(f, "unmap-not-announced", "device 00:04.0, IOVA 0x40000000-0x40000fff: ");
	g_assert_cmpuint(viommu_findings_count(f, "map-not-announced"), ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/findings/chain/map-not-announced", test_map_not_announced);
	g_test_add_func("/findings/chain/unmap-not-announced", test_unmap_not_announced);
	return g_test_run();
}
