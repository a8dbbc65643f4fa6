/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shadows by their sources: records of L0, outer vIOMMUs, debugfs; and what a snapshot
 * says of L0's pages. */
#include <string.h>

#include <viommu/shadow.h>

#include "helpers.h"
#include "scene.h"

#define HOST "0000:00:04.0"
static const viommu_sid device = { 0x20 };

/* "first-last hpa prot" of each piece, one a line. */
static char *
pieces_of(const viommu_shadow *shadow)
{
	GString *ret = g_string_new(NULL);

	for (guint i = 0; i < shadow->pieces->len; i++) {
		const viommu_shadow_piece *p = &g_array_index(shadow->pieces, viommu_shadow_piece, i);

		g_string_append_printf(ret, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x ", p->iova.first, p->iova.last);
		if (p->unknown)
			g_string_append_printf(ret, "unknown: %s\n", p->unknown);
		else if (p->hpa_known)
			g_string_append_printf(ret, "%" G_GINT64_MODIFIER "x %s%s%s\n", p->hpa.v, p->prot_known ? "" : "?",
				p->read ? "r" : "", p->write ? "w" : "");
		else
			g_string_append_printf(ret, "? %s%s\n", p->read ? "r" : "", p->write ? "w" : "");
	}
	return g_string_free(ret, FALSE);
}

static void
expect_pieces(const viommu_shadow *shadow, const char *wanted)
{
	g_autofree char *text = pieces_of(shadow);

	g_assert_cmpstr(text, ==, wanted);
}

/* ---- the list ------------------------------------------------------------------------- */

static void
test_add(void)
{
	g_autoptr(viommu_shadow) s = viommu_shadow_new("a\x1b[31m name", device, HOST);
	static const struct {
		uint64_t first, last;
		bool good;
	} cases[] = {
		{ 0x1000, 0x1fff, true },
		{ 0x1000, 0x1fff, false },                     /* again */
		{ 0x0, 0xfff, false },                         /* before */
		{ 0x1000, 0x2fff, false },                     /* overlaps */
		{ 0x2000, 0x2ffe, false },                     /* not whole */
		{ 0x2800, 0x2fff, false },
		{ 0x3000, 0x2fff, false },                     /* nothing */
		{ 0x4000, 0x3fff, false },
		{ 0xfffffffffffff000, 0xffffffffffffffff, true },
		{ 0, 0xfff, false },
		{ 0, 0xffffffffffffffff, false },
	};

	g_assert_cmpstr(s->name, ==, "a\\x1b[31m name");
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		viommu_shadow_piece piece = { .iova = { cases[i].first, cases[i].last }, .hpa_known = true };

		g_assert_cmpint(viommu_shadow_add(s, &piece), ==, cases[i].good);
	}
	g_assert_cmpuint(s->pieces->len, ==, 2);
	g_assert_cmphex(viommu_shadow_from(s, 0)->iova.first, ==, 0x1000);
	g_assert_cmphex(viommu_shadow_from(s, 0x1fff)->iova.first, ==, 0x1000);
	g_assert_cmphex(viommu_shadow_from(s, 0x2000)->iova.first, ==, 0xfffffffffffff000);
	g_assert_cmphex(viommu_shadow_from(s, UINT64_MAX)->iova.first, ==, 0xfffffffffffff000);
}

/* A million stretches, no two of them neighbours. */
static void
test_many(void)
{
	g_autoptr(viommu_shadow) s = viommu_shadow_new("many", device, HOST);

	for (uint64_t i = 0; i < 1000000; i++) {
		viommu_shadow_piece piece = { .iova = { i << 12, (i << 12) + 0xfff }, .hpa = { (i * 2) << 12 }, .hpa_known = true };

		g_assert_true(viommu_shadow_add(s, &piece));
	}
	g_assert_cmpuint(s->pieces->len, ==, 1000000);
	for (uint64_t i = 0; i < 1000000; i += 997)
		g_assert_cmphex(viommu_shadow_from(s, (i << 12) + 0x800)->hpa.v, ==, (i * 2) << 12);
	g_assert_null(viommu_shadow_from(s, 1000000ull << 12));
}

