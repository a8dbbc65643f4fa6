/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "sys/parse.h"
#include "map/pattern.h"
#include "sys/vfio-info.h"

/* What VFIO gives for QEMU's intel-iommu with aw-bits=39. */
static const struct iova_ranges ranges_39 = {
	.range = { { 0, 0xfedfffff }, { 0xfef00000, 0x7fffffffff } },
	.n = 2,
};

static const struct iova_ranges ranges_whole = { .range = { { 0, G_MAXUINT64 } }, .n = 1 };

static void
assert_sound(const struct pattern *pattern, const struct iova_ranges *ranges)
{
	for (gsize i = 0; i < pattern->n; i++) {
		const struct pattern_item *a = &pattern->item[i];

		g_assert_cmpuint(a->size, >, 0);
		g_assert_cmpuint(a->size % a->page_size, ==, 0);
		g_assert_cmpuint(a->iova.v % PAGE_4K, ==, 0);
		g_assert_cmpuint(a->prot, >=, 1);
		g_assert_cmpuint(a->prot, <=, 3);
		g_assert_true(iova_ranges_hold(ranges, a->iova.v, a->size));
		for (gsize j = 0; j < i; j++) {
			const struct pattern_item *b = &pattern->item[j];

			g_assert_true(a->iova.v > b->iova.v + (b->size - 1) ||
				      b->iova.v > a->iova.v + (a->size - 1));
		}
	}
}

static const struct pattern_item *
find(const struct pattern *pattern, uint64_t iova)
{
	for (gsize i = 0; i < pattern->n; i++) {
		if (pattern->item[i].iova.v == iova)
			return &pattern->item[i];
	}
	return NULL;
}

static void
test_default(void)
{
	struct pattern pattern;
	gsize crosses = 0;

	g_assert_cmpint(pattern_default(&pattern, &ranges_39, 1), ==, 0);
	assert_sound(&pattern, &ranges_39);
	g_assert_cmpuint(pattern.n_unplaced, ==, 0);
	/* The ends of the space and the edges of the hole. */
	g_assert_nonnull(find(&pattern, 0));
	g_assert_nonnull(find(&pattern, 0xfedff000));
	g_assert_nonnull(find(&pattern, 0xfef00000));
	g_assert_nonnull(find(&pattern, 0x7ffffff000));
	/* Neighbours with each permission. */
	g_assert_cmpuint(find(&pattern, 0x40000000)->prot, ==, DMA_PROT_READ | DMA_PROT_WRITE);
	g_assert_cmpuint(find(&pattern, 0x40001000)->prot, ==, DMA_PROT_READ);
	g_assert_cmpuint(find(&pattern, 0x40002000)->prot, ==, DMA_PROT_WRITE);
	/* Huge pages where a large leaf is possible. */
	g_assert_cmpuint(find(&pattern, 0x41000000)->page_size, ==, PAGE_2M);
	g_assert_cmpuint(find(&pattern, 0x180000000)->page_size, ==, PAGE_1G);
	for (gsize i = 0; i < pattern.n; i++) {
		const struct pattern_item *item = &pattern.item[i];

		crosses += item->iova.v / PAGE_1G != (item->iova.v + item->size - 1) / PAGE_1G;
	}
	g_assert_cmpuint(crosses, >=, 2);
	pattern_free(&pattern);
}

/* Whatever the ranges and the seed are. */
static void
test_default_anywhere(void)
{
	for (unsigned seed = 0; seed < 200; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		struct iova_ranges ranges = { .n = 0 };
		struct pattern pattern;
		uint64_t at = 0;
		const unsigned n = 1 + seed % 6;

		for (unsigned i = 0; i < n; i++) {
			const uint64_t first = at + (uint64_t) g_rand_int(rand) * (seed % 3);
			const uint64_t last =
				first + ((uint64_t) g_rand_int(rand) >> seed % 20) * PAGE_4K / 16;

			iova_ranges_add(&ranges, first, last);
			at = last + 1 + (uint64_t) g_rand_int_range(rand, 0, 1 << 24);
		}
		g_assert_cmpint(pattern_default(&pattern, &ranges, seed), ==, 0);
		assert_sound(&pattern, &ranges);
		pattern_free(&pattern);
	}
}

