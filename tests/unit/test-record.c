/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records that are good, and what they come to (test-record-bad.c: others). */
#include <string.h>

#include "helpers.h"
#include "record/pieces.h"
#include "records.h"

static viommu_space *
space_of(const viommu_record *record, guint i)
{
	g_assert_cmpuint(i, <, record->spaces->len);
	return g_ptr_array_index(record->spaces, i);
}

static void
expect_live(const viommu_record *record, const char *wanted)
{
	g_autofree char *pieces = record_pieces(space_of(record, 0)->live);

	g_assert_cmpstr(pieces, ==, wanted);
}

static void
expect_gone(const viommu_record *record, const char *wanted)
{
	g_autofree char *pieces = record_pieces(space_of(record, 0)->gone);

	g_assert_cmpstr(pieces, ==, wanted);
}

static void
test_header(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record) record = record_good(t, NULL);

	g_assert_cmpstr(record->session, ==, "5f0c2a9d11e0b344");
	g_assert_cmpstr(record->program, ==, "unit test");
	g_assert_cmpstr(record->kernel, ==, "Linux 6.1");
	g_assert_cmpstr(record->cmdline, ==, "intel_iommu=on");
	g_assert_cmphex(record->cap, ==, 0xd2008c222f0686);
	g_assert_cmphex(record->ecap, ==, 0xf00f4a);
	g_assert_cmpuint(record->spaces->len, ==, 0);
	g_assert_cmpuint(record->events, ==, 0);
	g_assert_false(record->ended || record->cut);
	g_assert_null(record->lost_reason);
}

/* The man page's example. */
static void
test_example(void)
{
	g_autofree char *path = unit_write("example",
		"{\"event\":\"header\",\"format\":\"viommu-record\",\"version\":1,\"session\":"
		"\"5f0c2a9d11e0b344\",\"program\":"
		"\"viommu-probe map "
		"0.1.0\",\"boot_id\":\"0c9f6f0e-8f2e-4a39-9d4e-b5b2a1a3b6f1\",\"kernel\":\"Linux\","
		"\"cmdline\":"
		"\"console=ttyS0 "
		"intel_iommu=on\",\"realtime_ns\":1789000000000000000,\"monotonic_ns\":3120000000,\"iommus\":"
		"[]}\n"
		"{\"seq\":1,\"time_ns\":3121000000,\"event\":\"attach\",\"space\":1,\"device\":\"0000:00:04."
		"0\",\"backend\":"
		"\"vfio-type1v2\",\"group\":3,\"complete\":true}\n"
		"{\"seq\":2,\"time_ns\":3122000000,\"event\":\"map\",\"space\":1,\"iova\":\"0x40000000\","
		"\"size\":\"0x2000\",\"prot\":"
		"\"rw\",\"extents\":[{\"gpa\":\"0x1f4a000\",\"size\":\"0x1000\"},{\"gpa\":\"0x2b11000\","
		"\"size\":\"0x1000\"}]}\n"
		"{\"seq\":3,\"time_ns\":3123000000,\"event\":\"mark\",\"name\":\"held\"}\n",
		-1);
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_record) record = viommu_record_read(path, NULL, &error);
	const viommu_space *space;

	g_assert_no_error(error);
	g_assert_cmpuint(record->events, ==, 3);
	g_assert_cmpuint(record->cap, ==, 0);
	space = space_of(record, 0);
	g_assert_cmpint(space->id, ==, 1);
	g_assert_true(space->complete && space->attached);
	g_assert_cmpstr(space->backend, ==, "vfio-type1v2");
	g_assert_cmpuint(space->devices->len, ==, 1);
	g_assert_cmphex(g_array_index(space->devices, viommu_sid, 0).v, ==, 0x20);
	g_assert_cmpuint(g_array_index(space->requests, viommu_request, 0).seq, ==, 2);
	expect_live(record, "40000000-40000fff 1f4a000 rw 0\n40001000-40001fff 2b11000 rw 0\n");
	expect_gone(record, "");
}

