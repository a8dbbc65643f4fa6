/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Link 3: what is announced, by L1's queue and by the record's own qi_submit events. */
#include <string.h>

#include "helpers.h"
#include "scene.h"

#define IOVA 0x40000000ull
#define DID 7

/* Descriptors (6.5.2). */
#define IOTLB(granularity, did) (2ull | (uint64_t) (granularity) << 4 | (uint64_t) (did) << 16)
#define PAGES IOTLB(3, DID)
#define DOMAIN IOTLB(2, DID)
#define WAIT 5ull
#define CONTEXT_OF(sid) (1ull | 3ull << 4 | (uint64_t) (sid) << 32)

static uint16_t
did_of(scene *s)
{
	return (uint16_t) (tables_peek(s->t, tables_context_at(s->t, SCENE_SID) + 8) >> 8);
}

static scene *
scene_with(const char *driver)
{
	scene *s = scene_new(true);

	s->t->driver = driver;
	g_assert_cmpuint(did_of(s), ==, DID);
	tables_submit(s->t, CONTEXT_OF(SCENE_SID), 0);
	tables_submit(s->t, DOMAIN, 0);
	tables_submit(s->t, WAIT, 0);
	return s;
}

/* "state first-last" of link 3, one a line; those that are unmapped with "gone". */
static void
expect(scene *s, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);

	scene_judge(s);
	for (guint i = 0; i < s->result->runs->len; i++) {
		const viommu_run *run = scene_run(s, i);
		const viommu_link_status *status = &viommu_run_chain(s->result, run)->links[VIOMMU_LINK_INVALIDATION];

		g_string_append_printf(text, "%s%s %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x\n",
			run->verdict == VIOMMU_GONE ? "gone " : "", viommu_link_state_name(status->state), run->iova.first,
			run->iova.last);
		g_assert_nonnull(status->note);
	}
	g_assert_cmpstr(text->str, ==, wanted);
}