static void
test_default_extremes(void)
{
	static const struct iova_ranges none = { .n = 0 };
	static const struct iova_ranges one_page = { .range = { { 0x5000, 0x5fff } }, .n = 1 };
	static const struct iova_ranges top = { .range = { { G_MAXUINT64 - 0xffff, G_MAXUINT64 } }, .n = 1 };
	struct pattern pattern;

	g_assert_cmpint(pattern_default(&pattern, &ranges_whole, 1), ==, 0);
	assert_sound(&pattern, &ranges_whole);
	g_assert_nonnull(find(&pattern, 0xfffffffffffff000));
	pattern_free(&pattern);

	g_assert_cmpint(pattern_default(&pattern, &none, 1), ==, 0);
	g_assert_cmpuint(pattern.n, ==, 0);
	pattern_free(&pattern);

	g_assert_cmpint(pattern_default(&pattern, &one_page, 1), ==, 0);
	assert_sound(&pattern, &one_page);
	g_assert_cmpuint(pattern.n, ==, 1);
	g_assert_cmpuint(pattern.n_unplaced, >, 10);
	pattern_free(&pattern);

	g_assert_cmpint(pattern_default(&pattern, &top, 1), ==, 0);
	assert_sound(&pattern, &top);
	g_assert_cmpuint(pattern.n, >=, 2);
	pattern_free(&pattern);
}

static void
test_seed(void)
{
	struct pattern a, b, c;
	gsize differ = 0;

	g_assert_cmpint(pattern_default(&a, &ranges_39, 7), ==, 0);
	g_assert_cmpint(pattern_default(&b, &ranges_39, 7), ==, 0);
	g_assert_cmpint(pattern_default(&c, &ranges_39, 8), ==, 0);
	g_assert_cmpuint(a.n, ==, b.n);
	for (gsize i = 0; i < a.n; i++) {
		g_assert_cmpuint(a.item[i].iova.v, ==, b.item[i].iova.v);
		g_assert_cmpuint(a.item[i].size, ==, b.item[i].size);
		differ += i < c.n && a.item[i].iova.v != c.item[i].iova.v;
	}
	g_assert_cmpuint(differ, >, 0);
	pattern_free(&a);
	pattern_free(&b);
	pattern_free(&c);
}

static void
test_shaped(void)
{
	struct pattern_shape shape = {
		.size = 0x2000, .page_size = PAGE_4K, .count = 3, .iova = 0xfedfd000, .prot = 1
	};
	struct pattern pattern;

	/* Over the hole. */
	g_assert_cmpint(pattern_shaped(&pattern, &ranges_39, &shape, 1), ==, 0);
	assert_sound(&pattern, &ranges_39);
	g_assert_cmpuint(pattern.n, ==, 3);
	g_assert_cmpuint(pattern.item[0].iova.v, ==, 0xfedfd000);
	g_assert_cmpuint(pattern.item[1].iova.v, ==, 0xfef00000);
	g_assert_cmpuint(pattern.item[2].iova.v, ==, 0xfef02000);
	g_assert_cmpuint(pattern_bytes(&pattern), ==, 0x6000);
	pattern_free(&pattern);

	/* With gaps from the seed. */
	shape.spaced = true;
	shape.count = 500;
	g_assert_cmpint(pattern_shaped(&pattern, &ranges_39, &shape, 1), ==, 0);
	assert_sound(&pattern, &ranges_39);
	g_assert_cmpuint(pattern.n, ==, 500);
	g_assert_cmpuint(pattern.item[499].iova.v, >, 0xfef00000 + 500 * 0x2000);
	pattern_free(&pattern);
}

static void
test_shaped_no_room(void)
{
	struct pattern_shape shape = {
		.size = PAGE_4K, .page_size = PAGE_4K, .count = 2, .iova = 0x7ffffff000, .prot = 3
	};
	struct pattern pattern;

	g_assert_cmpint(pattern_shaped(&pattern, &ranges_39, &shape, 1), ==, -2);
	pattern_free(&pattern);
	shape.count = 1;
	g_assert_cmpint(pattern_shaped(&pattern, &ranges_39, &shape, 1), ==, 0);
	pattern_free(&pattern);
	/* The very last page of a 64-bit space, and one more. */
	shape.iova = 0xfffffffffffff000;
	g_assert_cmpint(pattern_shaped(&pattern, &ranges_whole, &shape, 1), ==, 0);
	pattern_free(&pattern);
	shape.count = 2;
	g_assert_cmpint(pattern_shaped(&pattern, &ranges_whole, &shape, 1), ==, -2);
	pattern_free(&pattern);
}

