/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two looks at a guest that runs: a fault counts when both agree on it. */
#include <string.h>

#include "scene.h"

#define IOVA 0x40000000ull

/* Six pages, asked for and there. */
static scene *
good(void)
{
	scene *s = scene_new(true);

	scene_both(s, IOVA, 0x5000, 0x6000);
	return s;
}

/* doubt() of the later look against the earlier one. */
static uint64_t
doubt(scene *earlier, scene *later, bool apply)
{
	scene_judge(earlier);
	scene_judge(later);
	return viommu_result_doubt(later->result, earlier->result, apply);
}

static uint64_t
pages_in_all(const viommu_result *result)
{
	uint64_t ret = 0;

	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		ret += result->pages[v];
	return ret;
}

static void
test_agreed(void)
{
	g_autoptr(scene) a = good(), b = good();
	scene *both[] = { a, b };

	g_assert_cmpuint(doubt(a, b, true), ==, 0);
	for (unsigned i = 0; i < 2; i++) {
		scene_have(both[i], IOVA + 0x1000, 0, 0x1000, 0);
		scene_have(both[i], IOVA + 0x3000, 0x99000, 0x1000, PTE_RW);
		scene_have(both[i], IOVA + 0x8000, 0x99000, 0x1000, PTE_RW);
	}
	g_assert_cmpuint(doubt(a, b, true), ==, 0);
	g_assert_cmpuint(viommu_result_faults(b->result), ==, 3);
	g_assert_cmpuint(b->result->pages[VIOMMU_IN_FLUX], ==, 0);
}

/* Right in the first look, wrong in the second. */
static void
test_new(void)
{
	g_autoptr(scene) a = good(), b = good();
	uint64_t all;

	scene_have(b, IOVA + 0x1000, 0, 0x2000, 0);
	g_assert_cmpuint(doubt(a, b, false), ==, 2);
	g_assert_cmpuint(viommu_result_faults(b->result), ==, 2); /* only counted */
	all = pages_in_all(b->result);
	g_assert_cmpuint(doubt(a, b, true), ==, 2);
	g_assert_cmpuint(viommu_result_faults(b->result), ==, 0);
	g_assert_cmpuint(b->result->pages[VIOMMU_IN_FLUX], ==, 2);
	g_assert_cmpuint(b->result->runs_of[VIOMMU_IN_FLUX], ==, 1);
	g_assert_cmpuint(b->result->runs_of[VIOMMU_MISSING], ==, 0);
	g_assert_cmpuint(scene_target(b, 0)->pages[VIOMMU_IN_FLUX], ==, 2);
	g_assert_cmpuint(scene_target(b, 0)->pages[VIOMMU_MISSING], ==, 0);
	g_assert_cmpuint(pages_in_all(b->result), ==, all);
	g_assert_cmpint(scene_run(b, 1)->verdict, ==, VIOMMU_IN_FLUX);
	g_assert_cmpstr(scene_run(b, 1)->note, ==, "missing"); /* what it was last */
}

/* Wrong in the first look, right in the second: it was moving, and is over. */
static void
test_over(void)
{
	g_autoptr(scene) a = good(), b = good();

	scene_have(a, IOVA + 0x1000, 0, 0x2000, 0);
	g_assert_cmpuint(doubt(a, b, true), ==, 0);
	g_assert_cmpuint(b->result->pages[VIOMMU_MATCH], ==, 6);
}

