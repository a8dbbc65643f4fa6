/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Link 5 against a judge that looks at each page by itself. */
#include "helpers.h"
#include "shadow-scene.h"

#define IOVA 0x40000000ull
#define PAGES 48

/* What page i is, on each side; 0: nothing. */
typedef struct {
	guint gpa, prot, hpa, shadow_prot, stands;
} page;

static viommu_shadow_verdict
slowly(const page *p)
{
	bool write = p->prot & 2, read = p->prot & 1;

	if (!p->prot)
		return p->hpa ? VIOMMU_SHADOW_STALE : VIOMMU_SHADOW_FOLLOWS;
	if (!p->hpa)
		return VIOMMU_SHADOW_MISSING;
	if (!p->stands)
		return VIOMMU_SHADOW_UNVERIFIED;
	if (p->stands != p->hpa)
		return VIOMMU_SHADOW_WRONG_PAGE;
	return (p->shadow_prot >> 1) == write && (p->shadow_prot & 1 || !read) ? VIOMMU_SHADOW_FOLLOWS
									       : VIOMMU_SHADOW_WRONG_PERMISSION;
}

static void
random_scene(GRand *rand, scene *s, page pages[PAGES])
{
	static const char *const prots[] = { "", "r", "w", "rw" };
	guint stands_at[PAGES + 1];

	for (guint i = 0; i <= PAGES; i++)
		stands_at[i] = unit_random(rand, 8) ? 0x100 + i : unit_random(rand, 3) ? 0x400 + (guint) unit_random(rand, 9) : 0;
	for (guint i = 1; i <= PAGES; i++)
		if (stands_at[i])
			shadow_scene_stands(s, i * 0x1000ull, stands_at[i] * 0x1000ull, 0x1000);
	for (guint i = 0; i < PAGES; i++) {
		page *p = &pages[i];

		*p = (page){ 0 };
		if (unit_random(rand, 6)) {
			p->gpa = unit_random(rand, 5) ? i + 1 : 1 + (guint) unit_random(rand, PAGES);
			p->prot = unit_random(rand, 5) ? 3 : 1 + (guint) unit_random(rand, 3);
			p->stands = stands_at[p->gpa];
			scene_ask(s, IOVA + i * 0x1000ull, p->gpa * 0x1000ull, 0x1000, prots[p->prot]);
			scene_have(s, IOVA + i * 0x1000ull, p->gpa * 0x1000ull, 0x1000, p->prot);
		}
		if (unit_random(rand, 6)) {
			p->hpa = unit_random(rand, 6) && p->stands ? p->stands : 0x100 + (guint) unit_random(rand, 9);
			p->shadow_prot = unit_random(rand, 6) ? p->prot | 1 : 1 + (guint) unit_random(rand, 3);
			shadow_scene_maps(shadow_scene_shadow(s, 0), IOVA + i * 0x1000ull, p->hpa * 0x1000ull, 0x1000, prots[p->shadow_prot]);
		}
	}
}

static void
test_random(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(5);
	guint seen[VIOMMU_SHADOW_VERDICTS] = { 0 };

	for (guint n = 0; n < 400; n++) {
		g_autoptr(shadow_scene) s = shadow_scene_new();
		page pages[PAGES];
		guint told = 0;

		random_scene(rand, s, pages);
		scene_judge(s);
		for (guint i = 0; i < s->result->runs->len; i++) {
			const viommu_run *run = scene_run(s, i);
			viommu_shadow_verdict verdict = viommu_shadow_verdict_of(shadow_scene_status(s, i));

			for (uint64_t iova = run->iova.first; iova < run->iova.last; iova += 0x1000) {
				const page *p = &pages[(iova - IOVA) >> 12];

				g_assert_cmpstr(shadow_words[verdict], ==, shadow_words[slowly(p)]);
				seen[verdict]++;
				told++;
			}
		}
		for (guint i = 0; i < PAGES; i++)
			told -= pages[i].prot || pages[i].hpa;
		g_assert_cmpuint(told, ==, 0);
	}
	for (guint v = 0; v < VIOMMU_SHADOW_VERDICTS; v++)
		g_assert_cmpuint(seen[v], >, 100);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/link-shadow/random", test_random);
	return g_test_run();
}