/* ---- debugfs --------------------------------------------------------------------------- */

static viommu_shadow *
by_text(const char *text, const char *host, GError **error)
{
	return viommu_shadow_of_debugfs(text, strlen(text), "the text", device, host, error);
}

static void
expect_file(const char *name, const char *host, const char *wanted)
{
	g_autofree char *path = g_strconcat("shadow/", name, NULL), *text = unit_fixture(path);
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_shadow) s = by_text(text, host, &error);

	g_assert_no_error(error);
	expect_pieces(s, wanted);
	g_assert_null(s->absence);
	g_assert_null(s->presence);
}

static void
test_debugfs(void)
{
	expect_file("debugfs-6.12-4k.txt", HOST,
		"40000000-40000fff 142b80000 r\n40001000-40001fff 142ae9000 r\n40002000-40002fff 142af2000 r\n"
		"40003000-40003fff 142b40000 r\n");
	expect_file("debugfs-6.12-2m.txt", HOST, "40000000-407fffff 141a00000 rw\n");
	expect_file("debugfs-6.12-1g.txt", "00:04.0", "40000000-7fffffff 100000000 rw\n");
	expect_file("debugfs-6.1-by-hand.txt", HOST,
		"40000000-40000fff 103b01000 rw\n40001000-40001fff 103b02000 r\n40200000-403fffff 104000000 rw\n"
		"80000000-bfffffff 140000000 rw\n");
	expect_file("debugfs-6.1-by-hand.txt", "0000:00:03.0", "fffff000-ffffffff 102a3e000 rw\n");
}

#define DEVICE "Device " HOST " @0x1000\n"
#define ROW(pfn, pde, pte) pfn " |\t0x0\t0x0\t0x143494003\t" pde "\t" pte "\n"

/* Directories take away; rows of a PASID are not the device's own DMA. */
static void
test_debugfs_details(void)
{
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		{ DEVICE ROW("0x1", "0x5001", "0x7003"), "1000-1fff 7000 r\n" },
		{ DEVICE ROW("0x1", "0x5003", "0x8000000000007003"), "1000-1fff 7000 rw\n" },
		{ DEVICE ROW("0x1", "0x5003", "0xfff0000000007803"), "1000-1fff 7000 rw\n" },
		{ "Device " HOST " with pasid 0 @0x1\n" ROW("0x1", "0x5003", "0x7003"), "1000-1fff 7000 rw\n" },
		{ "Device " HOST " with pasid 2a @0x1\n" ROW("0x1", "0x5003", "0x9003") DEVICE ROW("0x1", "0x5003", "0x7003"),
			"1000-1fff 7000 rw\n" },
		{ DEVICE, "" },
		{ DEVICE "\n\n", "" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(viommu_shadow) s = by_text(cases[i].text, HOST, &error);

		g_assert_no_error(error);
		expect_pieces(s, cases[i].wanted);
	}
}

