/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reports say of a result that is made by hand: the verdict's sentence, and lists with a limit. */
#include "join/result.h"
#include "report/report-bounds.h"
#include "report/report-parts.h"

/* A run of so many pages behind the last one, whose first broken link is this one: VIOMMU_LINKS, none. */
static void
add(viommu_result *result, viommu_verdict verdict, viommu_link broken, uint64_t pages)
{
	const viommu_run *last = result->runs->len ? &g_array_index(result->runs, viommu_run, result->runs->len - 1) : NULL;
	uint64_t first = last ? last->iova.last + 0x2001 : 0;
	viommu_run run = { .verdict = verdict, .iova = { first, first + pages * 0x1000 - 1 } };
	viommu_chain chain = { 0 };

	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		chain.links[i].state = i == broken ? VIOMMU_LINK_BROKEN : VIOMMU_LINK_OK;
	run.chain = viommu_result_chain(result, &chain);
	viommu_result_add(result, &run);
}

static viommu_result *
new_result(void)
{
	viommu_result *ret = viommu_result_new();

	g_array_set_size(ret->targets, 1);
	g_array_index(ret->targets, viommu_target_result, 0) = (viommu_target_result){ 0 };
	return ret;
}

static void
assert_headline(viommu_result *result, const char *word, const char *sentence)
{
	g_auto(viommu_headline) line = { 0 };

	viommu_result_count(result);
	viommu_headline_of(result, &line);
	g_assert_cmpstr(line.word, ==, word);
	g_assert_cmpstr(line.sentence, ==, sentence);
}

/* Of a table that is as asked it is not said that it is not. */
static void
test_headline(void)
{
	g_autoptr(viommu_result) result = new_result();

	add(result, VIOMMU_MATCH, VIOMMU_LINKS, 3);
	assert_headline(result, "OK", "all 3 pages are in the vIOMMU's tables as L1 asked");
	add(result, VIOMMU_MATCH, VIOMMU_LINK_SHADOW, 1);
	assert_headline(result, "FAULT", "behind the table the chain breaks for 1 of 4 pages, at link 5 (shadow)");
	add(result, VIOMMU_MATCH, VIOMMU_LINK_INVALIDATION, 1);
	add(result, VIOMMU_IN_FLUX, VIOMMU_LINK_NOTICE, 1);
	assert_headline(result, "FAULT", "behind the table the chain breaks for 2 of 6 pages, at link 3 (invalidation) and link 5 (shadow)");
	add(result, VIOMMU_GONE, VIOMMU_LINK_SHADOW, 1);
	assert_headline(result, "FAULT", "behind the table the chain breaks for 2 of 6 pages and for 1 unmapped page, at link 3 (invalidation) "
					 "and link 5 (shadow)");
	add(result, VIOMMU_MISSING, VIOMMU_LINK_TABLE, 1);
	assert_headline(result, "FAULT", "1 of 7 pages is not as L1 asked, and behind the table the chain breaks for 2 of 7 pages and for "
					 "1 unmapped page, at link 3 (invalidation) and link 5 (shadow)");
}

static void
test_headline_unmapped(void)
{
	g_autoptr(viommu_result) result = new_result();

	add(result, VIOMMU_MATCH, VIOMMU_LINKS, 2);
	add(result, VIOMMU_GONE, VIOMMU_LINKS, 7);
	add(result, VIOMMU_GONE, VIOMMU_LINK_NOTICE, 2);
	assert_headline(result, "FAULT", "behind the table the chain breaks for 2 unmapped pages, at link 4 (notice)");
	add(result, VIOMMU_STALE, VIOMMU_LINK_SHADOW, 2); /* a wrong verdict is a wrong table, whatever else is */
	assert_headline(result, "FAULT", "2 of 4 pages are not as L1 asked, and behind the table the chain breaks for 2 unmapped pages, at link "
					 "4 (notice)");
}

/* How many of the runs the list takes, and whether this one is among them. */
static guint
taken(const viommu_result *result, bool gone, uint64_t limit, guint look, bool *found)
{
	viommu_run_bounds bounds;
	guint ret = 0;

	*found = false;
	viommu_run_bounds_of(result, gone, limit, &bounds);
	for (guint i = 0; i < result->runs->len && !viommu_run_bounds_full(&bounds); i++) {
		if (!viommu_run_bounds_take(&bounds, &g_array_index(result->runs, viommu_run, i)))
			continue;
		ret++;
		*found |= i == look;
	}
	g_assert_cmpuint(ret + bounds.left_out.runs, ==, gone ? result->runs_of[VIOMMU_GONE] : result->runs->len - result->runs_of[VIOMMU_GONE]);
	return ret;
}

/* That of the earliest link stands behind more faults than the list has room for. */
static void
test_first_fault(void)
{
	g_autoptr(viommu_result) result = new_result();
	bool found;

	for (unsigned i = 0; i < 10; i++)
		add(result, VIOMMU_MATCH, VIOMMU_LINK_SHADOW, 1);
	add(result, VIOMMU_GONE, VIOMMU_LINK_SHADOW, 1);
	add(result, VIOMMU_MISSING, VIOMMU_LINK_TABLE, 1);
	add(result, VIOMMU_MATCH, VIOMMU_LINKS, 1);
	viommu_result_count(result);
	for (uint64_t limit = 1; limit < 20; limit++) {
		g_assert_cmpuint(taken(result, false, limit, 11, &found), ==, MIN(limit, 12));
		g_assert_true(found);
		g_assert_cmpuint(taken(result, true, limit, 10, &found), ==, 1);
		g_assert_true(found);
	}
	g_assert_cmpuint(taken(result, false, 0, 11, &found), ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/report/headline", test_headline);
	g_test_add_func("/report/headline/unmapped", test_headline_unmapped);
	g_test_add_func("/report/first-fault-is-listed", test_first_fault);
	return g_test_run();
}
