/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of errno values, and what people type to ask it. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/report.h"
#include "sys/errno-table.h"
#include "sys/errno-text.h"

static void
test_rows(void)
{
	guint n = 0;

	for (unsigned call = 0; call < ERRNO_CALLS; call++) {
		const struct errno_meaning *row = NULL;

		while ((row = errno_meaning_next((enum errno_call) call, row)) != NULL) {
			/* The first row of a pair hides a second one. */
			g_assert_true(errno_meaning((enum errno_call) call, row->err) == row);
			g_assert_true(row->why[0] && row->todo[0]);
			g_assert_false(g_str_has_prefix(errno_name(row->err), "errno "));
			g_assert_cmpuint(strlen(errno_hint((enum errno_call) call, row->err)), <, 500);
			n++;
		}
	}
	g_assert_cmpuint(n, >, 40);
	g_assert_null(errno_meaning(ERRNO_MAP_DMA, EXDEV));
	g_assert_cmpstr(errno_hint(ERRNO_MAP_DMA, EXDEV), ==, "see dmesg for what the kernel says");
}

static void
test_calls(void)
{
	const struct {
		const char *text;
		enum errno_call call;
	} known[] = {
		{ "VFIO_IOMMU_MAP_DMA", ERRNO_MAP_DMA },
		{ "vfio_iommu_map_dma", ERRNO_MAP_DMA },
		{ "MAP_DMA", ERRNO_MAP_DMA },
		{ "VFIO_IOMMU_ENABLE", ERRNO_ENABLE },
		{ "VFIO_SET_IOMMU", ERRNO_SET_IOMMU },
		{ "SET_IOMMU", ERRNO_SET_IOMMU },
		{ "VFIO_GROUP_SET_CONTAINER", ERRNO_SET_CONTAINER },
		{ "VFIO_GROUP_GET_DEVICE_FD", ERRNO_GET_DEVICE_FD },
		{ "IOMMU_IOAS_MAP", ERRNO_IOAS_MAP },
		{ "/dev/vfio/vfio", ERRNO_OPEN_CONTAINER },
		{ "open /dev/vfio/vfio", ERRNO_OPEN_CONTAINER },
		{ "open /dev/vfio/12", ERRNO_OPEN_GROUP },
		{ "/dev/vfio/N", ERRNO_OPEN_GROUP },
	};
	const char *const unknown[] = { "", "VFIO_", "open", "/dev/vfio/", "/dev/vfio/devices/vfio0", "MAP",
		"/dev/null" };
	enum errno_call call;

	for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
		g_assert_true(errno_call_parse(known[i].text, &call));
		g_assert_cmpint(call, ==, known[i].call);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++)
		g_assert_false(errno_call_parse(unknown[i], &call));
	for (unsigned i = 0; i < ERRNO_CALLS; i++) {
		g_assert_true(errno_call_parse(errno_call_name((enum errno_call) i), &call));
		g_assert_cmpint(call, ==, i);
	}
}

static void
test_numbers(void)
{
	g_assert_cmpint(errno_parse("ENOSPC"), ==, ENOSPC);
	g_assert_cmpint(errno_parse("enospc"), ==, ENOSPC);
	g_assert_cmpint(errno_parse("28"), ==, 28);
	g_assert_cmpint(errno_parse("-28"), ==, 28);
	g_assert_cmpint(errno_parse("No space left on device"), ==, ENOSPC);
	g_assert_cmpint(errno_parse("Inappropriate ioctl for device"), ==, ENOTTY);
	g_assert_cmpint(errno_parse(""), ==, 0);
	g_assert_cmpint(errno_parse("0"), ==, 0);
	g_assert_cmpint(errno_parse("28x"), ==, 0);
	g_assert_cmpint(errno_parse("99999999999999999999"), ==, 0);
	g_assert_cmpint(errno_parse("ENOSUCH"), ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/errno/rows", test_rows);
	g_test_add_func("/probe/errno/calls", test_calls);
	g_test_add_func("/probe/errno/numbers", test_numbers);
	return g_test_run();
}