static void
test_debugfs_bad(void)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "", "no tables of the device" },
		{ "Device 0000:00:05.0 @0x1\n", "no tables of the device" },
		{ "Device \n", "line 1: a device with no name" },
		{ "Device " HOST " with pasid zz @0x1\n", "a PASID" },
		{ DEVICE DEVICE, "line 2: the device is there twice" },
		{ "hello\n", "line 1: a line that is none of it" },
		{ DEVICE "0x1 |\t0x3", "cut off" },
		{ DEVICE "0x1\n", "a row that is none" },
		{ DEVICE "0xg |\t0x3\n", "a row that is none" },
		{ DEVICE "0x1 | 0x0 0x0 zzz\n", "an entry that is no number" },
		{ DEVICE "0x1 | 0x0 0x0 0x3 0x3 0x3 0x3\n", "an entry that is no number" },
		{ DEVICE "0x1 | 0x0 0x0 0x0 0x0 0x0\n", "a row with no page" },
		{ DEVICE "0x1 | 0x3 0x3\n", "a row with no page" },
		{ DEVICE "0x1 |\n", "a row with no page" },
		{ DEVICE ROW("0x10000000000000", "0x3", "0x7003"), "a row with no page" },
		{ DEVICE ROW("0xffffffffffffffff", "0x3", "0x7003"), "a row with no page" },
		{ DEVICE ROW("0x1", "0x5083", "0x0"), "not aligned" },
		{ DEVICE ROW("0x2", "0x5003", "0x7003") ROW("0x1", "0x5003", "0x8003"), "line 3: its rows are not in order" },
		{ DEVICE ROW("0x1", "0x5003", "0x7003") ROW("0x1", "0x5003", "0x7003"), "not in order" },
		{ DEVICE ROW("0x0", "0x200083", "0x0") ROW("0x1", "0x5003", "0x7003"), "not in order" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(by_text(cases[i].text, HOST, &error));
		unit_error(&error, VIOMMU_ERROR_INPUT, cases[i].part);
	}
	{
		/* The last page that a row can name. */
		g_autoptr(GError) error = NULL;
		g_autoptr(viommu_shadow) s = by_text(DEVICE ROW("0xfffffffffffff", "0x5003", "0x7003"), HOST, &error);

		g_assert_no_error(error);
		expect_pieces(s, "fffffffffffff000-ffffffffffffffff 7000 rw\n");
	}
}

/* ---- a record of L0 ----------------------------------------------------------------------- */

static void
traced_attach(record_text *text, int space, const char *name, bool from_start)
{
	record_event(text, "attach", "\"space\":%d,\"device\":\"%s\",\"backend\":\"vfio\",\"complete\":false%s", space,
		name, from_start ? ",\"from_start\":true" : "");
}

static viommu_shadow *
by_record(record_text *text, bool ends, viommu_record **record)
{
	g_autoptr(GError) error = NULL;
	viommu_shadow *ret;

	if (ends)
		record_end(text);
	*record = record_good(text, NULL);
	ret = viommu_shadow_of_record(*record, device, HOST, false, &error);
	g_assert_no_error(error);
	return ret;
}

static void
test_record(void)
{
	g_autoptr(record_text) text = record_text_new();
	g_autoptr(viommu_record) record = NULL;
	g_autoptr(viommu_shadow) s = NULL;

	traced_attach(text, 1, "0000:00:05.0", true);
	record_map(text, 1, 0x8000, 0x1000, 0x1000, "rw");
	traced_attach(text, 2, HOST, true);
	record_map(text, 2, 0x10000, 0x7000, 0x3000, "rw");
	record_map(text, 2, 0x20000, 0x9000, 0x1000, "r");
	record_map_unknown(text, 2, 0x30000, 0x1000, "rw", "why");
	record_unmap(text, 2, 0x11000, 0x1000);
	record_map(text, 3, 0x50000, 0x9000, 0x2000, "rw"); /* somebody's */
	record_map(text, 4, 0x51000, 0x9000, 0x2000, "rw");
	s = by_record(text, true, &record);
	expect_pieces(s, "10000-10fff 7000 rw\n12000-12fff 9000 rw\n20000-20fff 9000 r\n30000-30fff ? rw\n");
	g_assert_null(s->absence);
	g_assert_null(s->presence);
	g_assert_cmpuint(s->maybe->len, ==, 1);
	g_assert_cmphex(g_array_index(s->maybe, viommu_iova_range, 0).first, ==, 0x50000);
	g_assert_cmphex(g_array_index(s->maybe, viommu_iova_range, 0).last, ==, 0x52fff);
}

