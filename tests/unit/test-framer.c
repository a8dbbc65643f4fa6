/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The framer cuts a stream into JSON objects, however it comes. */
#include <string.h>

#include <jansson.h>

#include "framer.h"
#include "helpers.h"

/* The next object, parsed; NULL when there is none. */
static json_t *
pop(viommu_framer *framer)
{
	g_autoptr(GBytes) bytes = viommu_framer_pop(framer);
	json_error_t why;
	gsize len;
	const char *text;
	json_t *ret;

	if (!bytes)
		return NULL;
	text = g_bytes_get_data(bytes, &len);
	ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!ret)
		g_error("not JSON: %.*s: %s", (int) len, text, why.text);
	return ret;
}

static void
expect(viommu_framer *framer, const char *text)
{
	json_t *got = pop(framer), *wanted = json_loads(text, 0, NULL);

	g_assert_nonnull(wanted);
	g_assert_nonnull(got);
	g_assert_true(json_equal(got, wanted));
	json_decref(got);
	json_decref(wanted);
}

static const char *const objects[] = {
	"{}",
	"{\"return\": {}, \"id\": 1}",
	"{\r\n    \"QMP\": {\r\n        \"version\": {\"qemu\": {}},\r\n        \"capabilities\": []\r\n    }\r\n}",
	"{\"a\": \"}}}\", \"b\": \"{[\", \"c\": [\"]\", {\"d\": \"\\\"}\"}]}",
	"{\"quotes\": \"\\\"\\\\\", \"{\": \"\\\\\\\"}\", \"u\": \"\\u007b\\u0022\"}",
	"{\"deep\": [[[[[{\"x\": [{}, [], {}]}]]]]]}",
	"{\"\": \"\xe2\x82\xac \xf0\x9f\x98\x80 }\"}",
};

/* Every way to cut two neighbours into equal pieces. */
static void
test_pieces(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(objects); i++) {
		const char *second = objects[(i + 1) % G_N_ELEMENTS(objects)];
		g_autofree char *text = g_strconcat(objects[i], "\r\n", second, "\n", NULL);
		gsize len = strlen(text);

		for (gsize piece = 1; piece <= len; piece++) {
			viommu_framer framer;
			unsigned got = 0;

			viommu_framer_init(&framer, 4096);
			for (gsize at = 0; at < len; at += piece) {
				viommu_framer_push(&framer, text + at, MIN(piece, len - at));
				while (got < 2) {
					json_t *json = pop(&framer);

					if (!json)
						break;
					json_decref(json);
					got++;
				}
				/* Not before its last byte is there. */
				g_assert_true(got < 1 || at + piece >= strlen(objects[i]));
			}
			g_assert_cmpuint(got, ==, 2);
			g_assert_null(viommu_framer_pop(&framer));
			g_assert_false(framer.broken);
			viommu_framer_clear(&framer);
		}
	}
}

static void
test_several_in_one_push(void)
{
	g_autoptr(GString) text = g_string_new(NULL);
	viommu_framer framer;

	for (gsize i = 0; i < G_N_ELEMENTS(objects); i++)
		g_string_append_printf(text, "%s%s", objects[i], i % 2 ? "" : " \t\r\n");
	viommu_framer_init(&framer, 4096);
	viommu_framer_push(&framer, text->str, text->len);
	for (gsize i = 0; i < G_N_ELEMENTS(objects); i++)
		expect(&framer, objects[i]);
	g_assert_null(viommu_framer_pop(&framer));
	g_assert_false(framer.broken);
	viommu_framer_clear(&framer);
}

static void
test_nothing_yet(void)
{
	static const char *const texts[] = { "", " \r\n\t", "{", "{\"a", "{\"a\\", "{\"a\": [",
		"{\"a\": \"}" };

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		viommu_framer framer;

		viommu_framer_init(&framer, 64);
		viommu_framer_push(&framer, texts[i], strlen(texts[i]));
		g_assert_null(viommu_framer_pop(&framer));
		g_assert_false(framer.broken);
		viommu_framer_clear(&framer);
	}
}