static void
test_attach(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record) record = NULL;

	record_attach(t, 7, "0000:00:04.0", false);
	record_attach(t, -3, "0000:00:05.0", true);
	record_attach(t, 7, "0000:00:06.1", true);
	record_attach(t, 7, "0000:00:04.0", false); /* again: no second one, not complete any more */
	record_event(t, "detach", "\"space\":-3,\"device\":\"0000:00:05.0\"");
	record_event(t, "detach", "\"space\":-3,\"device\":\"0000:00:05.0\"");
	record = record_good(t, NULL);
	g_assert_cmpuint(record->spaces->len, ==, 2);
	g_assert_cmpint(space_of(record, 0)->id, ==, 7);
	g_assert_cmpuint(space_of(record, 0)->devices->len, ==, 2);
	g_assert_cmphex(g_array_index(space_of(record, 0)->devices, viommu_sid, 1).v, ==, 0x31);
	g_assert_false(space_of(record, 0)->complete);
	g_assert_cmpint(space_of(record, 1)->id, ==, -3);
	g_assert_cmpuint(space_of(record, 1)->devices->len, ==, 0);
}

static void
test_map(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record) record = NULL;
	const viommu_request *request;

	record_attach(t, 1, "0000:00:04.0", true);
	record_map(t, 1, 0, 0, 0x1000, "r"); /* IOVA 0 and GPA 0 are addresses */
	record_map(t, 1, 0x1000, 0x9000, 0x2000, "w");
	record_map(t, 1, 0xfffffffffffff000, 0xfffffffffffff000, 0x1000, "rw"); /* the last page there is */
	record_event(t, "map",
		"\"space\":1,\"iova\":\"0x5000\",\"size\":\"0x3000\",\"prot\":\"rw\",\"page_size\":"
		"\"0x200000\","
		"\"extents\":[{\"gpa\":\"0x7000\",\"size\":\"0x1000\"}],\"gpa_unknown\":\"swapped out\"");
	record_map_unknown(t, 1, 0x10000, 0x2000, "rw", "no CAP_SYS_ADMIN");
	record_event(t, "map",
		"\"space\":1,\"iova\":\"0x20000\",\"size\":\"0x1000\",\"prot\":\"rw\",\"errno\":12,\"error\":"
		"\"ENOMEM\"");
	record_event(t, "map", "\"space\":1,\"error\":\"EEXIST\""); /* failed: nothing else counts */
	record_end(t);
	record = record_good(t, NULL);
	expect_live(record, "0-fff 0 r 0\n1000-2fff 9000 w 1\n5000-5fff 7000 rw 3\n6000-7fff ? rw 3\n"
			    "10000-11fff ? rw 4\nfffffffffffff000-ffffffffffffffff fffffffffffff000 rw 2\n");
	g_assert_cmpuint(space_of(record, 0)->failed, ==, 2);
	request = &g_array_index(space_of(record, 0)->requests, viommu_request, 3);
	g_assert_cmpuint(request->seq, ==, 5);
	g_assert_cmpuint(request->page_shift, ==, 21);
	g_assert_cmpstr(viommu_request_gpa_unknown(space_of(record, 0), request), ==, "swapped out");
	g_assert_true(record->ended && record->settled);
	g_assert_cmpuint(record->events, ==, t->seq);
}

/* Maps over maps: the later one holds. */
static void
test_overlaps(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record) record = NULL;

	record_map(t, 1, 0x1000, 0x100000, 0x8000, "rw");
	record_map(t, 1, 0x3000, 0x200000, 0x2000, "r");
	record_map(t, 1, 0x0000, 0x300000, 0x2000, "rw");
	record_map(t, 1, 0x8000, 0x400000, 0x2000, "rw");
	record = record_good(t, NULL);
	expect_live(record,
		"0-1fff 300000 rw 2\n2000-2fff 101000 rw 0\n3000-4fff 200000 r 1\n5000-7fff 104000 rw 0\n"
		"8000-9fff 400000 rw 3\n");
	expect_gone(record, ""); /* replaced is not unmapped */
}

