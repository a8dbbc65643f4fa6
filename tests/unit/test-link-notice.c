/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Link 4: what QEMU noticed, by its log. */
#include <string.h>

#include <viommu/finding.h>
#include <viommu/qemu-log.h>

#include "helpers.h"
#include "scene.h"

#define IOVA 0x40000000ull
#define DID 7

#define ATTACH                                                                              \
	"vtd_as_unmap_whole Device 00:04.0 start 0x0 size 0xfee00000\n"                     \
	"vtd_as_unmap_whole Device 00:04.0 start 0xfef00000 size 0x7f01100000\n"            \
	"vtd_inv_desc_cc_devices context invalidate devices sid 0x20 fmask 0x0\n"           \
	"vtd_inv_desc_cc_device context invalidate device 00:04.00\n"                       \
	"vtd_page_walk_one_skip_unmap iova 0x0 mask 0x3fffffff\n"                           \
	"vtd_page_walk_one_skip_unmap iova 0x40000000 mask 0x3fffffff\n"
#define PAGES "vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x7 addr 0x40000000 mask 0x0\n"
#define MAP "vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x5000 mask 0xfff perm 3\n"
#define NOTIFY_MAP "vfio_iommu_map_notify iommu MAP @ 0x40000000 - 0x40000fff\n"
#define UNMAP "vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x0 mask 0xfff perm 0\n"
#define NOTIFY_UNMAP "vfio_iommu_map_notify iommu UNMAP @ 0x40000000 - 0x40000fff\n"

typedef struct {
	scene *s;
	viommu_qemu_log *log;
} notice;

static void
notice_clear(notice *n)
{
	scene_free(n->s);
	viommu_qemu_log_free(n->log);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(notice, notice_clear)

/* An assigned device, and one page. */
static void
begin(notice *n)
{
	*n = (notice){ .s = scene_new(true) };
	n->s->t->driver = "vfio-pci";
}

/* "state first-last" of link 4, one a line; those that are unmapped with "gone". */
static void
expect(notice *n, bool current, const char *log, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);

	n->s->witnesses.log = NULL;
	viommu_qemu_log_free(n->log);
	n->log = viommu_qemu_log_new("log");
	viommu_qemu_log_feed(n->log, log, strlen(log));
	viommu_qemu_log_finish(n->log);
	viommu_qemu_log_set_current(n->log, current);
	n->s->witnesses.log = n->log;
	scene_judge(n->s);
	for (guint i = 0; i < n->s->result->runs->len; i++) {
		const viommu_run *run = scene_run(n->s, i);
		const viommu_link_status *status = &viommu_run_chain(n->s->result, run)->links[VIOMMU_LINK_NOTICE];

		g_string_append_printf(text, "%s%s %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x\n",
			run->verdict == VIOMMU_GONE ? "gone " : "", viommu_link_state_name(status->state), run->iova.first,
			run->iova.last);
		g_assert_nonnull(status->note);
	}
	g_assert_cmpstr(text->str, ==, wanted);
}

static const char *
note(notice *n, guint i)
{
	return viommu_run_chain(n->s->result, scene_run(n->s, i))->links[VIOMMU_LINK_NOTICE].note;
}

static void
expect_finding(notice *n, const char *code)
{
	g_autoptr(viommu_findings) findings = viommu_findings_new();

	viommu_find_notice(findings, n->s->result);
	g_assert_cmpuint(viommu_findings_count(findings, NULL), ==, code ? 1 : 0);
	if (code)
		g_assert_cmpuint(viommu_findings_count(findings, code), ==, 1);
}

static void
test_map(void)
{
	g_auto(notice) n;

	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	expect(&n, false, ATTACH PAGES MAP NOTIFY_MAP, "ok 40000000-40000fff\n");
	expect_finding(&n, NULL);
	/* It needs no beginning, and no end: it is the last word, and true. */
	expect(&n, false, MAP NOTIFY_MAP, "ok 40000000-40000fff\n");
	/* vfio's events are not on. */
	expect(&n, false, ATTACH PAGES MAP, "ok 40000000-40000fff\n");
	g_assert_nonnull(strstr(note(&n, 0), "no events of vfio's"));
	/* They are on, and this one is missing. */
	expect(&n, true, ATTACH PAGES MAP "vfio_iommu_map_notify iommu MAP @ 0x70000000 - 0x70000fff\n", "unverified 40000000-40000fff\n");
	/* Only vfio's: for this device, since no other is assigned. */
	expect(&n, false, NOTIFY_MAP, "ok 40000000-40000fff\n");
	g_assert_nonnull(strstr(note(&n, 0), "for which page is not known"));
	expect(&n, false, NOTIFY_MAP NOTIFY_UNMAP, "unverified 40000000-40000fff\n");
	/* QEMU had told of it before: only its walks for this device count. */
	expect(&n, false, PAGES "vtd_page_walk_one_skip_map iova 0x40000000 mask 0xfff translated 0x5000\n", "ok 40000000-40000fff\n");
	expect(&n, false, "vtd_page_walk_one_skip_map iova 0x40000000 mask 0xfff translated 0x5000\n", "unverified 40000000-40000fff\n");
}

