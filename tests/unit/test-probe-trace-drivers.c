/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What L1's drivers map: the dma event, or the number of the domain, tells whose it is. */
#include <string.h>

#include "sys/parse.h"
#include "trace-scene.h"

static void
test_driver(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_page(scene, 50, 0xfffc0000, 0xa000, 6);
	add_dma(scene, 50, "0000:00:06.0", 0xfffc0000, DMA_PROT_READ);
	add_page(scene, 50, 0xfffc1000, 0xb000, 7);
	add_dma(scene, 50, "not-pci", 0xfffc1000, DMA_PROT_READ);
	add_map(scene, TRACE_UNMAP, 51, 0xfffc0000, 0x1000, 0);
	expect(scene, "\"attach\",\"space\":1,\"device\":\"0000:00:06.0\",\"backend\":\"dma-api\","
		      "\"complete\":false,"
		      "\"evidence\":\"dma event of its driver\"}\n"
		      "\"map\",\"space\":1,\"iova\":\"0xfffc0000\",\"size\":\"0x1000\",\"prot\":\"r\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":6}\n"
		      "\"map\",\"space\":2,\"iova\":\"0xfffc1000\",\"size\":\"0x1000\",\"prot\":\"r\","
		      "\"extents\":[{\"gpa\":\"0xb000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":7}\n"
		      "\"unmap\",\"space\":1,\"iova\":\"0xfffc0000\",\"size\":\"0x1000\"}\n");
}

/* No dma events, as before 6.12: the domain number keeps two devices apart. */
static void
test_domains(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_join(scene, 1, 0x30, 6, "0000:00:06.0");
	add_page(scene, 50, 0xfffff000, 0xa000, 6);
	add_page(scene, 50, 0xfffff000, 0xb000, 7);
	add_map(scene, TRACE_UNMAP, 0, 0xfffff000, 0x1000, 0);
	add_qi(scene, 0, 0x700f2, 0xfffff000);
	expect(scene, "\"attach\",\"space\":1,\"device\":\"0000:00:06.0\",\"backend\":\"iommu-domain\","
		      "\"complete\":false,"
		      "\"evidence\":\"attach event, and the domain flushed before it\",\"iommu\":\"dmar0\","
		      "\"domain_id\":6}\n"
		      "\"map\",\"space\":1,\"iova\":\"0xfffff000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":6}\n"
		      "\"map\",\"space\":2,\"iova\":\"0xfffff000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xb000\",\"size\":\"0x1000\"}],\"iommu\":\"dmar0\",\"domain_"
		      "id\":7}\n"
		      "\"unmap\",\"space\":2,\"iova\":\"0xfffff000\",\"size\":\"0x1000\",\"iommu\":\"dmar0\","
		      "\"domain_id\":7}\n");
}

/* The number of a domain is used again, while mappings of the old one stand in
 * the books: the new device does not get them. */
static void
test_number_used_again(struct scene *scene, gconstpointer data)
{
	g_autofree char *got = NULL;

	(void) data;
	add_page(scene, 50, 0x5000, 0xa000, 6);
	add_join(scene, 1, 0x30, 6, "0000:00:06.0");
	got = play(scene);
	g_assert_null(strstr(got, "\"attach\""));
}

/* The flush is about another device than the one attached. */
static void
test_other_sid(struct scene *scene, gconstpointer data)
{
	(void) data;
	add_join(scene, 1, 0x38, 6, "0000:00:06.0");
	add_qi(scene, 1, 0x3000060031, 0); /* an entry taken away, then its old domain */
	add_qi(scene, 1, 0x600e2, 0);
	add_named(scene, TRACE_ATTACH, 1, "0000:00:06.0");
	expect(scene, "");
}

/* Nothing tells anything: one space, and another where they contradict. */
static void
test_unknown(struct scene *scene, gconstpointer data)
{
	(void) data;
	scene->engine.caching_mode = false;
	add_map(scene, TRACE_MAP, 50, 0x1000, 0x1000, 0xa000);
	add_map(scene, TRACE_MAP, 51, 0x2000, 0x1000, 0xb000);
	add_map(scene, TRACE_MAP, 52, 0x1000, 0x1000, 0xc000);
	expect(scene, "\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xa000\",\"size\":\"0x1000\"}]}\n"
		      "\"map\",\"space\":1,\"iova\":\"0x2000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xb000\",\"size\":\"0x1000\"}]}\n"
		      "\"map\",\"space\":2,\"iova\":\"0x1000\",\"size\":\"0x1000\","
		      "\"extents\":[{\"gpa\":\"0xc000\",\"size\":\"0x1000\"}]}\n");
}

int
main(int argc, char **argv)
{
	static const scene_test tests[] = {
		{ "driver", test_driver },
		{ "domains", test_domains },
		{ "number-used-again", test_number_used_again },
		{ "other-sid", test_other_sid },
		{ "unknown", test_unknown },
	};

	return scene_main(argc, argv, "trace-drivers", tests, G_N_ELEMENTS(tests));
}