static void
test_record_doubt(void)
{
	{
		g_autoptr(record_text) text = record_text_new();
		g_autoptr(viommu_record) record = NULL;
		g_autoptr(viommu_shadow) s = NULL;

		traced_attach(text, 1, HOST, false); /* may have had mappings before */
		s = by_record(text, true, &record);
		g_assert_nonnull(strstr(s->absence, "does not go back"));
		g_assert_null(s->presence);
	}
	{
		g_autoptr(record_text) text = record_text_new();
		g_autoptr(viommu_record) record = NULL;
		g_autoptr(viommu_shadow) s = NULL;

		record_attach(text, 1, HOST, true); /* complete says it as well */
		s = by_record(text, false, &record);
		g_assert_nonnull(strstr(s->presence, "does not end with"));
		g_assert_true(s->absence == s->presence);
	}
	{
		g_autoptr(record_text) text = record_text_new();
		g_autoptr(viommu_record) record = NULL;
		g_autoptr(viommu_shadow) s = NULL;

		record_attach(text, 1, HOST, true);
		record_event(text, "lost", "\"count\":1,\"reason\":\"full\"");
		s = by_record(text, true, &record);
		g_assert_nonnull(strstr(s->presence, "lost events"));
	}
	{
		g_autoptr(record_text) text = record_text_new();
		g_autoptr(viommu_record) record = NULL;
		g_autoptr(GError) error = NULL;

		record_attach(text, 1, "0000:00:05.0", true);
		record_end(text);
		record = record_good(text, NULL);
		g_assert_null(viommu_shadow_of_record(record, device, HOST, false, &error));
		unit_error(&error, VIOMMU_ERROR_INPUT, "has no address space of the device " HOST);
		g_assert_null(viommu_shadow_of_record(record, device, "nonsense", false, &error));
		unit_error(&error, VIOMMU_ERROR_INPUT, "nonsense");
	}
}

/* ---- an outer vIOMMU ------------------------------------------------------------------------ */

static viommu_shadow *
by_tables(tables *t, const char *host, GError **error)
{
	g_autoptr(viommu_snapshot) snapshot = tables_snapshot(t);

	return viommu_shadow_of_snapshot(snapshot, "outer", device, host, error);
}

static void
expect_tables(tables *t, const char *wanted, const char *absence)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_shadow) s = by_tables(t, HOST, &error);

	g_assert_no_error(error);
	expect_pieces(s, wanted);
	g_assert_cmpstr(s->absence, ==, absence);
	g_assert_cmpstr(s->name, ==, "the outer vIOMMU (outer)");
}

static void
test_outer(void)
{
	g_autoptr(tables) t = tables_new(39);
	uint64_t top = tables_device(t, 0x20, 3), context = tables_context_at(t, 0x20), low = tables_peek(t, context);
	g_autoptr(GError) error = NULL;

	tables_map_pages(t, top, 3, 0x40000000, 0x5000, 0x3000, PTE_RW);
	tables_map_pages(t, top, 3, 0x40003000, 0x8000, 0x1000, PTE_R);
	tables_map_pages(t, top, 3, 0x40005000, 0x8000, 0x1000, PTE_W);
	tables_map(t, top, 3, 0x80000000, 0x40000000, GIB_1, PTE_RW);
	tables_map_pages(t, top, 3, 0x7ffffff000, 0x9000, 0x1000, PTE_RW | 1ull << 52 | PTE_TM);
	expect_tables(t,
		"40000000-40002fff 5000 rw\n40003000-40003fff 8000 r\n40005000-40005fff 8000 w\n"
		"80000000-bfffffff 40000000 rw\n", NULL);
	tables_break(t, tables_peek(t, tables_entry(t, top, 3, 0x40000000, 2)) & PTE_ADDRESS, VIOMMU_PAGE_FAILED);
	expect_tables(t,
		"40000000-401fffff unknown: a table of the outer vIOMMU could not be read\n80000000-bfffffff 40000000 rw\n", NULL);
	tables_poke(t, context, low & ~1ull); /* refused: nothing is mapped, for sure */
	expect_tables(t, "", NULL);
	tables_context(t, 0x20, 1 | 2 << 2, 1);
	expect_tables(t, "", "the outer vIOMMU does not translate this device's DMA");
	tables_break(t, context & PTE_ADDRESS, VIOMMU_PAGE_FAILED);
	expect_tables(t, "", "the outer vIOMMU's root, context or PASID table could not be read");
	t->gsts = 0;
	expect_tables(t, "", "the outer vIOMMU does not translate this device's DMA");
	g_assert_null(by_tables(t, "0000:00:09.0", &error));
	unit_error(&error, VIOMMU_ERROR_INPUT, "has no device 0000:00:09.0");
	g_assert_null(by_tables(t, "", &error));
	unit_error(&error, VIOMMU_ERROR_INPUT, "--shadow-device");
}

