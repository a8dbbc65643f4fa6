/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map lines are read by a reader of their own: it says what jansson says, of every line. */
#include <string.h>

#include "helpers.h"
#include "record/pieces.h"
#include "record/record-line.h"
#include "records.h"

#define HEADER "{\"event\":\"header\",\"format\":\"viommu-record\",\"version\":1}\n"

static const char *const good[] = {
	"{\"seq\":1,\"time_ns\":12,\"event\":\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x3000\",\"prot\":\"rw\",\"vaddr\":\"0x7f0000001000\","
	"\"page_size\":\"0x1000\",\"extents\":[{\"gpa\":\"0x5000\",\"size\":\"0x1000\"},{\"gpa\":\"0x9000\",\"size\":\"0x2000\"}]}",
	"{\"seq\":7,\"event\":\"map\",\"space\":2,\"iova\":\"0x0\",\"size\":\"0x1000\",\"extents\":[{\"gpa\":\"0xABC000\",\"size\":\"0x1000\"}]}",
	"{\"seq\":1,\"time_ns\":12,\"event\":\"map\",\"space\":1,\"iova\":\"0x1000\",\"size\":\"0x3000\",\"prot\":\"w\",\"extents\":[]}",
	"{\"seq\":1,\"event\":\"map\",\"space\":0,\"iova\":\"0xfffffffffffff000\",\"size\":\"0x1000\",\"prot\":\"r\","
	"\"extents\":[{\"gpa\":\"0x0\",\"size\":\"0x1000\"}]}",
};

/* What a record of a header, an attach and this line comes to, or why not. */
static char *
outcome(const char *line, const char *at)
{
	g_autoptr(viommu_record_player) player = viommu_record_player_new("r", at);
	g_autoptr(GString) ret = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	const viommu_record *record = viommu_record_player_record(player);

	if (!viommu_record_player_feed(player, HEADER, strlen(HEADER), &error) ||
		!viommu_record_player_feed(player, line, strlen(line), &error) ||
		!viommu_record_player_feed(player, "\n", 1, &error))
		return g_strdup(error->message);
	g_string_printf(ret, "%ju %ju %ju %s\n", (uintmax_t) record->events, (uintmax_t) record->last_seq, (uintmax_t) record->lost,
		record->lost_reason);
	for (guint i = 0; i < record->spaces->len; i++) {
		const viommu_space *space = g_ptr_array_index(record->spaces, i);
		g_autofree char *live = record_pieces(space->live);

		g_string_append_printf(ret, "space %jd: %s, %ju\n", (intmax_t) space->id, live, (uintmax_t) space->overlaps.count);
		for (const viommu_piece *p = viommu_pieces_from(space->live, 0); p;
			p = p->iova.last == UINT64_MAX ? NULL : viommu_pieces_from(space->live, p->iova.last + 1))
			g_string_append_printf(ret, "since %ju\n", (uintmax_t) p->since_ns);
		for (guint k = 0; k < space->requests->len; k++) {
			const viommu_request *request = &g_array_index(space->requests, viommu_request, k);

			g_string_append_printf(ret, "%ju 0x%jx-0x%jx %d%d%d %d 0x%jx 0x%jx %s\n", (uintmax_t) request->seq,
				(uintmax_t) request->iova.first, (uintmax_t) request->iova.last, request->prot_known, request->read,
				request->write, request->vaddr_known, (uintmax_t) request->vaddr, (uintmax_t) request->page_shift,
				viommu_request_gpa_unknown(space, request));
		}
	}
	return g_string_free(g_steal_pointer(&ret), FALSE);
}

static bool
is_quick(const char *line)
{
	g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(viommu_line_extent));
	viommu_map_line parsed = { .extents = extents };

	return viommu_map_line_parse(line, strlen(line), &parsed);
}

/* Behind a space, the line is jansson's. */
static bool
compare(const char *line, const char *at)
{
	g_autofree char *spaced = g_strconcat(" ", line, NULL);
	g_autofree char *ours = outcome(line, at), *jansson = outcome(spaced, at);

	g_assert_false(is_quick(spaced));
	g_assert_cmpstr(ours, ==, jansson);
	return is_quick(line);
}

static void
test_good(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		g_assert_true(compare(good[i], NULL));
		compare(good[i], "1");
		compare(good[i], "3");
	}
}

