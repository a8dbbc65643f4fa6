/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's log: the texts of 7.2 to 11, what cannot be right, and text that is hostile. */
#include <inttypes.h>
#include <string.h>

#include <viommu/finding.h>
#include <viommu/qemu-log.h>

#include "helpers.h"

static viommu_qemu_log *
log_of(const char *text)
{
	viommu_qemu_log *log = viommu_qemu_log_new("log");

	viommu_qemu_log_feed(log, text, strlen(text));
	viommu_qemu_log_finish(log);
	return log;
}

static const char *const names[VIOMMU_QLOG_KINDS] = { "walk", "map", "unmap", "map-known", "unmap-known", "skip-read",
	"skip-reserved", "unmap-all", "replay", "notice-map", "notice-unmap", "pages", "domain", "global", "context", "switch", "mark",
	"fault", "caching-mode", "aw-bits", "device-iotlb", "snoop-control", "map-failed", "unmap-failed", "reserved-bit" };

/* Everything that an event says: "kind first-last …", an event a line. */
static void
describe(GString *text, const viommu_qlog_event *e)
{
	g_string_append(text, names[e->kind]);
	if (e->iova.first != 0 || e->iova.last != UINT64_MAX)
		g_string_append_printf(text, " %" PRIx64 "-%" PRIx64, e->iova.first, e->iova.last);
	if (e->has_gpa)
		g_string_append_printf(text, " gpa %" PRIx64, e->gpa.v);
	if (e->read || e->write)
		g_string_append_printf(text, " %s%s", e->read ? "r" : "", e->write ? "w" : "");
	if (e->has_did)
		g_string_append_printf(text, " did %x", e->did);
	if (e->has_sid)
		g_string_append_printf(text, " sid %x", e->sid.v);
	if (e->mask)
		g_string_append_printf(text, " mask %x", e->mask);
	if (e->level)
		g_string_append_printf(text, " level %u", e->level);
	if (e->value)
		g_string_append_printf(text, " value %u", e->value);
	if (e->has_notice)
		g_string_append(text, " noticed");
	if (e->joined)
		g_string_append(text, " joined");
	g_string_append_c(text, '\n');
}

static char *
described(const viommu_qemu_log *log)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < viommu_qemu_log_events(log)->len; i++)
		describe(text, &g_array_index(viommu_qemu_log_events(log), viommu_qlog_event, i));
	for (guint i = 0; i < viommu_qemu_log_messages(log)->len; i++)
		describe(text, &((viommu_qlog_message *) g_ptr_array_index(viommu_qemu_log_messages(log), i))->event);
	return g_string_free(text, FALSE);
}

static void
expect(const char *text, const char *wanted)
{
	g_autoptr(viommu_qemu_log) log = log_of(text);
	g_autofree char *got = described(log);

	g_assert_cmpstr(got, ==, wanted);
}

/* ---- one line each ------------------------------------------------------------------ */

