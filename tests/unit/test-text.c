/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "text/text.h"

static void
test_bdf(void)
{
	static const struct {
		const char *text;
		bool ok;
		unsigned sid;
	} cases[] = {
		{ "0000:00:04.0", true, 0x20 },
		{ "00:04.0", true, 0x20 },
		{ "ff:1f.7", true, 0xffff },
		{ "FF:1F.7", true, 0xffff },
		{ "0000:a0:00.0", true, 0xa000 },
		{ "0001:00:04.0", false, 0 }, /* another segment is not this device */
		{ "00:20.0", false, 0 },
		{ "00:04.8", false, 0 },
		{ "00:04.f", false, 0 },
		{ "00:04", false, 0 },
		{ "00:04.", false, 0 },
		{ "00:04.00", false, 0 },
		{ "0:4.0", false, 0 },
		{ "00.04.0", false, 0 },
		{ "00:04:0", false, 0 },
		{ "000:00:04.0", false, 0 },
		{ "00000:00:04.0", false, 0 },
		{ "0000.00:04.0", false, 0 },
		{ "0000:00:04.0 ", false, 0 },
		{ " 0000:00:04.0", false, 0 },
		{ "0000:00:04.0\n", false, 0 },
		{ "0000:00:0g.0", false, 0 },
		{ "00:-4.0", false, 0 },
		{ "0x:04.0", false, 0 },
		{ "0000:00:04", false, 0 },
		{ "            ", false, 0 },
		{ "", false, 0 },
		{ NULL, false, 0 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		viommu_sid sid = { 4711 };

		g_test_message("%s", cases[i].text ? cases[i].text : "NULL");
		g_assert_cmpint(viommu_parse_bdf(cases[i].text, &sid), ==, cases[i].ok);
		g_assert_cmphex(sid.v, ==, cases[i].ok ? cases[i].sid : 4711);
	}
	for (unsigned i = 0; i <= 0xffff; i++) {
		viommu_sid sid = { (uint16_t) i }, back;

		g_assert_true(viommu_parse_bdf(viommu_bdf_text(sid).text, &back));
		g_assert_cmphex(back.v, ==, i);
	}
}

static void
test_hex(void)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{ "0x0", true, 0 },
		{ "0xfFfF", true, 0xffff },
		{ "0xffffffffffffffff", true, UINT64_MAX },
		{ "0x0000000000000001", true, 1 },
		{ "0x00000000000000001", false, 0 }, /* 17 digits */
		{ "0x10000000000000000", false, 0 },
		{ "0x", false, 0 },
		{ "0X1", false, 0 },
		{ "x1", false, 0 },
		{ "1", false, 0 },
		{ "ff", false, 0 },
		{ "0x1g", false, 0 },
		{ "0x0x1", false, 0 },
		{ "0x 1", false, 0 },
		{ "0x-1", false, 0 },
		{ "0x+1", false, 0 },
		{ " 0x1", false, 0 },
		{ "0x1 ", false, 0 },
		{ "0x1\n", false, 0 },
		{ "-0x1", false, 0 },
		{ "", false, 0 },
		{ NULL, false, 0 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint64_t value = 4711;

		g_test_message("%s", cases[i].text ? cases[i].text : "NULL");
		g_assert_cmpint(viommu_parse_hex(cases[i].text, &value), ==, cases[i].ok);
		g_assert_cmphex(value, ==, cases[i].ok ? cases[i].value : 4711);
	}
}

static void
test_number(void)
{
	uint64_t value = 4711;

	g_assert_true(viommu_parse_number("0", &value));
	g_assert_cmpuint(value, ==, 0);
	g_assert_true(viommu_parse_number("18446744073709551615", &value));
	g_assert_cmpuint(value, ==, UINT64_MAX);
	g_assert_true(viommu_parse_number("0x40000000", &value));
	g_assert_cmpuint(value, ==, 0x40000000);
	g_assert_true(viommu_parse_number("010", &value)); /* not octal */
	g_assert_cmpuint(value, ==, 10);
	value = 4711;
	g_assert_false(viommu_parse_number("18446744073709551616", &value));
	g_assert_false(viommu_parse_number("-1", &value));
	g_assert_false(viommu_parse_number("+1", &value));
	g_assert_false(viommu_parse_number(" 1", &value));
	g_assert_false(viommu_parse_number("1 ", &value));
	g_assert_false(viommu_parse_number("1k", &value));
	g_assert_false(viommu_parse_number("ff", &value));
	g_assert_false(viommu_parse_number("0x", &value));
	g_assert_false(viommu_parse_number("", &value));
	g_assert_false(viommu_parse_number(NULL, &value));
	g_assert_cmpuint(value, ==, 4711);
}