static void
test_unmap(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record) record = NULL;

	record_map(t, 1, 0x1000, 0x100000, 0x8000, "rw");
	record_unmap(t, 1, 0x3000, 0x2000); /* splits */
	record_unmap(t, 1, 0x0000, 0x2000); /* more than there is */
	record_event(t, "unmap",
		"\"space\":1,\"iova\":\"0x5000\",\"size\":\"0x1000\",\"errno\":22,\"error\":\"EINVAL\"");
	record_unmap(t, 1, 0x100000, 0x1000); /* nothing there */
	record = record_good(t, NULL);
	expect_live(record, "2000-2fff 101000 rw 0\n5000-8fff 104000 rw 0\n");
	expect_gone(record, "1000-1fff 100000 rw 0\n3000-4fff 102000 rw 0\n");
	viommu_record_free(g_steal_pointer(&record));
	/* Mapped anew: not gone any more. Unmapped by the largest size there is. */
	record_map(t, 1, 0x3000, 0x900000, 0x1000, "rw");
	record = record_good(t, NULL);
	expect_gone(record, "1000-1fff 100000 rw 0\n4000-4fff 103000 rw 0\n");
	viommu_record_free(g_steal_pointer(&record));
	record_unmap(t, 1, 0, 0xfffffffffffff000);
	record = record_good(t, NULL);
	expect_live(record, "");
	expect_gone(record, "1000-1fff 100000 rw 0\n2000-2fff 101000 rw 0\n3000-3fff 900000 rw 1\n4000-4fff 103000 rw 0\n5000-8fff 104000 rw 0\n");
}

/* Unknown events and keys are skipped, whatever they hold. */
static void
test_unknown(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record) record = NULL;

	record_event(t, "note", "\"text\":\"\\u001b[31m\"");
	record_event(t, "invented", "\"space\":\"x\",\"iova\":[[[{}]]]");
	record_event(t, "", "\"x\":1");
	record_event(t, "header", "\"version\":99");
	record_event(t, "map",
		"\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"prot\":\"rw\",\"colour\":\"blue\","
		"\"vaddr\":"
		"\"0x7f0000000000\",\"extents\":[{\"gpa\":\"0x2000\",\"size\":\"0x1000\",\"node\":1}]");
	record = record_good(t, NULL);
	g_assert_cmpuint(record->events, ==, 5);
	expect_live(record, "1000-1fff 2000 rw 0\n");
}

static void
test_lost(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record) record = NULL;

	record_map(t, 1, 0x1000, 0x2000, 0x1000, "rw");
	record_event(t, "lost", "\"count\":5,\"reason\":\"ring buffer overrun\"");
	record_event(t, "lost", "\"count\":0,\"reason\":\"again\"");
	t->seq += 3;
	record_map(t, 1, 0x3000, 0x4000, 0x1000, "rw");
	record = record_good(t, NULL);
	g_assert_cmpuint(record->lost, ==, 8);
	g_assert_cmpstr(record->lost_reason, ==, "ring buffer overrun");
	viommu_record_free(g_steal_pointer(&record));
	/* Invalidations that are missing are no mappings. */
	record_text_free(g_steal_pointer(&t));
	t = record_text_new();
	record_event(t, "lost", "\"count\":5,\"reason\":\"full\",\"of\":\"invalidate\"");
	record_end(t);
	record = record_good(t, NULL);
	g_assert_null(record->lost_reason);
	viommu_record_free(g_steal_pointer(&record));
	/* A gap alone, at the very beginning. */
	record_text_free(g_steal_pointer(&t));
	t = record_text_new();
	t->seq = 4;
	record_end(t);
	record = record_good(t, NULL);
	g_assert_cmpuint(record->lost, ==, 4);
	g_assert_cmpstr(record->lost_reason, ==, "sequence numbers are missing");
	viommu_record_free(g_steal_pointer(&record));
	/* More than can be counted is not few. */
	for (unsigned i = 0; i < 4; i++)
		record_event(t, "lost", "\"count\":9223372036854775807,\"reason\":\"many\"");
	record = record_good(t, NULL);
	g_assert_cmpuint(record->lost, >=, INT64_MAX);
}