static const struct {
	const char *line, *event;
} lines[] = {
	/* hw/i386/trace-events of QEMU 7.2, 10.0 and later */
	{ "vtd_page_walk_one domain 0x1a iova 0x40000000 -> gpa 0x12345000 mask 0xfff perm 3",
		"map 40000000-40000fff gpa 12345000 rw did 1a" },
	{ "vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x0 mask 0x1fffff perm 1", "map 40000000-401fffff gpa 0 r did 7" },
	{ "vtd_page_walk_one domain 0x7 iova 0x0 -> gpa 0x1000 mask 0xfff perm 2", "map 0-fff gpa 1000 w did 7" },
	{ "vtd_page_walk_one domain 0x7 iova 0x40000000 -> gpa 0x0 mask 0x3fffffff perm 0", "unmap 40000000-7fffffff did 7" },
	{ "vtd_page_walk_one_skip_map iova 0x1000 mask 0xfff translated 0x5000", "map-known 1000-1fff gpa 5000" },
	{ "vtd_page_walk_one_skip_unmap iova 0x7fc0000000 mask 0x3fffffff", "unmap-known 7fc0000000-7fffffffff" },
	{ "vtd_page_walk_skip_read Page walk skip iova 0x0 - 0x8000000000 due to unable to read", "skip-read 0-7fffffffff" },
	{ "vtd_page_walk_skip_reserve Page walk skip iova 0x40000000 - 0x40001000 due to rsrv set",
		"skip-reserved 40000000-40000fff" },
	{ "vtd_page_walk_level walk (base=0x144474000, level=3) iova range 0x0 - 0x8000000000",
		"walk 0-7fffffffff gpa 144474000 level 3" },
	{ "vtd_as_unmap_whole Device 00:04.0 start 0x0 size 0xfee00000", "unmap-all 0-fedfffff sid 20" },
	{ "vtd_replay_ce_valid global: replay valid context device 00:04.00 domain 0x4 hi 0x401 lo 0x144474001", "replay did 4 sid 20" },
	{ "vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x4 addr 0x40000000 mask 0x0", "pages 40000000-40000fff did 4" },
	{ "vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x4 addr 0x40001000 mask 0x9", "pages 40000000-401fffff did 4" },
	{ "vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x4", "domain did 4" },
	{ "vtd_inv_desc_iotlb_global iotlb invalidate global", "global" },
	{ "vtd_inv_desc_cc_global context invalidate globally", "context" },
	{ "vtd_inv_desc_cc_domain context invalidate domain 0x4", "context did 4" },
	{ "vtd_inv_desc_cc_devices context invalidate devices sid 0x20 fmask 0x0", "context sid 20" },
	{ "vtd_inv_desc_cc_devices context invalidate devices sid 0x20 fmask 0x2", "context sid 20 mask 6" },
	{ "vtd_inv_desc_cc_device context invalidate device 0a:1f.07", "context sid aff" },
	{ "vtd_switch_address_space Device 00:04.0 switching address space (iommu enabled=1)", "switch sid 20 value 1" },
	{ "vtd_switch_address_space Device 00:04.0 switching address space (iommu enabled=0)", "switch sid 20" },
	{ "vtd_reg_read addr 0x1fc size 0x4", "mark" },
	{ "vtd_dmar_fault sid 0x20 fault 12 addr 0x40000000 write 1", "fault 40000000-40000000 w sid 20 value 12" },
	/* hw/vfio/trace-events */
	{ "vfio_iommu_map_notify iommu MAP @ 0x40000000 - 0x40000fff", "notice-map 40000000-40000fff" },
	{ "vfio_iommu_map_notify iommu UNMAP @ 0x0 - 0x7fffffff", "notice-unmap 0-7fffffff" },
	/* With -msg timestamp=on. */
	{ "31415@1700000000.000123:vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff", "notice-map 1000-1fff" },
	/* The three refusals for caching mode, in the prefix of each. */
	{ "qemu-system-x86_64: We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.",
		"caching-mode" },
	{ "qemu-system-x86_64: Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.", "caching-mode" },
	{ "qemu-system-x86_64: -device vfio-pci,host=04:00.0: vfio 0000:04:00.0: Region vtd-00.0-dmar: device 02.00.0 requires caching "
	  "mode: Operation not supported",
		"caching-mode" },
	{ "2025-08-30T21:38:26.333149Z qemu-system-x86_64: vhost: Region vtd-00.0-dmar: device 00.02.0 requires device IOTLB mode: "
	  "Operation not supported",
		"device-iotlb" },
	{ "qemu-system-x86_64: vfio 0000:03:00.0: Failed to set vIOMMU: aw-bits 48 > host aw-bits 39", "aw-bits" },
	/* The host's width in hexadecimal, in versions after 10. */
	{ "qemu-system-x86_64: vfio 0000:03:00.0: Failed to set vIOMMU: aw-bits 48 > host aw-bits 0x27", "aw-bits" },
	{ "qemu-system-x86_64: Snoop Control with vhost or VFIO is not supported", "snoop-control" },
	/* 7.2; the container's name as a pointer. */
	{ "qemu-system-x86_64: vfio_dma_map(0x55d0c8a1e2b0, 0x40000000, 0x1000, 0x7f1c2a000000) = -28 (No space left on device)",
		"map-failed 40000000-40000fff value 28" },
	{ "qemu-system-x86_64: vfio_container_dma_map(0x55d0c8a1e2b0, 0x40000000, 0x200000, 0x7f1c2a000000) = -14 (Bad address)",
		"map-failed 40000000-401fffff value 14" },
	{ "qemu-system-x86_64: vfio_dma_unmap(0x55d0c8a1e2b0, 0x40000000, 0x1000) = -22 (Invalid argument)",
		"unmap-failed 40000000-40000fff value 22" },
	{ "qemu-system-x86_64: vfio_container_dma_unmap(0x55d0c8a1e2b0, 0x40000000, 0x1000) = -22 (Invalid argument)",
		"unmap-failed 40000000-40000fff value 22" },
	/* 7.2 and 10.0 misspell it, and lack a comma; 10.0 has a first stage; later names. */
	{ "qemu-system-x86_64: vtd_iova_to_slpte: detected splte reserve non-zero iova=0x40000000, level=0x1slpte=0x1448a5803, "
	  "pasid=0xFFFFFFFF)",
		"reserved-bit 40000000-40000000" },
	{ "qemu-system-x86_64: vtd_iova_to_slpte: detected slpte reserve non-zero iova=0x40000000, level=0x2, slpte=0x1448a5803)",
		"reserved-bit 40000000-40000000" },
	{ "qemu-system-x86_64: vtd_iova_to_flpte: detected flpte reserved non-zero iova=0x40000000, level=0x1flpte=0x1448a5803, pasid=0x0)",
		"reserved-bit 40000000-40000000" },
	{ "qemu-system-x86_64: vtd_iova_to_fspte: detected fspte reserved non-zero iova=0x40000000, level=0x1fspte=0x1448a5803, pasid=0x0)",
		"reserved-bit 40000000-40000000" },
	{ "qemu-system-x86_64: vtd_iova_to_sspte: detected sspte reserve non-zero iova=0x40000000, level=0x1sspte=0x1448a5803, pasid=0x0)",
		"reserved-bit 40000000-40000000" },
};