static void
test_garbage(void)
{
	static const struct {
		const char *text;
		gsize len; /* 0: it is a string */
	} cases[] = {
		{ "QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ", 0 },
		{ "SSH-2.0-OpenSSH_9.2p1\r\n", 0 },
		{ "HTTP/1.0 400 {}\r\n", 0 },
		{ "[]", 0 },
		{ "\"{}\"", 0 },
		{ "}", 0 },
		{ "]", 0 },
		{ "1 {}", 0 },
		{ "null", 0 },
		{ ",{}", 0 },
		{ "\0{}", 3 },
		{ "\xff\xfb\x01{}", 0 },
		{ "\xef\xbb\xbf{}", 0 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		viommu_framer framer;

		g_test_message("case %zu", i);
		viommu_framer_init(&framer, 4096);
		viommu_framer_push(
			&framer, cases[i].text, cases[i].len ? cases[i].len : strlen(cases[i].text));
		g_assert_null(viommu_framer_pop(&framer));
		g_assert_true(framer.broken);
		/* It stays broken. */
		viommu_framer_push(&framer, "{}", 2);
		g_assert_null(viommu_framer_pop(&framer));
		viommu_framer_clear(&framer);
	}
}

static void
test_garbage_behind(void)
{
	static const char text[] = "{\"a\": 1}\r\n{\"b\": 2} x {\"c\": 3}";
	viommu_framer framer;

	viommu_framer_init(&framer, 4096);
	viommu_framer_push(&framer, text, strlen(text));
	expect(&framer, "{\"a\": 1}");
	expect(&framer, "{\"b\": 2}");
	g_assert_null(viommu_framer_pop(&framer));
	g_assert_true(framer.broken);
	viommu_framer_clear(&framer);
}

static void
test_limit(void)
{
	static const char text[] = "{\"a\": \"0123456789\"}";
	gsize len = strlen(text);

	for (gsize piece = 1; piece <= len; piece++) {
		viommu_framer fits, does_not;

		viommu_framer_init(&fits, len);
		viommu_framer_init(&does_not, len - 1);
		for (gsize at = 0; at < len; at += piece) {
			viommu_framer_push(&fits, text + at, MIN(piece, len - at));
			viommu_framer_push(&does_not, text + at, MIN(piece, len - at));
		}
		expect(&fits, text);
		g_assert_null(viommu_framer_pop(&does_not));
		g_assert_true(does_not.broken);
		viommu_framer_clear(&fits);
		viommu_framer_clear(&does_not);
	}
}

/* An object that never ends takes no more memory than the limit. */
static void
test_endless(void)
{
	g_autofree char *chunk = g_malloc(65536);
	viommu_framer framer;

	memset(chunk, '[', 65536);
	viommu_framer_init(&framer, 1 << 20);
	viommu_framer_push(&framer, "{\"a\":", 5);
	for (unsigned i = 0; i < 1000; i++) {
		viommu_framer_push(&framer, chunk, 65536);
		g_assert_null(viommu_framer_pop(&framer));
		g_assert_cmpuint(framer.bytes->len, <=, 1 << 20);
	}
	g_assert_true(framer.broken);
	viommu_framer_clear(&framer);
}

static json_t *
random_value(GRand *rand, unsigned depth)
{
	static const char *const strings[] = { "", "{", "}", "[]", "\"", "\\", "\\\"}", "plain", "\n",
		"\xc3\xa4" };
	json_t *ret;

	switch (unit_random(rand, depth > 5 ? 2 : 4)) {
	case 0:
		return json_string(strings[unit_random(rand, G_N_ELEMENTS(strings))]);
	case 1:
		return json_integer((json_int_t) unit_random(rand, 1000));
	case 2:
		ret = json_array();
		for (guint64 n = unit_random(rand, 4); n > 0; n--)
			json_array_append_new(ret, random_value(rand, depth + 1));
		return ret;
	default:
		ret = json_object();
		for (guint64 n = unit_random(rand, 4); n > 0; n--)
			json_object_set_new(ret, strings[unit_random(rand, G_N_ELEMENTS(strings))],
				random_value(rand, depth + 1));
		return ret;
	}
}

static void
test_random(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	viommu_framer framer;

	viommu_framer_init(&framer, 1 << 20);
	for (unsigned round = 0; round < 200; round++) {
		g_autoptr(GPtrArray) sent = g_ptr_array_new_with_free_func((GDestroyNotify) json_decref);
		g_autoptr(GString) text = g_string_new(NULL);
		guint next = 0;

		for (unsigned i = 0; i < 10; i++) {
			json_t *json = json_pack("{s:o}", "v", random_value(rand, 0));
			char *dump = json_dumps(json, unit_random(rand, 2) ? JSON_INDENT(3) : JSON_COMPACT);

			g_ptr_array_add(sent, json);
			g_string_append_printf(text, "%s%s", dump, unit_random(rand, 2) ? "\n" : "");
			free(dump);
		}
		for (gsize at = 0; at < text->len;) {
			gsize n = 1 + unit_random(rand, MIN(text->len - at, 60));
			json_t *got;

			viommu_framer_push(&framer, text->str + at, n);
			at += n;
			while ((got = pop(&framer))) {
				g_assert_true(json_equal(got, g_ptr_array_index(sent, next++)));
				json_decref(got);
			}
		}
		g_assert_cmpuint(next, ==, sent->len);
	}
	viommu_framer_clear(&framer);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/framer/pieces", test_pieces);
	g_test_add_func("/framer/several-in-one-push", test_several_in_one_push);
	g_test_add_func("/framer/nothing-yet", test_nothing_yet);
	g_test_add_func("/framer/garbage", test_garbage);
	g_test_add_func("/framer/garbage-behind", test_garbage_behind);
	g_test_add_func("/framer/limit", test_limit);
	g_test_add_func("/framer/endless", test_endless);
	g_test_add_func("/framer/random", test_random);
	return g_test_run();
}