static void
test_escape(void)
{
	static const struct {
		const char *text, *escaped;
	} cases[] = {
		{ "", "" },
		{ "plain text, ~ and \"quotes\"", "plain text, ~ and \"quotes\"" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m" },
		{ "a\nb\rc\td\be\a", "a\\x0ab\\x0dc\\x09d\\x08e\\x07" },
		{ "\x7f", "\\x7f" },
		/* C1: CSI and OSC in one byte each, as UTF-8 and raw. */
		{ "\xc2\x9b"
		  "31m\xc2\x9d",
			"\\x9b31m\\x9d" },
		{ "\x9b"
		  "31m",
			"\\x9b31m" },
		{ "\xc2\x80\xc2\x9f\xc2\xa0", "\\x80\\x9f\xc2\xa0" },
		/* Bidirectional: marks, embeddings, overrides, isolates, the Arabic letter mark. */
		{ "\xe2\x80\x8e\xe2\x80\x8f", "\\u200e\\u200f" },
		{ "\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae",
			"\\u202a\\u202b\\u202c\\u202d\\u202e" },
		{ "\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "\\u2066\\u2067\\u2068\\u2069" },
		{ "\xd8\x9c", "\\u061c" },
		/* Line separators, zero width, byte order mark. */
		{ "\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029" },
		{ "\xe2\x80\x8b\xef\xbb\xbf", "\\u200b\\ufeff" },
		/* Not UTF-8: stray, overlong, surrogate, beyond Unicode, cut off. */
		{ "a\xff\xfe", "a\\xff\\xfe" },
		{ "\xc0\xaf", "\\xc0\\xaf" },
		{ "\xe0\x9f\xbf", "\\xe0\\x9f\\xbf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "a\xe2\x82", "a\\xe2\\x82" },
		{ "\xe2\x82z", "\\xe2\\x82z" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *escaped = viommu_escape(cases[i].text);

		g_assert_cmpstr(escaped, ==, cases[i].escaped);
	}
}

/* Whatever the bytes are, nothing that moves a terminal comes out. */
static void
test_escape_random(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(2);

	for (unsigned i = 0; i < 20000; i++) {
		char text[12] = "";
		g_autofree char *escaped = NULL;
		const char *end;

		for (unsigned k = 0; k + 1 < sizeof(text); k++)
			text[k] = (char) g_rand_int_range(rand, 1, 256);
		escaped = viommu_escape(text);
		g_assert_true(g_utf8_validate(escaped, -1, &end));
		for (const char *at = escaped; *at; at = g_utf8_next_char(at)) {
			gunichar c = g_utf8_get_char(at);

			g_assert_false(g_unichar_iscntrl(c));
			g_assert_cmpint(g_unichar_type(c), !=, G_UNICODE_LINE_SEPARATOR);
			g_assert_cmpint(g_unichar_type(c), !=, G_UNICODE_PARAGRAPH_SEPARATOR);
		}
	}
}

static void
test_shown(void)
{
	g_assert_cmpstr(viommu_count_text(0).text, ==, "0");
	g_assert_cmpstr(viommu_count_text(999).text, ==, "999");
	g_assert_cmpstr(viommu_count_text(1000).text, ==, "1,000");
	g_assert_cmpstr(viommu_count_text(1234567).text, ==, "1,234,567");
	g_assert_cmpstr(viommu_count_text(UINT64_MAX).text, ==, "18,446,744,073,709,551,615");
	g_assert_cmpstr(viommu_size_text(0).text, ==, "0 B");
	g_assert_cmpstr(viommu_size_text(1).text, ==, "1 B");
	g_assert_cmpstr(viommu_size_text(1023).text, ==, "1,023 B");
	g_assert_cmpstr(viommu_size_text(1024).text, ==, "1 KiB");
	g_assert_cmpstr(viommu_size_text(4096 + 1).text, ==, "4,097 B");
	g_assert_cmpstr(viommu_size_text(3 << 20).text, ==, "3 MiB");
	g_assert_cmpstr(viommu_size_text(1536 << 10).text, ==, "1,536 KiB");
	g_assert_cmpstr(viommu_size_text(1ull << 50).text, ==, "1 PiB");
	g_assert_cmpstr(viommu_size_text(1ull << 63).text, ==, "8,192 PiB");
	g_assert_cmpstr(viommu_size_text(UINT64_MAX).text, ==, "18,446,744,073,709,551,615 B");
	g_assert_cmpstr(viommu_prot_text(true, true).text, ==, "rw");
	g_assert_cmpstr(viommu_prot_text(true, false).text, ==, "r-");
	g_assert_cmpstr(viommu_prot_text(false, true).text, ==, "-w");
	g_assert_cmpstr(viommu_prot_text(false, false).text, ==, "--");
}

static void
test_json(void)
{
	json_t *hex = viommu_json_hex(UINT64_MAX), *bdf = viommu_json_bdf((viommu_sid){ 0xff0f });

	g_assert_cmpstr(json_string_value(hex), ==, "0xffffffffffffffff");
	g_assert_cmpstr(json_string_value(bdf), ==, "0000:ff:01.7");
	json_decref(hex);
	json_decref(bdf);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/text/bdf", test_bdf);
	g_test_add_func("/text/hex", test_hex);
	g_test_add_func("/text/number", test_number);
	g_test_add_func("/text/escape", test_escape);
	g_test_add_func("/text/escape-random", test_escape_random);
	g_test_add_func("/text/shown", test_shown);
	g_test_add_func("/text/json", test_json);
	return g_test_run();
}