static void
test_lines(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autofree char *line = g_strconcat(lines[i].line, "\n", NULL);
		g_autofree char *wanted = g_strconcat(lines[i].event, "\n", NULL);
		g_autofree char *crlf = g_strconcat(lines[i].line, "\r\n", NULL);

		g_test_message("%s", lines[i].line);
		expect(line, wanted);
		expect(crlf, wanted);
		expect(lines[i].line, wanted); /* the last line, without its end */
	}
}

static void
test_time(void)
{
	g_autoptr(viommu_qemu_log) log = log_of("other\n7@1700000000.000123:vtd_inv_desc_iotlb_global iotlb invalidate global\n");
	const viommu_qlog_event *event = &g_array_index(viommu_qemu_log_events(log), viommu_qlog_event, 0);

	g_assert_cmpuint(event->time_us, ==, UINT64_C(1700000000000123));
	g_assert_cmpuint(event->line, ==, 2);
	g_assert_cmpuint(viommu_qemu_log_lines(log), ==, 2);
	g_assert_cmpuint(viommu_qemu_log_known(log), ==, 1);
}

/* Nearly, but no: cut, out of range, another event of a name that begins alike. */
static void
test_refused(void)
{
	static const char *const bad[] = {
		"",
		"vtd_",
		"vtd_page_walk_one",
		"vtd_page_walk_one ",
		"vtd_page_walk_one domain 0x1 iova 0x40000000 -> gpa 0x12345000 mask 0xfff perm ",
		"vtd_page_walk_one domain 0x1 iova 0x40000000 -> gpa 0x12345000 mask 0xfff perm 4",
		"vtd_page_walk_one domain 0x1 iova 0x40000000 -> gpa 0x12345000 mask 0xfff perm -1",
		"vtd_page_walk_one domain 0x10000 iova 0x40000000 -> gpa 0x12345000 mask 0xfff perm 3",
		"vtd_page_walk_one domain 0x1 iova 0xfffffffffffff000 -> gpa 0x0 mask 0x1fff perm 3",
		"vtd_page_walk_one domain 0x1 iova 0x10000000000000000 -> gpa 0x0 mask 0xfff perm 3",
		"vtd_page_walk_one domain 0x1 iova 0xg -> gpa 0x0 mask 0xfff perm 3",
		"vtd_page_walk_onex domain 0x1 iova 0x40000000 -> gpa 0x12345000 mask 0xfff perm 3",
		"xvtd_page_walk_one domain 0x1 iova 0x40000000 -> gpa 0x12345000 mask 0xfff perm 3",
		"vtd_page_walk_level walk (base=0x1000, level=7) iova range 0x0 - 0x1000",
		"vtd_page_walk_skip_read Page walk skip iova 0x2000 - 0x1000 due to unable to read",
		"vtd_page_walk_skip_read Page walk skip iova 0x2000 - 0x2000 due to unable to read",
		"vtd_as_unmap_whole Device 00:04.0 start 0x0 size 0x0",
		"vtd_as_unmap_whole Device 00:20.0 start 0x0 size 0x1000",
		"vtd_as_unmap_whole Device 00:04.8 start 0x0 size 0x1000",
		"vtd_as_unmap_whole Device 100:04.0 start 0x0 size 0x1000",
		"vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x4 addr 0x40000000 mask 0x34",
		"vtd_switch_address_space Device 00:04.0 switching address space (iommu enabled=2)",
		"vtd_reg_read addr 0x1fc size 0x8",
		"vtd_reg_read addr 0x1f8 size 0x4",
		"vtd_dmar_fault sid 0x10020 fault 12 addr 0x40000000 write 1",
		"vtd_dmar_fault sid 0x20 fault 256 addr 0x40000000 write 1",
		"vfio_iommu_map_notify iommu MAPS @ 0x1000 - 0x1fff",
		"vfio_iommu_map_notify iommu  @ 0x1000 - 0x1fff",
		"vfio_iommu_map_notify iommu MAP @ 0x1fff - 0x1000",
		"vfio_dma_map(0x1, 0x40000000, 0x1000, 0x7) = 0 (Success)",
		"vfio_dma_map(0x1, 0x40000000, 0x1000, 0x7) = 28 (No space left on device)",
		"vfio_dma_map(0x1, 0x40000000, 0x0, 0x7) = -28 (No space left on device)",
		"vfio_dma_map(0x1, 0xffffffffffffffff, 0x1000, 0x7) = -28 (No space left on device)",
		"vfio_dma_map(0x1, 0x40000000, 0x1000, 0x7) = -9223372036854775809 (?)",
		"qemu_dma_map(0x1, 0x40000000, 0x1000, 0x7) = -28",
		"detected a most curious thing that is reserved non-zero iova=0x1, level=0x1",
		"aw-bits 48 is a fine number of them",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_test_message("%s", bad[i]);
		expect(bad[i], "");
	}
}

