/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records that are not what the format says: rejected with the line, whatever they hold. */
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "helpers.h"
#include "record/pieces.h"
#include "records.h"

static void
expect_rejected(const record_text *t, const char *part)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(record_read(t, NULL, &error));
	unit_error(&error, VIOMMU_ERROR_INPUT, part);
}

static void
expect_text_rejected(const char *text, gssize len, const char *part)
{
	g_autofree char *path = unit_write("bad.jsonl", text, len);
	g_autoptr(GError) error = NULL;

	g_assert_null(viommu_record_read(path, NULL, &error));
	unit_error(&error, VIOMMU_ERROR_INPUT, part);
}

#define BEGIN "{\"event\":\"header\",\"format\":\"viommu-record\",\"version\":"

static void
test_header(void)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "\n", "line 1: not a JSON object" },
		{ "garbage\n", "line 1: not a JSON object" },
		{ "[]\n", "line 1: not a JSON object" },
		{ "1\n", "line 1: not a JSON object" },
		{ "null\n", "line 1: not a JSON object" },
		{ "\x7f"
		  "ELF\x02\x01\n",
			"it is an ELF file; a snapshot is named with -s" },
		{ "\xef\xbb\xbf{}\n", "line 1: not a JSON object" },
		{ "{}\n", "does not begin with a viommu-record header" },
		{ "{\"event\":\"header\"}\n", "does not begin with a viommu-record header" },
		{ "{\"event\":\"header\",\"format\":\"viommu-record\"}\n",
			"does not begin with a viommu-record header" },
		{ "{\"event\":\"header\",\"format\":\"other\",\"version\":1}\n", "does not begin" },
		{ "{\"seq\":1,\"event\":\"map\",\"format\":\"viommu-record\",\"version\":1}\n",
			"does not begin" },
		{ BEGIN "0}\n", "does not begin" },
		{ BEGIN "-1}\n", "does not begin" },
		{ BEGIN "\"1\"}\n", "does not begin" },
		{ BEGIN "2}\n", "format version 2 and this viommu reads up to 1; use a newer viommu" },
		{ BEGIN "4294967297}\n", "format version 4294967297" },
		{ BEGIN "1e30}\n", "does not begin" },
		{ BEGIN "123456789012345678901234567890}\n", "line 1: not a JSON object" },
		{ BEGIN "1} x\n", "line 1: not a JSON object" },
		{ BEGIN "1}{}\n", "line 1: not a JSON object" },
		{ BEGIN "1,\"version\":1}\n", "line 1: not a JSON object" },
		{ BEGIN "1,\"kernel\":\"\xff\"}\n", "line 1: not a JSON object" },
		{ BEGIN "1,\"kernel\":\"\\u0000\"}\n", "line 1: not a JSON object" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %zu", i);
		expect_text_rejected(cases[i].text, -1, cases[i].part);
	}
	expect_text_rejected("{\"a\":\"\0\"}\n", 10, "line 1: not a JSON object");
	expect_text_rejected("\0\0\0\0\n", 5, "line 1: not a JSON object");
	expect_text_rejected(BEGIN "1}\n\0\n", sizeof(BEGIN) + 4, "line 2: not a JSON object");
	/* What an attacker writes does not reach the terminal raw. */
	{
		g_autofree char *path = unit_write("bad.jsonl", "\"\033]0;title\007\n", -1);
		g_autoptr(GError) error = NULL;

		g_assert_null(viommu_record_read(path, NULL, &error));
		g_assert_null(strchr(error->message, '\033'));
		g_assert_null(strchr(error->message, '\007'));
	}
}