/* Another domain, another device, another table. */
static void
test_others(void)
{
	g_auto(notice) n;

	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	expect(&n, true, "vtd_page_walk_one domain 0x8 iova 0x40000000 -> gpa 0x5000 mask 0xfff perm 3\n" NOTIFY_MAP,
		"unverified 40000000-40000fff\n");
	expect(&n, true, "vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x8\n"
			 "vtd_page_walk_one_skip_map iova 0x40000000 mask 0xfff translated 0x5000\n",
		"unverified 40000000-40000fff\n");
	/* What QEMU unmaps of another device stays. */
	expect(&n, true, MAP NOTIFY_MAP "vtd_as_unmap_whole Device 00:05.0 start 0x0 size 0xfee00000\n", "ok 40000000-40000fff\n");
	/* The domain's number is of another life: the walk is not over this table. */
	expect(&n, true, "vtd_page_walk_level walk (base=0xdead000, level=3) iova range 0x0 - 0x8000000000\n" MAP NOTIFY_MAP,
		"unverified 40000000-40000fff\n");
	/* The device gets another context entry: what was before does not count. */
	expect(&n, true, MAP NOTIFY_MAP "vtd_inv_desc_cc_devices context invalidate devices sid 0x20 fmask 0x0\n",
		"unverified 40000000-40000fff\n");
	expect(&n, true, MAP NOTIFY_MAP "vtd_inv_desc_cc_devices context invalidate devices sid 0x26 fmask 0x3\n",
		"unverified 40000000-40000fff\n");
	expect(&n, true, MAP NOTIFY_MAP "vtd_inv_desc_cc_devices context invalidate devices sid 0x26 fmask 0x1\n",
		"ok 40000000-40000fff\n");
}

/* A global invalidation says not whose walk it is; the table does. */
static void
test_tables(void)
{
	g_auto(notice) n;
	g_autofree char *text = NULL;

	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	text = g_strdup_printf("vtd_inv_desc_iotlb_global iotlb invalidate global\n"
			       "vtd_page_walk_level walk (base=0xdead000, level=3) iova range 0x0 - 0x8000000000\n"
			       "vtd_page_walk_one_skip_unmap iova 0x40000000 mask 0x3fffffff\n"
			       "vtd_page_walk_level walk (base=0x%" G_GINT64_MODIFIER "x, level=3) iova range 0x0 - 0x8000000000\n"
			       "vtd_page_walk_level walk (base=0xbeef000, level=2) iova range 0x40000000 - 0x80000000\n"
			       "vtd_page_walk_one_skip_map iova 0x40000000 mask 0xfff translated 0x5000\n"
			       "vtd_page_walk_level walk (base=0xdead000, level=4) iova range 0x0 - 0x8000000000\n"
			       "vtd_page_walk_one_skip_unmap iova 0x40000000 mask 0x3fffffff\n",
		n.s->top);
	expect(&n, true, text, "ok 40000000-40000fff\n");
	g_assert_nonnull(strstr(note(&n, 0), "before"));
}

/* It was not noticed: broken if the log is known to go up to now. */
static void
test_map_not_noticed(void)
{
	g_auto(notice) n;

	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	expect(&n, false, ATTACH, "unverified 40000000-40000fff\n");
	expect_finding(&n, NULL);
	expect(&n, true, ATTACH, "broken 40000000-40000fff\n");
	expect_finding(&n, "map-not-noticed");
	g_assert_cmpuint(viommu_result_faults(n.s->result), ==, 1);
	/* It begins after the mapping was made: it may have been noticed before. */
	expect(&n, true, "", "unverified 40000000-40000fff\n");
	expect(&n, true, "vtd_inv_desc_iotlb_global iotlb invalidate global\n", "unverified 40000000-40000fff\n");
	/* It was, and then the table changed. */
	expect(&n, true, ATTACH "vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x6000 mask 0xfff perm 3\n" NOTIFY_MAP,
		"broken 40000000-40000fff\n");
	g_assert_nonnull(strstr(note(&n, 0), "another page"));
	expect(&n, false, ATTACH "vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x6000 mask 0xfff perm 3\n" NOTIFY_MAP,
		"unverified 40000000-40000fff\n");
	expect(&n, true, ATTACH "vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x5000 mask 0xfff perm 1\n" NOTIFY_MAP,
		"broken 40000000-40000fff\n");
	g_assert_nonnull(strstr(note(&n, 0), "permissions"));
	expect(&n, true, ATTACH MAP NOTIFY_MAP PAGES UNMAP NOTIFY_UNMAP, "broken 40000000-40000fff\n");
	expect(&n, true, ATTACH PAGES "vtd_page_walk_skip_reserve Page walk skip iova 0x40000000 - 0x40001000 due to rsrv set\n",
		"broken 40000000-40000fff\n");
	g_assert_nonnull(strstr(note(&n, 0), "reserved bit"));
	expect(&n, true, ATTACH PAGES "vtd_page_walk_skip_read Page walk skip iova 0x40000000 - 0x40200000 due to unable to read\n",
		"broken 40000000-40000fff\n");
}

