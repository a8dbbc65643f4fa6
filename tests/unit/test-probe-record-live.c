/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mappings that are there now, against a list of pages; and the queue that a
 * slow reader fills. */
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "sys/live.h"
#include "out/queue.h"
#include "out/record-writer.h"

enum { PAGES = 64, ROUNDS = 20000 };

/* What the mappings say of one page: 0, or the vaddr of that very page. */
static uint64_t
vaddr_of(const struct live *live, uint64_t page)
{
	const gsize at = live_find(live, page * 4096);
	const struct live_mapping *mapping = at < live->n ? &live->mapping[at] : NULL;

	if (mapping == NULL || mapping->iova.first > page * 4096)
		return 0;
	return mapping->vaddr + (page * 4096 - mapping->iova.first);
}

static void
check(const struct live *live, const uint64_t *pages)
{
	for (gsize i = 0; i < PAGES; i++)
		g_assert_cmphex(vaddr_of(live, i), ==, pages[i]);
	for (gsize i = 1; i < live->n; i++)
		g_assert_cmphex(live->mapping[i - 1].iova.last, <, live->mapping[i].iova.first);
}

static void
test_random(void)
{
	uint64_t pages[PAGES] = { 0 };
	struct live live = { 0 };

	for (int round = 0; round < ROUNDS; round++) {
		const uint64_t first = (uint64_t) g_test_rand_int_range(0, PAGES);
		const uint64_t n = (uint64_t) g_test_rand_int_range(1, 1 + (gint32) MIN(PAGES - first, 16));
		const uint64_t vaddr = 0x7f0000000000 + (uint64_t) round * 0x100000;
		const viommu_iova_range range = { first * 4096, (first + n) * 4096 - 1 };

		if (g_test_rand_bit()) {
			const struct live_mapping mapping = { range, vaddr, 1 };

			g_assert_cmpint(live_add(&live, &mapping), ==, 0);
			for (uint64_t i = 0; i < n; i++)
				pages[first + i] = vaddr + i * 4096;
		} else {
			bool any = false;

			for (uint64_t i = 0; i < n; i++) {
				any = any || pages[first + i];
				pages[first + i] = 0;
			}
			g_assert_cmpint(live_overlaps(&live, range), ==, any);
			g_assert_cmpint(live_cut(&live, range), ==, 0);
		}
		check(&live, pages);
	}
	live_free(&live);
}

static void
test_ends_of_the_space(void)
{
	const struct live_mapping top = { { UINT64_MAX - 4095, UINT64_MAX }, 0x1000, 1 };
	const struct live_mapping next = { { UINT64_MAX - 8191, UINT64_MAX - 4096 }, 0, 1 };
	const struct live_mapping low = { { 0, 4095 }, 0x2000, 1 };
	viommu_iova_range run;
	struct live live = { 0 };

	g_assert_cmpint(live_cut(&live, (viommu_iova_range){ 0, UINT64_MAX }), ==, 0);
	g_assert_cmpint(live_add(&live, &top), ==, 0);
	g_assert_cmpint(live_add(&live, &low), ==, 0);
	g_assert_cmpint(live_add(&live, &next), ==, 0);
	g_assert_cmpuint(live_run(&live, 0, &run), ==, 1);
	g_assert_cmphex(run.last, ==, 4095);
	g_assert_cmpuint(live_run(&live, 1, &run), ==, 3);
	g_assert_cmphex(run.first, ==, UINT64_MAX - 8191);
	g_assert_cmphex(run.last, ==, UINT64_MAX);
	g_assert_cmpint(live_cut(&live, (viommu_iova_range){ 0, UINT64_MAX }), ==, 0);
	g_assert_cmpuint(live.n, ==, 0);
	live_free(&live);
}

/* ---- the queue ------------------------------------------------------------------ */

/* Takes what the pipe has, without waiting. */
static void
read_into(int fd, GString *text)
{
	char bytes[65536];
	ssize_t got;

	while ((got = read(fd, bytes, sizeof bytes)) > 0)
		g_string_append_len(text, bytes, got);
}

/* Notes are written without end to a reader that sleeps, and then wakes up: each
 * is there whole or counted, and the numbers rise by one. */
static void
test_slow_reader(void)
{
	struct output output = { .name = "pipe", .unblocked = true };
	g_autoptr(GString) text = g_string_new(NULL);
	g_auto(GStrv) lines = NULL;
	struct record_writer record;
	struct queue queue;
	uint64_t seq = 0, notes = 0, lost = 0, count;
	int fds[2];

	g_assert_cmpint(pipe2(fds, O_NONBLOCK), ==, 0);
	output.fd = fds[1];
	queue_begin(&queue, &output, 100000);
	record_begin(&record, &output);
	record.queue = &queue;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5000; i++)
			record_note(&record, "note %d of round %d", i, round);
		g_assert_cmpuint(queue.len, <=, 100000);
		g_assert_cmpuint(record.lost, >, 0);
		read_into(fds[0], text);
	}
	while (queue.len > 0) {
		g_assert_cmpint(queue_flush(&queue), ==, 0);
		read_into(fds[0], text);
	}
	record_drain(&record);
	read_into(fds[0], text);
	g_assert_cmpuint(record.lost, ==, 0);
	lines = g_strsplit(text->str, "\n", 0);
	for (gsize i = 0; lines[i + 1] != NULL; i++) {
		const char *found = strstr(lines[i], "\"count\":");

		g_assert_true(g_str_has_prefix(lines[i], "{\"seq\":") && g_str_has_suffix(lines[i], "}"));
		g_assert_cmpuint(g_ascii_strtoull(lines[i] + 7, NULL, 10), ==, ++seq);
		count = found != NULL ? g_ascii_strtoull(found + 8, NULL, 10) : 0;
		lost += count;
		notes += strstr(lines[i], "\"text\":\"note ") != NULL;
	}
	g_assert_cmpuint(notes + lost, ==, 15000);
	g_assert_cmpuint(notes, >, 1000);
	/* In pieces of some size, not one here and one there. */
	g_assert_cmpuint(seq - notes, <, 10);
	record_free(&record);
	queue_free(&queue);
	close(fds[0]);
	close(fds[1]);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/record-live/random", test_random);
	g_test_add_func("/record-live/ends", test_ends_of_the_space);
	g_test_add_func("/record-live/slow-reader", test_slow_reader);
	return g_test_run();
}