/* Each of these is different from what it looks like. */
static void
test_odd(void)
{
	static const char *const odd[][2] = {
		{ "\"seq\":1,", "\"seq\":01," },
		{ "\"seq\":1,", "\"seq\":-1," },
		{ "\"seq\":1,", "\"seq\":1.0," },
		{ "\"seq\":1,", "\"seq\":1e0," },
		{ "\"seq\":1,", "\"seq\":9223372036854775807," },
		{ "\"seq\":1,", "\"seq\":9223372036854775808," },
		{ "\"seq\":1,", "\"seq\":999999999999999999," },
		{ "\"seq\":1,", "\"seq\":1,\"seq\":1," },
		{ "\"seq\":1,", "\"seq\":1,\"\\u0000\":1," },
		{ "\"seq\":1,", "" },
		{ "\"seq\":1,", "\"seq\":0," },
		{ "\"map\"", "\"ma\\u0070\"" },
		{ "\"map\"", "\"unmap\"" },
		{ "\"map\"", "\"mapp\"" },
		{ "\"space\":1", "\"space\":\"1\"" },
		{ "\"space\":1", "\"space\":-1" },
		{ "\"0x1000\"", "\"0x\"" },
		{ "\"0x1000\"", "\"0X1000\"" },
		{ "\"0x1000\"", "\"0x00000000000001000\"" },
		{ "\"0x1000\"", "\"0x0000000000001000\"" },
		{ "\"0x1000\"", "\"0x1000 \"" },
		{ "\"0x1000\"", "\"0x1001\"" },
		{ "\"0x1000\"", "\"0x1000\\u0000\"" },
		{ "\"0x3000\"", "\"0xfffffffffffff000\"" },
		{ "\"0x3000\"", "\"0x0\"" },
		{ "\"0x3000\"", "\"0x4000\"" },
		{ "\"0x2000\"}", "\"0x3000\"}" },
		{ "\"0x2000\"}", "\"0x2000\",\"more\":1}" },
		{ "\"0x2000\"}", "\"0x2000\",\"gpa\":\"0x0\"}" },
		{ "\"rw\"", "\"wr\"" },
		{ "\"rw\"", "null" },
		{ "\"extents\"", "\"errno\":12,\"extents\"" },
		{ "\"extents\"", "\"error\":\"ENOSPC\",\"extents\"" },
		{ "\"0x2000\"}", "\"0x2000\",\"after_ns\":7}" },
		{ "\"0x2000\"}", "\"0x2000\",\"after_ns\":7.5}" },
		{ "\"0x2000\"}", "\"0x2000\",\"after_ns\":-7}" },
		{ "\"0x2000\"}", "\"0x2000\",\"after_ns\":\"7\"}" },
		{ "\"0x2000\"}", "\"0x2000\",\"after_ns\":07}" },
		{ "\"extents\"", "\"begin_ns\":5,\"extents\"" },
		{ "]}", "]} " },
		{ "]}", "]}x" },
		{ "]}", "],}" },
		{ "]}", "]" },
		{ "]}", ",]}" },
		{ "]}", "],\"gpa_unknown\":\"why\"}" },
		{ "]}", "],\"size\":\"0x3000\"}" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
		g_auto(GStrv) parts = g_strsplit(good[0], odd[i][0], 2);
		g_autofree char *line = g_strjoinv(odd[i][1], parts);

		g_assert_cmpuint(g_strv_length(parts), ==, 2);
		compare(line, NULL);
	}
}

/* Lines that were cut, doubled in a part, and written over. */
static void
test_random(void)
{
	static const char bytes[] = "\"{}[]:,0x19afAF.-+eE \\u\t\r\x80nulltrue";
	g_autoptr(GRand) rand = g_rand_new_with_seed(11);
	unsigned quick = 0;

	for (unsigned turn = 0; turn < 60000; turn++) {
		g_autoptr(GString) line = g_string_new(good[unit_random(rand, G_N_ELEMENTS(good))]);

		for (unsigned n = 1 + (unsigned) unit_random(rand, 3); n; n--) {
			gsize at = unit_random(rand, line->len), len = unit_random(rand, MIN(line->len - at, 30)) + 1;
			g_autofree char *part = g_strndup(line->str + at, len);

			switch (unit_random(rand, 4)) {
			case 0:
				line->str[at] = bytes[unit_random(rand, sizeof(bytes) - 1)];
				break;
			case 1:
				g_string_insert_c(line, (gssize) at, bytes[unit_random(rand, sizeof(bytes) - 1)]);
				break;
			case 2:
				g_string_erase(line, (gssize) at, unit_random(rand, 4) ? 1 : (gssize) len);
				break;
			case 3:
				g_string_insert(line, (gssize) unit_random(rand, line->len), part);
				break;
			}
		}
		quick += compare(line->str, NULL);
	}
	g_assert_cmpuint(quick, >, 1000); /* many are still map lines */
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/record-line/good", test_good);
	g_test_add_func("/record-line/odd", test_odd);
	g_test_add_func("/record-line/random", test_random);
	return g_test_run();
}