/* A part was, and a part was not. */
static void
test_parts(void)
{
	g_auto(notice) n;

	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x4000);
	expect(&n, true, ATTACH
		"vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x5000 mask 0xfff perm 3\n" NOTIFY_MAP
		"vtd_page_walk_one domain 0x7 iova 0x40001000 -> gpa 0x6000 mask 0xfff perm 3\n"
		"vfio_iommu_map_notify iommu MAP @ 0x40001000 - 0x40001fff\n"
		"vtd_page_walk_one domain 0x7 iova 0x40003000 -> gpa 0x8000 mask 0xfff perm 3\n"
		"vfio_iommu_map_notify iommu MAP @ 0x40003000 - 0x40003fff\n",
		"ok 40000000-40001fff\nbroken 40002000-40002fff\nok 40003000-40003fff\n");
	g_assert_cmpuint(n.s->result->broken[VIOMMU_LINK_NOTICE], ==, 1);
}

/* The mapping begins in the middle of what QEMU told of in one go. */
static void
test_middle(void)
{
	g_auto(notice) n;

	begin(&n);
	scene_both(n.s, IOVA + 0x1000, 0x6000, 0x1000);
	expect(&n, false, "vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x5000 mask 0xfff perm 3\n" NOTIFY_MAP
		"vtd_page_walk_one domain 0x7 iova 0x40001000 -> gpa 0x6000 mask 0xfff perm 3\n"
		"vfio_iommu_map_notify iommu MAP @ 0x40001000 - 0x40001fff\n"
		"vtd_page_walk_one domain 0x7 iova 0x40002000 -> gpa 0x7000 mask 0xfff perm 3\n"
		"vfio_iommu_map_notify iommu MAP @ 0x40002000 - 0x40002fff\n",
		"gone unverified 40000000-40000fff\nok 40001000-40001fff\ngone unverified 40002000-40002fff\n");
}

static void
test_unmap(void)
{
	g_auto(notice) n;

	begin(&n);
	scene_ask(n.s, IOVA, 0x5000, 0x1000, "rw");
	record_unmap(n.s->text, 1, IOVA, 0x1000);
	expect(&n, false, ATTACH PAGES MAP NOTIFY_MAP PAGES UNMAP NOTIFY_UNMAP, "gone ok 40000000-40000fff\n");
	expect(&n, false, MAP NOTIFY_MAP, "gone unverified 40000000-40000fff\n");
	expect_finding(&n, NULL);
	expect(&n, true, MAP NOTIFY_MAP, "gone broken 40000000-40000fff\n");
	expect_finding(&n, "unmap-not-noticed");
	/* All of the device's went. */
	expect(&n, true, MAP NOTIFY_MAP ATTACH, "gone ok 40000000-40000fff\n");
	/* QEMU's walk sees that a whole directory entry is gone, and keeps it to itself. */
	expect(&n, true, ATTACH MAP NOTIFY_MAP
		"vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x7\n"
		"vtd_page_walk_one_skip_unmap iova 0x40000000 mask 0x3fffffff\n",
		"gone broken 40000000-40000fff\n");
	expect_finding(&n, "unmap-skipped");
	expect(&n, true, "", "gone unverified 40000000-40000fff\n");
}

/* vfio was told of a mapping that nobody else knows of. */
static void
test_unknown_to_all(void)
{
	g_auto(notice) n;

	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	expect(&n, true, ATTACH MAP NOTIFY_MAP "vtd_page_walk_one domain 0x7 iova 0x50000000 -> gpa 0x8000 mask 0xfff perm 3\n",
		"ok 40000000-40000fff\ngone broken 50000000-50000fff\n");
	expect_finding(&n, "unmap-not-noticed");
}