/* Wrong both times, but not in the same way. */
static void
test_otherwise(void)
{
	static const struct {
		uint64_t gpa_a, bits_a, gpa_b, bits_b;
	} cases[] = {
		{ 0x99000, PTE_RW, 0x9a000, PTE_RW }, /* another wrong page */
		{ 0x99000, PTE_RW, 0x99000, PTE_R },
		{ 0x6000, PTE_R, 0x6000, PTE_W },
		{ 0x99000, PTE_RW, 0, 0 },  /* another verdict */
		{ 0x99000, 0, 0x9a000, 0 }, /* another entry that is not present */
		{ 0x6000, PTE_RW | PTE_SNP, 0x6000, PTE_RW | 1ull << 62 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(scene) a = good(), b = good();

		g_test_message("case %zu", i);
		scene_have(a, IOVA + 0x1000, cases[i].gpa_a, 0x1000, cases[i].bits_a);
		scene_have(b, IOVA + 0x1000, cases[i].gpa_b, 0x1000, cases[i].bits_b);
		g_assert_cmpuint(doubt(a, b, true), ==, 1);
		g_assert_cmpuint(b->result->pages[VIOMMU_IN_FLUX], ==, 1);
	}
}

/* A fault that stays, beside others that come and go: it is not lost in them. */
static void
test_beside(void)
{
	g_autoptr(scene) a = good(), b = good();
	g_autoptr(GError) error = NULL;

	scene_have(a, IOVA + 0x1000, 0, 0x3000, 0);
	scene_have(b, IOVA + 0x1000, 0x99000, 0x1000, PTE_RW); /* wrong in both, but otherwise */
	scene_have(b, IOVA + 0x2000, 0, 0x4000, 0);
	g_assert_cmpuint(doubt(a, b, false), ==, 3);
	g_assert_cmpuint(b->result->runs->len, ==, 3);
	g_assert_cmpuint(doubt(a, b, true), ==, 3);
	g_assert_cmpuint(b->result->runs->len, ==, 4);
	g_assert_cmpint(scene_run(b, 1)->verdict, ==, VIOMMU_IN_FLUX);
	g_assert_cmpint(scene_run(b, 2)->verdict, ==, VIOMMU_MISSING);
	g_assert_cmphex(scene_run(b, 2)->iova.first, ==, IOVA + 0x2000);
	g_assert_cmphex(scene_run(b, 2)->iova.last, ==, IOVA + 0x3fff);
	g_assert_cmphex(scene_run(b, 2)->expected.gpa.v, ==, 0x7000);
	g_assert_cmpint(scene_run(b, 3)->verdict, ==, VIOMMU_IN_FLUX);
	g_assert_cmphex(scene_run(b, 3)->iova.first, ==, IOVA + 0x4000);
	g_assert_cmphex(scene_run(b, 3)->expected.gpa.v, ==, 0x9000);
	g_assert_cmpuint(viommu_result_faults(b->result), ==, 2);
	g_assert_cmpuint(b->result->runs_of[VIOMMU_MISSING], ==, 1);
	g_assert_cmpuint(b->result->runs_of[VIOMMU_IN_FLUX], ==, 2);
	/* Each part has its own evidence, once it is asked for. */
	g_assert_null(scene_run(b, 3)->evidence);
	g_assert_true(viommu_result_add_evidence(b->result, b->snapshot, &error));
	g_assert_cmphex(scene_run(b, 2)->evidence->iova.v, ==, IOVA + 0x2000);
	g_assert_cmphex(scene_run(b, 3)->evidence->iova.v, ==, IOVA + 0x4000);
}

/* A fault that grows: what was wrong before is wrong. */
static void
test_grows(void)
{
	g_autoptr(scene) a = good(), b = good();

	scene_have(a, IOVA + 0x2000, 0, 0x1000, 0);
	scene_have(b, IOVA + 0x1000, 0, 0x3000, 0);
	scene_have(a, IOVA + 0x10000, 0x1000, 0x1000, PTE_RW);
	scene_have(b, IOVA + 0x10000, 0x1000, 0x3000, PTE_RW);
	g_assert_cmpuint(doubt(a, b, true), ==, 4);
	g_assert_cmpuint(b->result->pages[VIOMMU_MISSING], ==, 1);
	g_assert_cmpuint(b->result->pages[VIOMMU_UNEXPECTED], ==, 1);
	g_assert_cmpuint(b->result->pages[VIOMMU_IN_FLUX], ==, 4);
	/* And one that shrinks: what is left was there before. */
	g_assert_cmpuint(doubt(b, a, true), ==, 0);
	g_assert_cmpuint(viommu_result_faults(a->result), ==, 2);
}

/* What is no fault is not doubted. */
static void
test_no_fault(void)
{
	g_autoptr(scene) a = good(), b = good();

	record_map_unknown(b->text, 1, IOVA + 0x10000, 0x1000, "rw", "why");
	scene_have(b, IOVA + 0x10000, 0x1000, 0x1000, PTE_RW);
	g_assert_cmpuint(doubt(a, b, true), ==, 0);
	g_assert_cmpuint(b->result->pages[VIOMMU_UNVERIFIED], ==, 1);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/doubt/agreed", test_agreed);
	g_test_add_func("/doubt/new", test_new);
	g_test_add_func("/doubt/over", test_over);
	g_test_add_func("/doubt/otherwise", test_otherwise);
	g_test_add_func("/doubt/beside", test_beside);
	g_test_add_func("/doubt/grows", test_grows);
	g_test_add_func("/doubt/no-fault", test_no_fault);
	return g_test_run();
}