/* ---- several lines ---------------------------------------------------------------------- */

static void
test_notices(void)
{
	/* vfio's own event goes with that of the walk, for each container; what follows is joined. */
	expect("vtd_page_walk_one domain 0x4 iova 0x1000 -> gpa 0x5000 mask 0xfff perm 3\n"
	       "vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff\n"
	       "vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff\n"
	       "vtd_page_walk_one domain 0x4 iova 0x2000 -> gpa 0x6000 mask 0xfff perm 3\n"
	       "vfio_iommu_map_notify iommu MAP @ 0x2000 - 0x2fff\n"
	       "vtd_page_walk_one domain 0x4 iova 0x3000 -> gpa 0x7000 mask 0xfff perm 3\n"
	       "vtd_page_walk_one domain 0x4 iova 0x4000 -> gpa 0x9000 mask 0xfff perm 3\n"
	       "vfio_iommu_map_notify iommu UNMAP @ 0x4000 - 0x4fff\n"
	       "vfio_iommu_map_notify iommu MAP @ 0x5000 - 0x5fff\n",
		"map 1000-2fff gpa 5000 rw did 4 noticed joined\n"
		"map 3000-3fff gpa 7000 rw did 4\n"
		"map 4000-4fff gpa 9000 rw did 4\n"
		"notice-unmap 4000-4fff\n"
		"notice-map 5000-5fff\n");
	/* Not across another domain, other permissions, a gap, another page. */
	expect("vtd_page_walk_one domain 0x4 iova 0x1000 -> gpa 0x5000 mask 0xfff perm 3\n"
	       "vtd_page_walk_one domain 0x5 iova 0x2000 -> gpa 0x6000 mask 0xfff perm 3\n"
	       "vtd_page_walk_one domain 0x5 iova 0x3000 -> gpa 0x7000 mask 0xfff perm 1\n"
	       "vtd_page_walk_one domain 0x5 iova 0x4000 -> gpa 0x7000 mask 0xfff perm 1\n"
	       "vtd_page_walk_one domain 0x5 iova 0x6000 -> gpa 0x9000 mask 0xfff perm 1\n",
		"map 1000-1fff gpa 5000 rw did 4\nmap 2000-2fff gpa 6000 rw did 5\nmap 3000-3fff gpa 7000 r did 5\n"
		"map 4000-4fff gpa 7000 r did 5\nmap 6000-6fff gpa 9000 r did 5\n");
}

