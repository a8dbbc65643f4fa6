/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Invalidation descriptors; the values are those that Linux builds (QI_IEC_*, QI_IWD_*). */
#include <viommu/vtd.h>

static vtd_descriptor
decode(uint64_t low, uint64_t high)
{
	const uint64_t raw[4] = { low, high };
	vtd_descriptor ret = { 0 };

	vtd_decode_descriptor(raw, 2, &ret);
	return ret;
}

static void
test_interrupt(void)
{
	vtd_descriptor d = decode(0x4, 0);

	g_assert_cmpstr(d.granularity, ==, "global");
	g_assert_false(d.has_index);
	d = decode(0x1200000014, 0);
	g_assert_true(d.has_index);
	g_assert_cmpuint(d.first_index, ==, 0x12);
	g_assert_cmpuint(d.indexes, ==, 1);
	d = decode(0xfff000000014 | 3ull << 27, 0);
	g_assert_cmpuint(d.first_index, ==, 0xfff0);
	g_assert_cmpuint(d.indexes, ==, 8);
	d = decode(0x518000014, 0);
	g_assert_cmpuint(d.first_index, ==, 0);
	g_assert_cmpuint(d.indexes, ==, 8);
	d = decode(0x500000014 | 31ull << 27, 0); /* L1 can write that */
	g_assert_cmpuint(d.first_index, ==, 0);
	g_assert_cmpuint(d.indexes, ==, 65536);
}

static void
test_wait(void)
{
	vtd_descriptor d = decode(0x200000025, 0x1420a3007);

	g_assert_cmpstr(d.name, ==, "invalidation wait");
	g_assert_true(d.status_write);
	g_assert_false(d.interrupt || d.fence);
	g_assert_cmpuint(d.status, ==, 2);
	g_assert_cmphex(d.status_address.v, ==, 0x1420a3004);
	d = decode(0x55, 0);
	g_assert_true(d.interrupt && d.fence);
	g_assert_false(d.status_write);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/descriptor/interrupt", test_interrupt);
	g_test_add_func("/descriptor/wait", test_wait);
	return g_test_run();
}