static void
test_ranges(void)
{
	struct iova_ranges ranges = { .n = 0 };

	iova_ranges_add(&ranges, 0x1001, 0x2fff); /* cut to whole pages */
	iova_ranges_add(&ranges, 0x5000, 0x5ffe); /* nothing whole in it */
	iova_ranges_add(&ranges, 0x9000, 0x8fff); /* backwards */
	iova_ranges_add(&ranges, G_MAXUINT64, G_MAXUINT64);
	iova_ranges_add(&ranges, 0, 0);
	g_assert_cmpuint(ranges.n, ==, 1);
	g_assert_cmpuint(ranges.range[0].first, ==, 0x2000);
	g_assert_cmpuint(ranges.range[0].last, ==, 0x2fff);
	g_assert_true(iova_ranges_hold(&ranges, 0x2000, 0x1000));
	g_assert_false(iova_ranges_hold(&ranges, 0x2000, 0x1001));
	g_assert_false(iova_ranges_hold(&ranges, 0x2000, 0));
	g_assert_false(iova_ranges_hold(&ranges, 0x1000, 0x1000));
	g_assert_false(iova_ranges_hold(&ranges, 0x2000, G_MAXUINT64));
}

/* An answer of VFIO_IOMMU_GET_INFO, as the kernel lays it out. */
struct info {
	uint32_t argsz, flags;
	uint64_t page_sizes;
	uint32_t cap_offset, padding;
	struct {
		uint16_t id, version;
		uint32_t next, n, reserved;
		uint64_t range[2][2];
	} iova;
	struct {
		uint16_t id, version;
		uint32_t next, available, padding;
	} dma;
};

static const struct info info_good = {
	.argsz = sizeof(struct info),
	.flags = 3,
	.page_sizes = 0xfffffffffffff000,
	.cap_offset = offsetof(struct info, iova),
	.iova = { 1, 1, offsetof(struct info, dma), 2, 0,
		{ { 0, 0xfedfffff }, { 0xfef00000, 0x7fffffffff } } },
	.dma = { 3, 1, 0, 65535, 0 },
};

static void
test_info(void)
{
	struct vfio_info vfio = { .available = -1 };
	struct info info = info_good;

	vfio_parse_info(&vfio, &info, sizeof info);
	g_assert_true(vfio.ranges.from_kernel);
	g_assert_cmpuint(vfio.ranges.n, ==, 2);
	g_assert_cmpuint(vfio.ranges.range[1].last, ==, 0x7fffffffff);
	g_assert_cmpint(vfio.available, ==, 65535);
	g_assert_cmpuint(vfio.page_sizes, ==, 0xfffffffffffff000);
}

static void
test_info_hostile(void)
{
	struct vfio_info vfio = { .available = -1 };
	struct info info = info_good;

	/* Cut off at every length; the sanitizers watch. */
	for (gsize size = 0; size <= sizeof info; size++) {
		g_autofree void *cut = g_memdup2(&info, size);

		vfio = (struct vfio_info){ .available = -1 };
		vfio_parse_info(&vfio, cut, size);
		g_assert_cmpuint(vfio.ranges.n, <=, 2);
	}
	/* A chain that loops, and more ranges than there are. */
	info.dma.next = offsetof(struct info, iova);
	info.iova.n = G_MAXUINT32;
	vfio = (struct vfio_info){ .available = -1 };
	vfio_parse_info(&vfio, &info, sizeof info);
	g_assert_cmpuint(vfio.ranges.n, <=, IOVA_RANGES_MAX);
	info.cap_offset = G_MAXUINT32;
	vfio = (struct vfio_info){ .available = -1 };
	vfio_parse_info(&vfio, &info, sizeof info);
	g_assert_cmpuint(vfio.ranges.n, ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/pattern/default", test_default);
	g_test_add_func("/probe/pattern/default-anywhere", test_default_anywhere);
	g_test_add_func("/probe/pattern/default-extremes", test_default_extremes);
	g_test_add_func("/probe/pattern/seed", test_seed);
	g_test_add_func("/probe/pattern/shaped", test_shaped);
	g_test_add_func("/probe/pattern/shaped-no-room", test_shaped_no_room);
	g_test_add_func("/probe/ranges", test_ranges);
	g_test_add_func("/probe/vfio-info/good", test_info);
	g_test_add_func("/probe/vfio-info/hostile", test_info_hostile);
	return g_test_run();
}