/* The same, however it is cut into pieces. */
static void
test_pieces(void)
{
	g_autofree char *text = unit_fixture("qemu-log/by-hand-vfio.log");
	g_autoptr(viommu_qemu_log) whole = log_of(text);
	g_autofree char *wanted = described(whole);
	size_t len = strlen(text);

	g_assert_cmpuint(strlen(wanted), >, 100);
	for (size_t piece = 1; piece < 200; piece += 13) {
		g_autoptr(viommu_qemu_log) log = viommu_qemu_log_new("log");
		g_autofree char *got = NULL;

		for (size_t at = 0; at < len; at += piece)
			viommu_qemu_log_feed(log, text + at, MIN(piece, len - at));
		viommu_qemu_log_finish(log);
		got = described(log);
		g_assert_cmpstr(got, ==, wanted);
	}
}

/* ---- bad text ------------------------------------------------------------------------------ */

/* Any bytes, and real lines with some bytes changed: nothing but events comes out, and
 * those are such as can be. */
static void
test_damaged(void)
{
	GRand *rand = g_rand_new_with_seed(4);

	for (unsigned round = 0; round < 20000; round++) {
		const char *line = lines[unit_random(rand, G_N_ELEMENTS(lines))].line;
		g_autoptr(viommu_qemu_log) log = viommu_qemu_log_new("log");
		g_autofree char *text = g_strdup(line);
		size_t len = strlen(line);

		for (guint64 n = unit_random(rand, 4) + 1; n; n--)
			text[unit_random(rand, len)] = (char) unit_random(rand, 256);
		viommu_qemu_log_feed(log, text, len);
		viommu_qemu_log_feed(log, "\n", 1);
		viommu_qemu_log_finish(log);
		for (guint i = 0; i < viommu_qemu_log_events(log)->len; i++) {
			const viommu_qlog_event *e = &g_array_index(viommu_qemu_log_events(log), viommu_qlog_event, i);

			g_assert_cmpuint(e->iova.first, <=, e->iova.last);
		}
	}
	g_rand_free(rand);
}

