/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record's lines, byte for byte, and text that wants to break them. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "base/utf8.h"
#include "out/json.h"
#include "out/record-writer.h"
#include "sys/parse.h"

static const struct {
	const char *text;
	const char *json;
	const char *printable;
} texts[] = {
	{ "plain", "\"plain\"", "plain" },
	{ "", "\"\"", "" },
	{ "\"\\", "\"\\\"\\\\\"", "\"\\" },
	{ "a\nb\tc\x1b[31m", "\"a\\u000ab\\u0009c\\u001b[31m\"", "a?b\tc?[31m" },
	{ "\x7f\xc2\x9b", "\"\\u007f\\u009b\"", "??" },
	{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
	/* Not UTF-8: a lone byte, an overlong slash, a surrogate, a value beyond
	 * Unicode, a cut-off character. */
	{ "\xff-\x80", "\"\\ufffd-\\ufffd\"", "?-?" },
	{ "\xc0\xaf", "\"\\ufffd\\ufffd\"", "??" },
	{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"", "???" },
	{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", "????" },
	{ "x\xe2\x82", "\"x\\ufffd\\ufffd\"", "x??" },
};

static void
test_hostile_text(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autofree char *copy = g_strdup(texts[i].text);
		g_autofree char *got = NULL;
		struct json json = { 0 };

		json_string(&json, texts[i].text);
		got = g_strndup(json.data, json.len);
		g_assert_cmpstr(got, ==, texts[i].json);
		json_free(&json);
		text_make_printable(copy, 0);
		g_assert_cmpstr(copy, ==, texts[i].printable);
	}
}

static void
test_long_text(void)
{
	g_autofree char *text = g_strnfill(100000, '"');
	struct json json = { 0 };

	json_string(&json, text);
	g_assert_false(json.oom);
	g_assert_cmpuint(json.len, ==, 200002);
	json_reset(&json);
	json_open_object(&json);
	json_key(&json, "a");
	json_open_array(&json);
	json_uint(&json, 0);
	json_hex(&json, G_MAXUINT64);
	json_open_object(&json);
	json_close_object(&json);
	json_close_array(&json);
	json_key(&json, "b");
	json_bool(&json, false);
	json_close_object(&json);
	g_assert_cmpmem(json.data, json.len, "{\"a\":[0,\"0xffffffffffffffff\",{}],\"b\":false}", 43);
	json_free(&json);
}

struct fixture {
	char *path;
	struct output output;
	struct record_writer record;
};

static void
set_up(struct fixture *f, gconstpointer data)
{
	(void) data;
	f->output.fd = g_file_open_tmp("test-probe-record-XXXXXX", &f->path, NULL);
	g_assert_cmpint(f->output.fd, >=, 0);
	f->output.name = "test";
	record_begin(&f->record, &f->output);
}

static void
tear_down(struct fixture *f, gconstpointer data)
{
	(void) data;
	record_free(&f->record);
	close(f->output.fd);
	g_unlink(f->path);
	g_free(f->path);
}

/* The file's lines with the times, which differ, cut out. */
static char *
lines(struct fixture *f)
{
	g_autoptr(GRegex) time = g_regex_new("\"time_ns\":[0-9]+,", 0, 0, NULL);
	g_autofree char *text = NULL;

	g_assert_true(g_file_get_contents(f->path, &text, NULL, NULL));
	return g_regex_replace_literal(time, text, -1, 0, "", 0, NULL);
}

static void
test_events(struct fixture *f, gconstpointer data)
{
	const struct iova_ranges ranges = { .range = { { 0, 0xfedfffff } }, .n = 1, .from_kernel = true };
	const uint64_t words[] = { PAGEMAP_PRESENT | 2, PAGEMAP_PRESENT | 9, 0 };
	struct extents extents = { 0 };
	struct record_map map = {
		.iova = VIOMMU_IOVA(0x40000000),
		.size = 0x3000,
		.prot = DMA_PROT_READ,
		.vaddr = (const void *) 0x7000,
		.page_size = 0x1000,
		.extents = &extents,
	};
	g_autofree char *got = NULL;

	(void) data;
	g_assert_cmpint(extents_add(&extents, words, 2), ==, 0);
	record_attach(&f->record, 1, "vfio-type1v2", "0000:00:04.0", 3, &ranges);
	map.size = 0x2000;
	record_map(&f->record, 1, &map);
	g_assert_cmpint(extents_add(&extents, words + 2, 1), ==, 0);
	map.size = 0x3000;
	record_map(&f->record, 1, &map);
	map.err = 28;
	map.prot = DMA_PROT_READ | DMA_PROT_WRITE;
	record_map(&f->record, 1, &map);
	record_unmap(&f->record, 1, map.iova, 0x3000, 0);
	record_unmap(&f->record, 1, map.iova, 0x3000, 22);
	record_mark(&f->record, "held");
	record_note(&f->record, "a \"note\" %d", 1);
	record_detach(&f->record, 1, "vfio-type1v2", "0000:00:04.0", 3);
	record_end(&f->record, "SIGINT");
	extents_free(&extents);
	got = lines(f);
	g_assert_cmpstr(got, ==,
		"{\"seq\":1,\"event\":\"attach\",\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"vfio-"
		"type1v2\","
		"\"group\":3,\"complete\":true,\"iova_ranges\":[{\"first\":\"0x0\",\"last\":\"0xfedfffff\"}]}"
		"\n"
		"{\"seq\":2,\"event\":\"map\",\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x2000\","
		"\"prot\":\"r\","
		"\"vaddr\":\"0x7000\",\"page_size\":\"0x1000\",\"extents\":[{\"gpa\":\"0x2000\",\"size\":"
		"\"0x1000\"},"
		"{\"gpa\":\"0x9000\",\"size\":\"0x1000\"}]}\n"
		"{\"seq\":3,\"event\":\"map\",\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x3000\","
		"\"prot\":\"r\","
		"\"vaddr\":\"0x7000\",\"page_size\":\"0x1000\",\"extents\":[{\"gpa\":\"0x2000\",\"size\":"
		"\"0x1000\"},"
		"{\"gpa\":\"0x9000\",\"size\":\"0x1000\"}],\"gpa_unknown\":\"page not present in "
		"/proc/self/pagemap\"}\n"
		"{\"seq\":4,\"event\":\"map\",\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x3000\","
		"\"prot\":\"rw\","
		"\"vaddr\":\"0x7000\",\"page_size\":\"0x1000\",\"errno\":28,\"error\":\"ENOSPC\"}\n"
		"{\"seq\":5,\"event\":\"unmap\",\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x3000\"}\n"
		"{\"seq\":6,\"event\":\"unmap\",\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x3000\","
		"\"errno\":22,"
		"\"error\":\"EINVAL\"}\n"
		"{\"seq\":7,\"event\":\"mark\",\"name\":\"held\"}\n"
		"{\"seq\":8,\"event\":\"note\",\"text\":\"a \\\"note\\\" 1\"}\n"
		"{\"seq\":9,\"event\":\"detach\",\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"vfio-"
		"type1v2\","
		"\"group\":3}\n"
		"{\"seq\":10,\"event\":\"end\",\"reason\":\"SIGINT\"}\n");
}

/* A full disk is told once, and the calls after it do no harm. */
static void
test_full(struct fixture *f, gconstpointer data)
{
	struct output full = { .fd = open("/dev/full", O_WRONLY), .name = "/dev/full" };
	struct record_writer record;

	(void) f;
	(void) data;
	if (full.fd < 0) {
		g_test_skip("no /dev/full here");
		return;
	}
	record_begin(&record, &full);
	g_assert_false(record.failed);
	record_mark(&record, "held");
	g_assert_true(record.failed);
	g_assert_cmpint(full.err, ==, 28);
	record_end(&record, "failed");
	g_assert_cmpuint(record.seq, ==, 2);
	record_free(&record);
	close(full.fd);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/json/hostile-text", test_hostile_text);
	g_test_add_func("/probe/json/long-text", test_long_text);
	g_test_add("/probe/record/events", struct fixture, NULL, set_up, test_events, tear_down);
	g_test_add("/probe/record/full", struct fixture, NULL, set_up, test_full, tear_down);
	return g_test_run();
}