/* A record of mappings 1, 2, 3, a mark, 5, then 8 (6 and 7 are missing), a mark, an end. */
static record_text *
moments(void)
{
	record_text *t = record_text_new();

	for (unsigned i = 1; i <= 3; i++)
		record_map(t, 1, i * 0x1000, i * 0x10000, 0x1000, "rw");
	record_event(t, "mark", "\"name\":\"held\"");
	record_map(t, 1, 0x5000, 0x50000, 0x1000, "rw");
	t->seq = 7;
	record_map(t, 1, 0x8000, 0x80000, 0x1000, "rw");
	record_event(t, "mark", "\"name\":\"held\"");
	record_end(t);
	return t;
}

static void
test_at(void)
{
	static const struct {
		const char *at;
		guint mappings;
		guint64 lost;
	} cases[] = {
		{ "0", 0, 0 },
		{ "1", 1, 0 },
		{ "3", 3, 0 },
		{ "held", 3, 0 }, /* the first of that name */
		{ "4", 3, 0 },
		{ "5", 4, 0 },
		{ "6", 4,
			1 }, /* what is after that moment is left out, what is missing before it is missing */
		{ "7", 4, 2 },
		{ "8", 5, 2 },
		{ "10", 5, 2 },
		{ NULL, 5, 2 },
	};
	g_autoptr(record_text) t = moments();

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(viommu_record) record = record_good(t, cases[i].at);

		g_test_message("at %s", cases[i].at ? cases[i].at : "the end");
		g_assert_cmpuint(cases[i].mappings ? space_of(record, 0)->requests->len : record->spaces->len,
			==, cases[i].mappings);
		g_assert_cmpuint(record->lost, ==, cases[i].lost);
		g_assert_true(record->settled);
	}
}

static void
test_at_missed(void)
{
	static const char *const moments_missed[] = { "11", "helt", "Held", "", "0x3", "-1",
		"18446744073709551616" };
	g_autoptr(record_text) t = moments();

	for (gsize i = 0; i < G_N_ELEMENTS(moments_missed); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(record_read(t, moments_missed[i], &error));
		unit_error(&error, VIOMMU_ERROR_USAGE, "has no moment");
	}
}

/* A record that is still being written, or was cut. */
static void
test_cut(void)
{
	g_autoptr(record_text) t = moments();
	gsize header = (gsize) (strchr(t->text->str, '\n') - t->text->str) + 1, full = t->text->len;

	for (gsize len = 0; len <= full; len++) {
		g_autofree char *path = unit_write("cut.jsonl", t->text->str, (gssize) len);
		g_autoptr(GError) error = NULL;
		g_autoptr(viommu_record) record = viommu_record_read(path, NULL, &error);

		if (len < header) {
			g_assert_null(record);
			unit_error(&error, VIOMMU_ERROR_INPUT,
				len == 0 ? "it is empty" : "cut off within its header");
			continue;
		}
		g_assert_no_error(error);
		g_assert_cmpint(record->cut, ==, t->text->str[len - 1] != '\n');
		g_assert_cmpint(record->ended, ==, len == full);
		if (record->cut)
			g_assert_false(record->settled);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/record/header", test_header);
	g_test_add_func("/record/example", test_example);
	g_test_add_func("/record/attach", test_attach);
	g_test_add_func("/record/map", test_map);
	g_test_add_func("/record/overlaps", test_overlaps);
	g_test_add_func("/record/unmap", test_unmap);
	g_test_add_func("/record/unknown", test_unknown);
	g_test_add_func("/record/lost", test_lost);
	g_test_add_func("/record/at", test_at);
	g_test_add_func("/record/at-missed", test_at_missed);
	g_test_add_func("/record/cut", test_cut);
	return g_test_run();
}