/* A line without end, very many events, very many messages: memory stays bounded. */
static void
test_big(void)
{
	static char noise[1 << 16];
	guint64 before = unit_peak_memory();
	g_autoptr(viommu_qemu_log) log = viommu_qemu_log_new("log");

	memset(noise, 'x', sizeof(noise));
	for (unsigned i = 0; i < 1000; i++)
		viommu_qemu_log_feed(log, noise, sizeof(noise));
	viommu_qemu_log_feed(log, "\n", 1);
	g_assert_cmpuint(viommu_qemu_log_lines(log), ==, 1);
	for (unsigned i = 0; i < 2000000; i++) {
		static const char line[] = "vtd_inv_desc_iotlb_global iotlb invalidate global\n";

		viommu_qemu_log_feed(log, line, sizeof(line) - 1);
	}
	for (unsigned i = 0; i < 1000; i++) {
		static const char line[] = "Snoop Control with vhost or VFIO is not supported\n";

		viommu_qemu_log_feed(log, line, sizeof(line) - 1);
	}
	viommu_qemu_log_finish(log);
	g_assert_cmpuint(viommu_qemu_log_count(log, VIOMMU_QLOG_SNOOP_CONTROL), ==, 1000);
	g_assert_cmpuint(viommu_qemu_log_messages(log)->len, <, 20);
	g_assert_cmpuint(viommu_qemu_log_dropped(log), >, 0);
	g_assert_cmpuint(viommu_qemu_log_dropped(log) + viommu_qemu_log_events(log)->len, ==, 2000000);
	g_assert_cmpuint(unit_peak_memory() - before, <, 400u << 20);
}

static void
test_file(void)
{
	g_autoptr(GError) error = NULL;
	static const char nul[] = "vtd_page_walk_skip\0vtd_inv_desc_iotlb_global iotlb invalidate global\nx";
	g_autofree char *path = unit_write("nul.log", nul, sizeof(nul) - 1);
	g_autoptr(viommu_qemu_log) log = viommu_qemu_log_read(path, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(viommu_qemu_log_events(log)->len, ==, 0);
	g_assert_cmpuint(viommu_qemu_log_lines(log), ==, 2);
	g_assert_null(viommu_qemu_log_read("/nonexistent/log", &error));
	unit_error(&error, VIOMMU_ERROR_FAILED, "cannot open QEMU's log /nonexistent/log");
	g_assert_null(viommu_qemu_log_read("/", &error));
	unit_error(&error, VIOMMU_ERROR_FAILED, "cannot read QEMU's log /");
}

/* ---- findings ---------------------------------------------------------------------------------- */

static void
test_findings(void)
{
	static const struct {
		const char *line, *code;
	} wanted[] = {
		{ "Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.", "qemu-refused-caching-mode" },
		{ "aw-bits 48 > host aw-bits 39", "qemu-aw-bits" },
		{ "device 00.02.0 requires device IOTLB mode", "qemu-device-iotlb" },
		{ "Snoop Control with vhost or VFIO is not supported", "qemu-snoop-control" },
		{ "vfio_dma_map(0x1, 0x40000000, 0x1000, 0x7) = -28 (No space left on device)", "qemu-vfio-dma-map-failed" },
		{ "vfio_dma_unmap(0x1, 0x40000000, 0x1000) = -22 (Invalid argument)", "qemu-vfio-dma-unmap-failed" },
		{ "detected splte reserve non-zero iova=0x1000, level=0x1", "qemu-reserved-bit" },
		{ "vtd_dmar_fault sid 0x20 fault 99 addr 0x40000000 write 1", "fault-recorded" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
		g_autoptr(viommu_qemu_log) log = log_of(wanted[i].line);
		g_autoptr(viommu_findings) findings = viommu_findings_new();
		const viommu_finding_group *group;

		viommu_find_log(findings, log);
		g_assert_cmpuint(viommu_findings_count(findings, wanted[i].code), ==, 1);
		g_assert_cmpuint(viommu_findings_count(findings, NULL), ==, 1);
		group = g_ptr_array_index(viommu_findings_groups(findings), 0);
		g_assert_cmpstr(((const viommu_finding *) g_ptr_array_index(group->list, 0))->where, ==, "log, line 1");
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/qemu-log/lines", test_lines);
	g_test_add_func("/qemu-log/time", test_time);
	g_test_add_func("/qemu-log/refused", test_refused);
	g_test_add_func("/qemu-log/notices", test_notices);
	g_test_add_func("/qemu-log/pieces", test_pieces);
	g_test_add_func("/qemu-log/damaged", test_damaged);
	g_test_add_func("/qemu-log/big", test_big);
	g_test_add_func("/qemu-log/file", test_file);
	g_test_add_func("/qemu-log/findings", test_findings);
	return g_test_run();
}
