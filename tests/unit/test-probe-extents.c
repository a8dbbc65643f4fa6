/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "sys/extents.h"

#define PAGE(pfn) (PAGEMAP_PRESENT | (uint64_t) (pfn))
/* Soft-dirty and exclusively mapped: bits beside the page frame number. */
#define NOISE ((uint64_t) 3 << 55)

static void
assert_extents(const struct extents *extents, const char *expected)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (gsize i = 0; i < extents->n; i++)
		g_string_append_printf(text, "%" G_GINT64_MODIFIER "x+%" G_GINT64_MODIFIER "x ",
			extents->extent[i].gpa.v, extents->extent[i].size);
	g_assert_cmpstr(text->str, ==, expected);
}

static void
test_coalesce(void)
{
	const uint64_t first[] = { PAGE(0x10), PAGE(0x11) | NOISE, PAGE(0x13), PAGE(0x12) };
	const uint64_t then[] = { PAGE(0x13), PAGE(0x14), PAGE(0x14) };
	struct extents extents = { 0 };

	g_assert_cmpint(extents_add(&extents, first, G_N_ELEMENTS(first)), ==, 0);
	g_assert_cmpint(extents_add(&extents, then, G_N_ELEMENTS(then)), ==, 0);
	/* Joined over the border of the two calls; a falling or a repeated page
	 * begins anew. */
	assert_extents(&extents, "10000+2000 13000+1000 12000+3000 14000+1000 ");
	g_assert_cmpuint(extents.size, ==, 7 * 4096);
	g_assert_null(extents.unknown);
	extents_free(&extents);
}

static void
test_hidden(void)
{
	/* What the kernel shows without CAP_SYS_ADMIN. */
	const uint64_t words[] = { PAGE(0), PAGE(0) | NOISE };
	struct extents extents = { 0 };

	g_assert_cmpint(extents_add(&extents, words, G_N_ELEMENTS(words)), ==, 0);
	g_assert_cmpuint(extents.n, ==, 0);
	g_assert_cmpuint(extents.size, ==, 0);
	g_assert_nonnull(strstr(extents.unknown, "CAP_SYS_ADMIN"));
	extents_free(&extents);
}

static void
test_unknown_from_there(void)
{
	const uint64_t words[] = { PAGE(5), PAGE(6), 7, PAGE(8) };
	const uint64_t more[] = { PAGE(9) };
	struct extents extents = { 0 };

	g_assert_cmpint(extents_add(&extents, words, G_N_ELEMENTS(words)), ==, 0);
	g_assert_cmpint(extents_add(&extents, more, G_N_ELEMENTS(more)), ==, 0);
	assert_extents(&extents, "5000+2000 ");
	g_assert_nonnull(strstr(extents.unknown, "not present"));

	extents_clear(&extents);
	g_assert_cmpint(extents_add(&extents, more, G_N_ELEMENTS(more)), ==, 0);
	assert_extents(&extents, "9000+1000 ");
	g_assert_null(extents.unknown);
	extents_free(&extents);
}

static void
test_out_of_range(void)
{
	const uint64_t words[] = { PAGE(PAGEMAP_PFN_MASK) };
	struct extents extents = { 0 };

	g_assert_cmpint(extents_add(&extents, words, G_N_ELEMENTS(words)), ==, 0);
	g_assert_cmpuint(extents.n, ==, 0);
	g_assert_nonnull(strstr(extents.unknown, "out of range"));
	extents_free(&extents);
}

static void
test_many(void)
{
	struct extents extents = { 0 };

	for (uint64_t i = 0; i < 10000; i++) {
		const uint64_t word = PAGE(1 + 2 * i);

		g_assert_cmpint(extents_add(&extents, &word, 1), ==, 0);
	}
	g_assert_cmpuint(extents.n, ==, 10000);
	g_assert_cmpuint(extents.extent[9999].gpa.v, ==, 19999 * 4096);
	extents_free(&extents);
}

static void
test_difference(void)
{
	const uint64_t one[] = { PAGE(1), PAGE(2), PAGE(3), PAGE(9), PAGE(20) };
	const uint64_t two[] = { PAGE(1), PAGE(2), PAGE(7), PAGE(8), PAGE(20) };
	struct extents a = { 0 }, b = { 0 };

	g_assert_cmpint(extents_add(&a, one, G_N_ELEMENTS(one)), ==, 0);
	g_assert_cmpint(extents_add(&b, two, G_N_ELEMENTS(two)), ==, 0);
	g_assert_cmpuint(extents_difference(&a, &a), ==, 0);
	g_assert_cmpuint(extents_difference(&a, &b), ==, 2);
	g_assert_cmpuint(extents_difference(&b, &a), ==, 2);
	extents_clear(&b);
	g_assert_cmpuint(extents_difference(&a, &b), ==, 0);
	extents_free(&a);
	extents_free(&b);
}

/* A long run against pages that all stand alone: counted run by run. */
static void
test_difference_of_runs(void)
{
	const uint64_t run[] = { PAGE(4), PAGE(5), PAGE(6), PAGE(7) };
	const uint64_t shuffled[] = { PAGE(4), PAGE(6), PAGE(5), PAGE(7) };
	const uint64_t elsewhere[] = { PAGE(14), PAGE(15), PAGE(16), PAGE(17) };
	struct extents a = { 0 }, b = { 0 };

	g_assert_cmpint(extents_add(&a, run, G_N_ELEMENTS(run)), ==, 0);
	g_assert_cmpint(extents_add(&b, shuffled, G_N_ELEMENTS(shuffled)), ==, 0);
	g_assert_cmpuint(a.n, ==, 1);
	g_assert_cmpuint(b.n, ==, 4);
	g_assert_cmpuint(extents_difference(&a, &b), ==, 2);
	extents_clear(&b);
	g_assert_cmpint(extents_add(&b, elsewhere, G_N_ELEMENTS(elsewhere)), ==, 0);
	g_assert_cmpuint(extents_difference(&a, &b), ==, 4);
	extents_free(&a);
	extents_free(&b);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/extents/coalesce", test_coalesce);
	g_test_add_func("/probe/extents/hidden", test_hidden);
	g_test_add_func("/probe/extents/unknown-from-there", test_unknown_from_there);
	g_test_add_func("/probe/extents/out-of-range", test_out_of_range);
	g_test_add_func("/probe/extents/many", test_many);
	g_test_add_func("/probe/extents/difference", test_difference);
	g_test_add_func("/probe/extents/difference-of-runs", test_difference_of_runs);
	return g_test_run();
}