/* ---- what stands behind L1's pages ------------------------------------------------------------ */

static bool
add(viommu_snapshot *snapshot, uint64_t gpa, uint64_t hpa, uint64_t size)
{
	viommu_backing backing = { { gpa, gpa + (size - 1) }, { hpa } };

	return viommu_snapshot_add_backing(snapshot, &backing);
}

static void
test_backing(void)
{
	g_autoptr(tables) t = tables_new(39);
	g_autoptr(viommu_snapshot) snapshot = tables_snapshot(t), back = NULL, plain = tables_snapshot(t);
	g_autofree char *path = unit_path("backing.elf"), *other = unit_path("plain.elf");
	g_autoptr(GError) error = NULL;

	g_assert_true(add(snapshot, 0x1000, 0x7000, 0x1000));
	g_assert_true(add(snapshot, 0x2000, 0x8000, 0x1000)); /* joined */
	g_assert_true(add(snapshot, 0x3000, 0x1000, 0x1000));
	g_assert_false(add(snapshot, 0x3000, 0x1000, 0x1000));
	g_assert_false(add(snapshot, 0x1000, 0x1000, 0x1000));
	g_assert_true(add(snapshot, 0xfffffffffffff000, 0xffffffffff000, 0x1000));
	viommu_snapshot_set_backing_unknown(snapshot, "a reason");
	g_assert_true(viommu_snapshot_write(snapshot, path, TRUE, &error));
	back = viommu_snapshot_read(path, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(viommu_snapshot_backing(back)->len, ==, 3);
	g_assert_cmpmem(viommu_snapshot_backing(back)->data, 3 * sizeof(viommu_backing),
		viommu_snapshot_backing(snapshot)->data, 3 * sizeof(viommu_backing));
	g_assert_cmpstr(viommu_snapshot_backing_unknown(back), ==, "a reason");
	g_assert_cmphex(viommu_snapshot_backing_from(back, VIOMMU_GPA(0))->gpa.first, ==, 0x1000);
	g_assert_cmphex(viommu_snapshot_backing_from(back, VIOMMU_GPA(0x2fff))->hpa.v, ==, 0x7000);
	g_assert_cmphex(viommu_snapshot_backing_from(back, VIOMMU_GPA(0x4000))->gpa.first, ==, 0xfffffffffffff000);
	g_clear_pointer(&back, viommu_snapshot_free);
	g_assert_true(viommu_snapshot_write(plain, other, TRUE, &error));
	back = viommu_snapshot_read(other, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(viommu_snapshot_backing(back)->len, ==, 0);
	g_assert_null(viommu_snapshot_backing_unknown(back));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/shadow/add", test_add);
	g_test_add_func("/shadow/many", test_many);
	g_test_add_func("/shadow/debugfs", test_debugfs);
	g_test_add_func("/shadow/debugfs-details", test_debugfs_details);
	g_test_add_func("/shadow/debugfs-bad", test_debugfs_bad);
	g_test_add_func("/shadow/record", test_record);
	g_test_add_func("/shadow/record-doubt", test_record_doubt);
	g_test_add_func("/shadow/outer", test_outer);
	g_test_add_func("/shadow/backing", test_backing);
	return g_test_run();
}