static void
test_events(void)
{
	static const struct {
		const char *event, *members, *part;
	} cases[] = {
		{ "attach", "\"space\":1", "\"device\" is not of the form" },
		{ "attach", "\"space\":1,\"device\":\"04.0\"", "\"device\" is not of the form" },
		{ "attach", "\"space\":1,\"device\":\"0001:00:04.0\"", "\"device\" is not of the form" },
		{ "attach", "\"space\":1,\"device\":32", "\"device\" is not of the form" },
		{ "attach", "\"space\":\"1\",\"device\":\"0000:00:04.0\"", "\"space\" is not a number" },
		{ "attach", "\"space\":1.5,\"device\":\"0000:00:04.0\"", "\"space\" is not a number" },
		{ "attach", "\"device\":\"0000:00:04.0\"", "\"space\" is not a number" },
		{ "detach", "\"space\":9,\"device\":\"0000:00:04.0\"", "no device was attached to" },
		{ "map", "\"iova\":\"0x1000\"", "\"space\" is not a number" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\"", "not a \"0x…\" number" },
		{ "map", "\"space\":1,\"iova\":4096,\"size\":4096", "not a \"0x…\" number" },
		{ "map", "\"space\":1,\"iova\":\"4096\",\"size\":\"0x1000\"", "not a \"0x…\" number" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x0\"", "does not fit in 64 bits" },
		{ "map", "\"space\":1,\"iova\":\"0xfffffffffffff000\",\"size\":\"0x2000\"",
			"does not fit in 64 bits" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0xffffffffffffffff\"",
			"does not fit in 64 bits" },
		{ "map", "\"space\":1,\"iova\":\"0x1001\",\"size\":\"0x1000\"", "multiple of 4 KiB" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1001\"", "multiple of 4 KiB" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x10000000000000000\"",
			"not a \"0x…\" number" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"prot\":\"x\"",
			"\"prot\" is not" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"prot\":\"\"",
			"\"prot\" is not" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"prot\":\"wr\"",
			"\"prot\" is not" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"prot\":3",
			"\"prot\" is not" },
		{ "map", "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x1000\",\"prot\":\"rw\"",
			"shorter than the mapping" },
		{ "unmap", "\"space\":1", "not a \"0x…\" number" },
		{ "unmap", "\"space\":1,\"iova\":\"0x0\",\"size\":\"0xffffffffffffffff\"",
			"multiple of 4 KiB" },
		{ "unmap", "\"space\":1,\"iova\":\"0x2000\",\"size\":\"0xffffffffffffe001\"",
			"does not fit in 64 bits" },
		{ "unmap", "\"iova\":\"0x0\",\"size\":\"0x1000\"", "\"space\" is not a number" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(record_text) t = record_text_new();

		g_test_message("case %zu", i);
		record_event(t, cases[i].event, "%s", cases[i].members);
		expect_rejected(t, cases[i].part);
	}
}

#define MAP "\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x3000\",\"prot\":\"rw\",\"extents\":"

static void
test_extents(void)
{
	static const struct {
		const char *extents, *part;
	} cases[] = {
		{ "[]", "shorter than the mapping" },
		{ "{}", "shorter than the mapping" },
		{ "\"x\"", "shorter than the mapping" },
		{ "[{\"gpa\":\"0x1000\",\"size\":\"0x2000\"}]", "shorter than the mapping" },
		{ "[{\"gpa\":\"0x1000\",\"size\":\"0x4000\"}]", "longer than the mapping" },
		{ "[{\"gpa\":\"0x1000\",\"size\":\"0x3000\"},{\"gpa\":\"0x9000\",\"size\":\"0x1000\"}]",
			"longer than" },
		{ "[{\"gpa\":\"0x2000\",\"size\":\"0xfffffffffffff000\"}]", "extent 0 is not" },
		{ "[{\"gpa\":\"0x0\",\"size\":\"0xfffffffffffff000\"}]", "longer than the mapping" },
		{ "[{\"gpa\":\"0xfffffffffffff000\",\"size\":\"0x2000\"}]", "extent 0 is not" },
		{ "[{\"gpa\":\"0x1000\",\"size\":\"0x0\"}]", "extent 0 is not" },
		{ "[{\"gpa\":\"0x1001\",\"size\":\"0x3000\"}]", "extent 0 is not" },
		{ "[{\"gpa\":\"0x1000\",\"size\":\"0x800\"}]", "extent 0 is not" },
		{ "[{\"gpa\":4096,\"size\":\"0x3000\"}]", "extent 0 is not" },
		{ "[{\"gpa\":\"0x1000\",\"size\":\"0x1000\"},{\"size\":\"0x2000\"}]", "extent 1 is not" },
		{ "[null]", "extent 0 is not" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(record_text) t = record_text_new();

		g_test_message("case %zu", i);
		record_event(t, "map", MAP "%s", cases[i].extents);
		expect_rejected(t, cases[i].part);
	}
}

static void
test_sequence(void)
{
	static const char *const lines[] = {
		"{\"event\":\"end\"}",
		"{\"seq\":0,\"event\":\"end\"}",
		"{\"seq\":1,\"event\":\"end\"}",
		"{\"seq\":-5,\"event\":\"end\"}",
		"{\"seq\":\"3\",\"event\":\"end\"}",
		"{\"seq\":3.0,\"event\":\"end\"}",
		"{\"seq\":null,\"event\":\"end\"}",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autoptr(record_text) t = record_text_new();

		record_event(t, "note", "\"text\":\"\"");
		record_line(t, lines[i]);
		expect_rejected(t, "line 3: its \"seq\" does not rise");
	}
	{
		g_autoptr(record_text) t = record_text_new();

		record_line(t, "{\"seq\":9223372036854775807,\"event\":\"note\"}");
		record_line(t, "{\"seq\":9223372036854775807,\"event\":\"note\"}");
		expect_rejected(t, "line 3: its \"seq\" does not rise");
	}
}

/* The line is named, and what stood before it does not count. */
static void
test_lines(void)
{
	static const struct {
		const char *line, *part;
	} cases[] = {
		{ "", "line 4: not a JSON object" },
		{ "garbage", "line 4: not a JSON object" },
		{ "{\"seq\":3,\"event\":\"end\"", "line 4: not a JSON object" },
		{ "{\"seq\":3,\"event\":\"end\"}}", "line 4: not a JSON object" },
		{ "{\"seq\":3,\"seq\":4,\"event\":\"end\"}", "line 4: not a JSON object" },
		{ "{\"seq\":3,\"event\":\"map\",\"event\":\"end\"}", "line 4: not a JSON object" },
		{ "{\"seq\":3}", "line 4: it has no \"event\"" },
		{ "{\"seq\":3,\"event\":7}", "line 4: it has no \"event\"" },
		{ "[3]", "line 4: not a JSON object (not an object)" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(record_text) t = record_text_new();

		record_map(t, 1, 0x1000, 0x2000, 0x1000, "rw");
		record_map(t, 1, 0x2000, 0x3000, 0x1000, "rw");
		record_line(t, cases[i].line);
		record_event(t, "end", "\"reason\":\"\"");
		expect_rejected(t, cases[i].part);
	}
}

static void
test_deep(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autofree char *open = g_strnfill(1000000, '['), *close = g_strnfill(1000000, ']');

	record_event(t, "note", "\"x\":%s%s", open, close);
	expect_rejected(t, "line 2: not a JSON object");
}

/* A line without end is refused, and takes no more memory than its limit. */
static void
test_endless(void)
{
	guint64 before = unit_peak_memory();
	g_autoptr(GError) error = NULL;

	g_assert_null(viommu_record_read("/dev/zero", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_INPUT, "the line is longer than");
	g_assert_cmpuint(unit_peak_memory() - before, <, 800u << 20);
}

/* A small line of values without number: each costs far more memory than bytes. */
static void
test_many_values(void)
{
	g_autoptr(record_text) t = record_text_new();
	guint64 before;

	g_string_append(t->text, "{\"seq\":1,\"event\":\"note\",\"x\":[");
	for (guint i = 0; i < 5000000; i++)
		g_string_append(t->text, "{},");
	g_string_append(t->text, "{}]}\n");
	before = unit_peak_memory();
	expect_rejected(t, "line 2: not a JSON object (too many values)");
	g_assert_cmpuint(unit_peak_memory() - before, <, 200 << 20);
}

/* Address spaces without number: each is found again in time. */
static void
test_many_spaces(void)
{
	g_autoptr(record_text) t = record_text_new();
	g_autoptr(viommu_record) record = NULL;
	clock_t began; /* of our own time: the machine may be busy */

	for (int i = 0; i < 150000; i++)
		record_unmap(t, i, 0, 0x1000);
	began = clock();
	record = record_good(t, NULL);
	g_assert_cmpuint(record->spaces->len, ==, 150000);
	g_assert_cmpint(clock() - began, <, 10 * CLOCKS_PER_SEC);
}

static void
test_not_files(void)
{
	g_autofree char *folder = unit_path("folder"), *none = unit_path("none");
	const char *const paths[] = { folder, none, "" };

	g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(viommu_record_read(paths[i], NULL, &error));
		unit_error(&error, VIOMMU_ERROR_FAILED, "the record");
	}
	g_rmdir(folder);
	expect_text_rejected("", 0, "it is empty");
}

/* Any bytes of a good record changed: a record, or a clear refusal. */
static void
test_flipped(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(9);
	g_autoptr(record_text) t = record_text_new();
	static const char bytes[] = "\n\0{}[]\",:0123456789abcdefx\xff ";
	guint taken = 0;

	record_attach(t, 1, "0000:00:04.0", true);
	record_map(t, 1, 0x1000, 0x100000, 0x8000, "rw");
	record_unmap(t, 1, 0x3000, 0x2000);
	record_map_unknown(t, 1, 0x10000, 0x2000, "rw", "why");
	record_event(t, "lost", "\"count\":1,\"reason\":\"x\"");
	record_event(t, "detach", "\"space\":1,\"device\":\"0000:00:04.0\"");
	record_end(t);
	for (unsigned i = 0; i < 5000; i++) {
		g_autofree char *text = g_memdup2(t->text->str, t->text->len);
		g_autofree char *path = NULL;
		g_autoptr(GError) error = NULL;
		g_autoptr(viommu_record) record = NULL;

		for (guint64 n = 1 + unit_random(rand, 3); n > 0; n--)
			text[unit_random(rand, t->text->len)] = bytes[unit_random(rand, sizeof(bytes) - 1)];
		path = unit_write("flipped.jsonl", text, (gssize) t->text->len);
		record = viommu_record_read(path, NULL, &error);
		taken += record != NULL;
		if (!record)
			unit_error(&error, VIOMMU_ERROR_INPUT, "is not a usable record: line ");
	}
	g_test_message("%u of 5000 were taken", taken);
	g_assert_cmpuint(taken, >, 0);
	g_assert_cmpuint(taken, <, 5000);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/record-bad/header", test_header);
	g_test_add_func("/record-bad/events", test_events);
	g_test_add_func("/record-bad/extents", test_extents);
	g_test_add_func("/record-bad/sequence", test_sequence);
	g_test_add_func("/record-bad/lines", test_lines);
	g_test_add_func("/record-bad/deep", test_deep);
	g_test_add_func("/record-bad/endless", test_endless);
	g_test_add_func("/record-bad/many-values", test_many_values);
	g_test_add_func("/record-bad/many-spaces", test_many_spaces);
	g_test_add_func("/record-bad/not-files", test_not_files);
	g_test_add_func("/record-bad/flipped", test_flipped);
	return g_test_run();
}