static void
submit(notice *n)
{
	record_event(n->s->text, "invalidate",
		"\"tracepoint\":\"qi_submit\",\"type\":\"iotlb\",\"granularity\":\"page\",\"domain_id\":%u,"
		"\"first\":\"0x%llx\",\"last\":\"0x%llx\"", DID, IOVA, IOVA + 0xfff);
}

/* With L1's own announcements in the record, a log that is not known to be current can
 * prove it too: it has QEMU processing the last of them. */
static void
test_announced(void)
{
	static const char none[] = "vtd_page_walk_one_skip_unmap iova 0x40000000 mask 0xfff\n";
	g_autofree char *once = g_strconcat(ATTACH PAGES, none, NULL);
	g_autofree char *twice = g_strconcat(once, PAGES, none, NULL);
	g_autofree char *again = g_strconcat(PAGES, none, once, NULL);
	g_autofree char *silent = g_strconcat("vtd_page_walk_one_skip_unmap iova 0x0 mask 0xfff\n", PAGES,
		"vtd_page_walk_one_skip_unmap iova 0x0 mask 0xfff\n", NULL);
	g_autofree char *silent_levels = g_strconcat(silent,
		"vtd_page_walk_level walk (base=0x1000, level=1) iova range 0x0 - 0x1000\n", NULL);
	g_autofree char *silent_known = g_strconcat(
		"vtd_page_walk_one_skip_map iova 0x0 mask 0xfff translated 0x8000\n", silent, NULL);
	g_auto(notice) n;

	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	expect(&n, false, once, "unverified 40000000-40000fff\n");
	submit(&n);
	expect(&n, false, once, "broken 40000000-40000fff\n");
	expect(&n, false, ATTACH, "unverified 40000000-40000fff\n");
	/* It has the first of two only: it may end before the second. */
	submit(&n);
	expect(&n, false, once, "unverified 40000000-40000fff\n");
	expect(&n, false, twice, "broken 40000000-40000fff\n");
	/* What came before the device got its context entry was another one. */
	expect(&n, false, again, "unverified 40000000-40000fff\n");
	/* QEMU processed it, and its walk has no word of it though its events are on. */
	notice_clear(&n);
	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	submit(&n);
	expect(&n, false, silent_levels, "broken 40000000-40000fff\n");
	expect(&n, false, silent_known, "broken 40000000-40000fff\n");
	/* Only some are on: QEMU may have found a page that it had told of before. */
	expect(&n, false, silent, "unverified 40000000-40000fff\n");
	expect(&n, false, PAGES, "unverified 40000000-40000fff\n");
	expect(&n, false, ATTACH PAGES MAP NOTIFY_MAP, "ok 40000000-40000fff\n");
	/* It was announced before it was asked for: that may have been another mapping. */
	notice_clear(&n);
	begin(&n);
	submit(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	expect(&n, false, once, "unverified 40000000-40000fff\n");
	submit(&n);
	expect(&n, false, twice, "broken 40000000-40000fff\n");
	/* This one never was. */
	scene_both(n.s, IOVA + 0x1000, 0x9000, 0x1000);
	expect(&n, false, twice, "broken 40000000-40000fff\nunverified 40001000-40001fff\n");
	/* A record that began later than the log has fewer, and the log may lack the last. */
	notice_clear(&n);
	n = (notice){ .s = scene_new(false) };
	n.s->t->driver = "vfio-pci";
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	submit(&n);
	expect(&n, false, once, "unverified 40000000-40000fff\n");
	expect(&n, true, once, "broken 40000000-40000fff\n");
}

/* No log; an emulated device; one of which it is not known what it is. */
static void
test_not_needed(void)
{
	g_auto(notice) n;

	begin(&n);
	scene_both(n.s, IOVA, 0x5000, 0x1000);
	scene_judge(n.s);
	g_assert_nonnull(strstr(note(&n, 0), "--qemu-log"));
	n.s->t->driver = "e1000e";
	expect(&n, true, ATTACH, "not-needed 40000000-40000fff\n");
	n.s->t->driver = "virtio-net-pci";
	expect(&n, true, ATTACH, "unverified 40000000-40000fff\n");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/link-notice/map", test_map);
	g_test_add_func("/link-notice/others", test_others);
	g_test_add_func("/link-notice/tables", test_tables);
	g_test_add_func("/link-notice/map-not-noticed", test_map_not_noticed);
	g_test_add_func("/link-notice/parts", test_parts);
	g_test_add_func("/link-notice/middle", test_middle);
	g_test_add_func("/link-notice/unmap", test_unmap);
	g_test_add_func("/link-notice/unknown-to-all", test_unknown_to_all);
	g_test_add_func("/link-notice/announced", test_announced);
	g_test_add_func("/link-notice/not-needed", test_not_needed);
	return g_test_run();
}