static void
test_ring(void)
{
	g_autoptr(scene) s = scene_with("vfio-pci");

	scene_both(s, IOVA, 0x5000, 0x3000);
	scene_both(s, IOVA + 0x10000, 0x9000, 0x1000);
	/* The domain-selective one has no time. */
	expect(s, "unverified 40000000-40002fff\nunverified 40010000-40010fff\n");
	tables_submit(s->t, PAGES, IOVA | 2); /* four pages */
	tables_submit(s->t, WAIT, 0);
	expect(s, "ok 40000000-40002fff\nunverified 40010000-40010fff\n");
	/* More than the request's own block can be for somebody else. */
	tables_submit(s->t, PAGES, (IOVA + 0x10000) | 1);
	expect(s, "ok 40000000-40002fff\nunverified 40010000-40010fff\n");
	tables_submit(s->t, PAGES, IOVA + 0x10000);
	expect(s, "ok 40000000-40002fff\nok 40010000-40010fff\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 0);
}

/* A part of a request was announced, and the rest was not. */
static void
test_ring_part(void)
{
	g_autoptr(scene) s = scene_new(true);

	s->t->driver = "vfio-pci";
	tables_submit(s->t, PAGES, IOVA | 1);
	scene_both(s, IOVA, 0x5000, 0x4000);
	expect(s, "ok 40000000-40001fff\nbroken 40002000-40003fff\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 2);
	g_assert_cmpuint(s->result->broken[VIOMMU_LINK_INVALIDATION], ==, 2);
	g_assert_null(scene_run(s, 0)->evidence);
	g_assert_nonnull(scene_run(s, 1)->evidence);
	/* A page that the table does not have is broken there first. */
	tables_poke(s->t, tables_entry(s->t, s->top, 3, IOVA + 0x3000, 1), 0);
	expect(s, "ok 40000000-40001fff\nbroken 40002000-40002fff\nbroken 40003000-40003fff\n");
	g_assert_cmpuint(s->result->broken[VIOMMU_LINK_INVALIDATION], ==, 1);
	g_assert_cmpuint(s->result->broken[VIOMMU_LINK_TABLE], ==, 1);
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 2);
}

/* More faults than get their walks: the first broken mapping is the last of them. */
static void
test_walk_of_the_first(void)
{
	g_autoptr(scene) s = scene_new(true);
	const unsigned pages = 1200;

	s->t->driver = "vfio-pci";
	for (unsigned i = 0; i < pages; i++)
		scene_both(s, IOVA + i * 0x2000, 0x5000, 0x1000);
	tables_submit(s->t, PAGES, IOVA);
	tables_poke(s->t, tables_entry(s->t, s->top, 3, IOVA + (pages - 1) * 0x2000, 1), 0);
	scene_judge(s);
	g_assert_cmpuint(s->result->runs->len, ==, pages);
	g_assert_cmpuint(s->result->broken[VIOMMU_LINK_INVALIDATION], ==, pages - 2);
	g_assert_cmpuint(s->result->broken[VIOMMU_LINK_TABLE], ==, 1);
	g_assert_null(scene_run(s, pages - 2)->evidence);
	g_assert_nonnull(scene_run(s, pages - 1)->evidence);
}

/* A descriptor that is another request's can cover pages of this one, and be smaller than
 * this one's own, which stands behind it. */
static void
test_ring_neighbour(void)
{
	g_autoptr(scene) s = scene_new(true);

	s->t->driver = "vfio-pci";
	scene_both(s, IOVA, 0x5000, 0x3000);
	scene_both(s, IOVA + 0x3000, 0x9000, 0x2000);
	tables_submit(s->t, PAGES, IOVA | 2); /* for the first three pages */
	expect(s, "ok 40000000-40002fff\nunverified 40003000-40003fff\nbroken 40004000-40004fff\n");
	tables_submit(s->t, PAGES, IOVA | 3); /* for the last two */
	expect(s, "ok 40000000-40002fff\nok 40003000-40004fff\n");
}

/* Linux batches what its drivers unmap, without caching mode; VFIO's is announced at once. */
static void
test_batched(void)
{
	static const char *const backends[] = { "vfio", "dma-api", "iommu-domain" };

	for (gsize i = 0; i < G_N_ELEMENTS(backends); i++) {
		g_autoptr(scene) s = scene_new(true);

		tables_submit(s->t, WAIT, 0);
		record_event(s->text, "attach", "\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"%s\"", backends[i]);
		scene_ask(s, IOVA, 0x5000, 0x1000, "rw");
		record_unmap(s->text, 1, IOVA, 0x1000);
		expect(s, "gone broken 40000000-40000fff\n");
		s->t->cap &= ~(1ull << 7);
		expect(s, i == 0 ? "gone broken 40000000-40000fff\n" : "gone unverified 40000000-40000fff\n");
	}
}

/* Absence proves nothing once the ring went round, or cannot be read, or is off. */
static void
test_ring_open(void)
{
	g_autoptr(scene) s = scene_new(true);

	s->t->driver = "vfio-pci";
	scene_both(s, IOVA, 0x5000, 0x1000);
	expect(s, "unverified 40000000-40000fff\n");
	tables_submit(s->t, WAIT, 0);
	expect(s, "broken 40000000-40000fff\n");
	for (unsigned i = 0; i < 256; i++)
		tables_submit(s->t, WAIT, 0);
	expect(s, "unverified 40000000-40000fff\n");
	tables_submit(s->t, PAGES, IOVA);
	expect(s, "ok 40000000-40000fff\n");
	tables_break(s->t, s->t->queue, VIOMMU_PAGE_FAILED);
	expect(s, "unverified 40000000-40000fff\n");
}

/* Another domain's, and what came before the device got its context entry. */
static void
test_other_lives(void)
{
	g_autoptr(scene) s = scene_new(true);

	s->t->driver = "vfio-pci";
	tables_submit(s->t, IOTLB(3, DID + 1), IOVA);
	scene_both(s, IOVA, 0x5000, 0x1000);
	expect(s, "broken 40000000-40000fff\n");
	tables_submit(s->t, PAGES, IOVA);
	expect(s, "ok 40000000-40000fff\n");
	tables_submit(s->t, CONTEXT_OF(SCENE_SID + 1), 0);
	expect(s, "ok 40000000-40000fff\n");
	tables_submit(s->t, CONTEXT_OF(SCENE_SID), 0);
	expect(s, "unverified 40000000-40000fff\n");
	scene_both(s, IOVA + 0x1000, 0x6000, 0x1000);
	expect(s, "unverified 40000000-40000fff\nbroken 40001000-40001fff\n");
}

/* The same pages were mapped before: the ring cannot tell which of them it is about. */
static void
test_again(void)
{
	g_autoptr(scene) s = scene_new(true);

	s->t->driver = "vfio-pci";
	tables_submit(s->t, PAGES, IOVA);
	scene_ask(s, IOVA, 0x5000, 0x1000, "rw");
	record_unmap(s->text, 1, IOVA, 0x1000);
	expect(s, "gone unverified 40000000-40000fff\n");
	scene_both(s, IOVA, 0x5000, 0x1000);
	expect(s, "unverified 40000000-40000fff\n");
}

/* So were they when a map failed, or lies on another. */
static void
test_tried(void)
{
	g_autoptr(scene) s = scene_new(true);

	s->t->driver = "vfio-pci";
	tables_submit(s->t, PAGES, IOVA);
	tables_submit(s->t, PAGES, IOVA + 0x10000);
	record_event(s->text, "map", "\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x1000\",\"errno\":12,\"error\":\"ENOMEM\"");
	scene_both(s, IOVA, 0x5000, 0x1000);
	scene_ask(s, IOVA + 0x10000, 0x8000, 0x1000, "rw");
	scene_both(s, IOVA + 0x10000, 0x9000, 0x1000);
	expect(s, "unverified 40000000-40000fff\nunverified 40010000-40010fff\n");
}

static void
test_unmapped(void)
{
	g_autoptr(scene) s = scene_new(true);

	s->t->driver = "edu";
	tables_submit(s->t, WAIT, 0);
	scene_ask(s, IOVA, 0x5000, 0x2000, "rw");
	record_unmap(s->text, 1, IOVA, 0x2000);
	/* An emulated device needs no announcement of a mapping, but of an unmapping it does. */
	expect(s, "gone broken 40000000-40001fff\n");
	g_assert_cmpuint(viommu_result_faults(s->result), ==, 2);
	tables_submit(s->t, PAGES, IOVA | 1);
	expect(s, "gone unverified 40000000-40001fff\n");
	/* Without caching mode nothing but the unmapping is announced. */
	s->t->cap &= ~(1ull << 7);
	expect(s, "gone ok 40000000-40001fff\n");
	/* What else the table has is not said to be gone. */
	scene_have(s, IOVA + 0x1000, 0x77000, 0x1000, PTE_R);
	scene_judge(s);
	g_assert_cmpint(scene_run(s, 0)->verdict, ==, VIOMMU_GONE);
	g_assert_cmpint(scene_run(s, 1)->verdict, ==, VIOMMU_STALE);
}

static void
test_who_needs_it(void)
{
	g_autoptr(scene) s = scene_new(true);

	tables_submit(s->t, WAIT, 0);
	scene_both(s, IOVA, 0x5000, 0x1000);
	s->t->driver = "edu";
	expect(s, "not-needed 40000000-40000fff\n");
	s->t->driver = NULL;
	expect(s, "broken 40000000-40000fff\n");
	s->t->driver = "vfio-pci";
	expect(s, "broken 40000000-40000fff\n");
	s->t->cap &= ~(1ull << 7);
	expect(s, "broken 40000000-40000fff\n");
	s->t->driver = "virtio-net-pci";
	expect(s, "unverified 40000000-40000fff\n");
	s->t->driver = "edu";
	expect(s, "not-needed 40000000-40000fff\n");
}

static void
submit(scene *s, const char *granularity, unsigned did, uint64_t first, uint64_t last)
{
	record_event(s->text, "invalidate",
		"\"tracepoint\":\"qi_submit\",\"type\":\"iotlb\",\"granularity\":\"%s\",\"domain_id\":%u,"
		"\"first\":\"0x%" G_GINT64_MODIFIER "x\",\"last\":\"0x%" G_GINT64_MODIFIER "x\"",
		granularity, did, first, last);
}

/* The record's own events have a time, so they prove both ways; the ring is not asked. */
static void
test_record(void)
{
	g_autoptr(scene) s = scene_with("vfio-pci");

	tables_submit(s->t, PAGES, IOVA);
	submit(s, "page", DID, IOVA, IOVA + 0xfff);
	scene_both(s, IOVA, 0x5000, 0x3000);
	expect(s, "broken 40000000-40002fff\n");
	submit(s, "page", DID + 1, IOVA, IOVA + 0x2fff);
	expect(s, "broken 40000000-40002fff\n");
	submit(s, "page", DID, IOVA + 0x1000, IOVA + 0x1fff);
	expect(s, "broken 40000000-40000fff\nok 40001000-40001fff\nbroken 40002000-40002fff\n");
	submit(s, "domain", DID, 0, 0);
	expect(s, "ok 40000000-40002fff\n");
	record_unmap(s->text, 1, IOVA, 0x1000);
	tables_poke(s->t, tables_entry(s->t, s->top, 3, IOVA, 1), 0);
	expect(s, "gone broken 40000000-40000fff\nok 40001000-40002fff\n");
	submit(s, "global", 0, 0, 0);
	expect(s, "gone ok 40000000-40000fff\nok 40001000-40002fff\n");
	scene_both(s, IOVA + 0x4000, 0x15000, 0x1000);
	record_event(s->text, "lost", "\"count\":3,\"reason\":\"so\",\"of\":\"invalidate\"");
	expect(s, "gone ok 40000000-40000fff\nok 40001000-40002fff\nunverified 40004000-40004fff\n");
	g_assert_cmpuint(s->result->pages[VIOMMU_MATCH], ==, 3);
}

/* An unmapping is known at its end, and parts of it were flushed since it began. */
static void
test_begin(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_ask(s, IOVA, 0x5000, 0x2000, "rw");
	submit(s, "page", DID, IOVA, IOVA + 0xfff);
	record_event(s->text, "unmap", "\"begin_ns\":%" G_GUINT64_FORMAT ",\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x2000\"",
		s->text->seq * 1000);
	expect(s, "gone ok 40000000-40000fff\ngone broken 40001000-40001fff\n");
	submit(s, "page", DID, IOVA + 0x1000, IOVA + 0x1fff);
	expect(s, "gone ok 40000000-40001fff\n");
}

/* It cannot have begun before what it unmaps was mapped: the announcement of that is none of its own. */
static void
test_begin_too_early(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_ask(s, IOVA, 0x5000, 0x1000, "rw");
	submit(s, "page", DID, IOVA, IOVA + 0xfff);
	record_event(s->text, "unmap", "\"begin_ns\":1,\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x1000\"");
	expect(s, "gone broken 40000000-40000fff\n");
	submit(s, "page", DID, IOVA, IOVA + 0xfff);
	expect(s, "gone ok 40000000-40000fff\n");
}

/* One ioctl can be several mappings, each announced by itself: the block that is named for
 * the first can hold the second, which was not there yet. */
static void
test_parts(void)
{
	g_autoptr(scene) s = scene_with("vfio-pci");

	scene_have(s, IOVA, 0x5000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x1000, 0x6000, 0x1000, PTE_RW);
	record_event(s->text, "map", "\"space\":1,\"iova\":\"0x40000000\",\"size\":\"0x2000\",\"prot\":\"rw\",\"extents\":["
		"{\"gpa\":\"0x5000\",\"size\":\"0x1000\"},{\"gpa\":\"0x6000\",\"size\":\"0x1000\",\"after_ns\":1500}]");
	submit(s, "page", DID, IOVA, IOVA + 0x1fff);
	expect(s, "ok 40000000-40000fff\nbroken 40001000-40001fff\n");
	submit(s, "page", DID, IOVA + 0x1000, IOVA + 0x1fff);
	expect(s, "ok 40000000-40000fff\nok 40001000-40001fff\n");
}

/* A domain-selective one, at a time of its own. */
static void
submit_at(scene *s, uint64_t time_ns, unsigned did)
{
	g_autofree char *line = g_strdup_printf("{\"seq\":%" G_GUINT64_FORMAT ",\"time_ns\":%" G_GUINT64_FORMAT
		",\"event\":\"invalidate\",\"tracepoint\":\"qi_submit\",\"type\":\"iotlb\",\"granularity\":\"domain\",\"domain_id\":%u}",
		s->text->seq + 1, time_ns, did);

	s->text->seq++;
	record_line(s->text, line);
}

/* What a driver unmapped may be announced up to a second later than other things. */
static void
test_delayed(void)
{
	static const char *const backends[] = { "vfio", "dma-api" };
	static const uint64_t later_ns[] = { 0, 999999999, 1000000000 };

	for (gsize i = 0; i < G_N_ELEMENTS(backends) * G_N_ELEMENTS(later_ns); i++) {
		const char *backend = backends[i % 2];
		uint64_t later = later_ns[i / 2];
		g_autoptr(scene) s = scene_new(true);
		uint64_t unmapped;

		record_event(s->text, "attach", "\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"%s\"", backend);
		scene_ask(s, IOVA, 0x5000, 0x1000, "rw");
		submit(s, "page", DID, IOVA, IOVA + 0xfff);
		record_unmap(s->text, 1, IOVA, 0x1000);
		unmapped = s->text->seq * 1000;
		submit_at(s, unmapped + later, DID + 1);
		expect(s, i % 2 == 0 || later == 1000000000 ? "gone broken 40000000-40000fff\n" : "gone unverified 40000000-40000fff\n");
		submit_at(s, unmapped + later, DID);
		expect(s, "gone ok 40000000-40000fff\n");
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/link-invalidation/ring", test_ring);
	g_test_add_func("/link-invalidation/ring-part", test_ring_part);
	g_test_add_func("/link-invalidation/ring-neighbour", test_ring_neighbour);
	g_test_add_func("/link-invalidation/walk-of-the-first", test_walk_of_the_first);
	g_test_add_func("/link-invalidation/batched", test_batched);
	g_test_add_func("/link-invalidation/ring-open", test_ring_open);
	g_test_add_func("/link-invalidation/other-lives", test_other_lives);
	g_test_add_func("/link-invalidation/again", test_again);
	g_test_add_func("/link-invalidation/tried", test_tried);
	g_test_add_func("/link-invalidation/unmapped", test_unmapped);
	g_test_add_func("/link-invalidation/who-needs-it", test_who_needs_it);
	g_test_add_func("/link-invalidation/record", test_record);
	g_test_add_func("/link-invalidation/begin", test_begin);
	g_test_add_func("/link-invalidation/begin-too-early", test_begin_too_early);
	g_test_add_func("/link-invalidation/parts", test_parts);
	g_test_add_func("/link-invalidation/delayed", test_delayed);
	return g_test_run();
}
