/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the bytes of the kernel's trace buffer to events. */
#include <glib.h>
#include <string.h>

#include "sys/parse.h"
#include "trace/trace-format.h"

/* Up to 5.16; the fields are the same since 3.13. */
static const char old_map[] =
	"name: map\nID: 700\nformat:\n"
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
	"\tfield:u64 iova;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 paddr;\toffset:16;\tsize:8;\tsigned:0;\n"
	"\tfield:size_t size;\toffset:24;\tsize:8;\tsigned:0;\n\n"
	"print fmt: \"IOMMU: iova=0x%016llx paddr=0x%016llx size=%zu\", REC->iova, REC->paddr, REC->size\n";

struct got {
	struct trace_event event[8];
	size_t n;
};

static void
take(const struct trace_event *event, void *data)
{
	struct got *got = data;

	g_assert_cmpuint(got->n, <, G_N_ELEMENTS(got->event));
	got->event[got->n++] = *event;
}

static char *
read_format(const char *kernel, const char *system, const char *event)
{
	g_autofree char *name = g_strdup_printf("%s-%s.format", system, event);
	g_autofree char *path =
		g_build_filename(g_getenv("VIOMMU_TESTS"), "data", "trace", kernel, name, NULL);
	char *text = NULL;

	g_file_get_contents(path, &text, NULL, NULL);
	return text;
}

static uint16_t
id_of(const char *text)
{
	return (uint16_t) g_ascii_strtoull(strstr(text, "ID: ") + 4, NULL, 10);
}

/* An event's bytes: the common fields, then BODY. */
static gsize
make_record(guint8 *record, uint16_t id, guint8 flags, int pid, const void *body, gsize size)
{
	memset(record, 0, 8);
	memcpy(record, &id, sizeof id);
	record[2] = flags;
	memcpy(record + 4, &pid, sizeof pid);
	memcpy(record + 8, body, size);
	return 8 + size;
}

/* Decodes it from a block of just that size, so that a sanitizer sees a read
 * beyond it; every shorter one has to be refused or lack something. */
static struct got
decode(const struct trace_format *format, const guint8 *record, gsize size)
{
	struct got got = { 0 };

	for (gsize cut = 0; cut < size; cut++) {
		g_autofree guint8 *copy = g_memdup2(record, cut);
		struct got less = { 0 };

		(void) trace_format_decode(format, 3, 99, copy, cut, take, &less);
	}
	g_autofree guint8 *copy = g_memdup2(record, size);
	g_assert_cmpint(trace_format_decode(format, 3, 99, copy, size, take, &got), ==, 0);
	return got;
}

static void
check_map(struct trace_format *format, const char *text)
{
	const guint64 body[] = { 0x40000000, 0x1f4a000, 0x2000 };
	guint8 record[64];
	struct got got;

	g_assert_cmpint(trace_format_add(format, "iommu", "map", text), ==, 0);
	got = decode(format, record, make_record(record, id_of(text), 0x01, 4711, body, sizeof body));
	g_assert_cmpuint(got.n, ==, 1);
	g_assert_cmpint(got.event[0].kind, ==, TRACE_MAP);
	g_assert_cmpint(got.event[0].pid, ==, 4711);
	g_assert_cmpint(got.event[0].irq, ==, 0); /* 0x01: interrupts were off, which is not in one */
	g_assert_cmpint(got.event[0].cpu, ==, 3);
	g_assert_cmpuint(got.event[0].ns, ==, 99);
	g_assert_cmphex(got.event[0].map.iova, ==, body[0]);
	g_assert_cmphex(got.event[0].map.paddr, ==, body[1]);
	g_assert_cmphex(got.event[0].map.size, ==, body[2]);
}

static void
test_map(void)
{
	const char *const kernels[] = { "6.1", "6.12", NULL };

	for (gsize i = 0; i < G_N_ELEMENTS(kernels); i++) {
		g_autofree char *text =
			kernels[i] != NULL ? read_format(kernels[i], "iommu", "map") : g_strdup(old_map);
		struct trace_format *format = trace_format_new();

		check_map(format, text);
		trace_format_free(format);
	}
}

static void
test_all_known(void)
{
	const struct {
		const char *kernel;
		guint n;
	} kernels[] = { { "6.1", 11 }, { "6.12", 17 } };

	for (gsize i = 0; i < G_N_ELEMENTS(kernels); i++) {
		struct trace_format *format = trace_format_new();
		guint n = 0;

		for (const struct trace_wanted *wanted = trace_wanted; wanted->system != NULL; wanted++) {
			g_autofree char *text = read_format(kernels[i].kernel, wanted->system, wanted->event);

			if (text == NULL)
				continue;
			g_assert_cmpint(trace_format_add(format, wanted->system, wanted->event, text), ==, 0);
			n++;
		}
		g_assert_cmpuint(n, ==, kernels[i].n);
		trace_format_free(format);
	}
}

static void
test_not_known(void)
{
	struct trace_format *format = trace_format_new();
	g_autofree char *no_paddr = g_strdup(old_map);
	const guint8 record[32] = { 0xff, 0xff };
	struct got got = { 0 };

	memcpy(strstr(no_paddr, "u64 paddr"), "u64 xaddr", 9);
	g_assert_cmpint(trace_format_add(format, "iommu", "map", no_paddr), ==, -1);
	g_assert_cmpint(trace_format_add(format, "iommu", "nothing", old_map), ==, -1);
	g_assert_cmpint(trace_format_add(format, "iommu", "unmap", "garbage"), ==, -1);
	g_assert_cmpint(trace_format_decode(format, 0, 0, record, sizeof record, take, &got), ==, -1);
	g_assert_cmpuint(got.n, ==, 0);
	trace_format_free(format);
}

static void
test_device_name(void)
{
	struct trace_format *format = trace_format_new();
	g_autofree char *text = read_format("6.12", "iommu", "attach_device_to_domain");
	struct {
		guint32 where;
		char name[16];
	} body = { 12 | 13u << 16, "0000:00:04.0" };
	guint8 record[64];
	struct got got;

	g_assert_cmpint(trace_format_add(format, "iommu", "attach_device_to_domain", text), ==, 0);
	got = decode(format, record, make_record(record, id_of(text), 0x10, 1, &body, sizeof body));
	g_assert_cmpstr(got.event[0].name, ==, "0000:00:04.0");
	g_assert_cmpint(got.event[0].irq, !=, 0);

	/* A place outside of the record, and a name without an end. */
	for (guint32 where = 0; where < 0xffff; where += 251) {
		struct got none = { 0 };
		g_autofree guint8 *copy = NULL;
		gsize size;

		body.where = where | 13u << 16;
		size = make_record(record, id_of(text), 0, 1, &body, sizeof body);
		copy = g_memdup2(record, size);
		g_assert_cmpint(trace_format_decode(format, 0, 0, copy, size, take, &none), ==,
			where + 13 <= size ? 0 : -1);
	}
	trace_format_free(format);
}

static void
test_flush(void)
{
	struct trace_format *format = trace_format_new();
	g_autofree char *text = read_format("6.12", "intel_iommu", "cache_tag_flush_range_np");
	struct {
		guint32 iommu, dev;
		guint16 type, did;
		guint32 pasid;
		guint64 start, end, addr, pages, mask;
		char names[16];
	} body = { 64 | 6u << 16, 70 | 6u << 16, 0, 4, 0, 0x40003000, 0x40005fff, 0x40000000, 8, 3,
		"dmar0\0dmar0" };
	guint8 record[128];
	struct got got;

	g_assert_cmpint(trace_format_add(format, "intel_iommu", "cache_tag_flush_range_np", text), ==, 0);
	got = decode(format, record, make_record(record, id_of(text), 1, 7, &body, sizeof body));
	g_assert_cmpint(got.event[0].kind, ==, TRACE_FLUSH_NP);
	g_assert_cmpstr(got.event[0].name, ==, "dmar0");
	g_assert_cmpuint(got.event[0].flush.did, ==, 4);
	g_assert_cmphex(got.event[0].flush.start, ==, body.start);
	g_assert_cmphex(got.event[0].flush.end, ==, body.end);
	g_assert_cmphex(got.event[0].flush.addr, ==, body.addr);
	g_assert_cmpuint(got.event[0].flush.pages, ==, 8);
	trace_format_free(format);
}

/* Up to 6.12 or so, when a range is too large to name. */
static void
test_flush_all(void)
{
	struct trace_format *format = trace_format_new();
	g_autofree char *text = read_format("6.12", "intel_iommu", "cache_tag_flush_all");
	struct {
		guint32 iommu, dev;
		guint16 type, did;
		guint32 pasid, users;
		char names[16];
	} body = { 28 | 6u << 16, 34 | 6u << 16, 0, 4, 0, 1, "dmar0\0dmar0" };
	guint8 record[128];
	struct got got;

	g_assert_cmpint(trace_format_add(format, "intel_iommu", "cache_tag_flush_all", text), ==, 0);
	got = decode(format, record, make_record(record, id_of(text), 1, 7, &body, sizeof body));
	g_assert_cmpint(got.event[0].kind, ==, TRACE_FLUSH_ALL);
	g_assert_cmpstr(got.event[0].name, ==, "dmar0");
	g_assert_cmpuint(got.event[0].flush.did, ==, 4);
	trace_format_free(format);
}

static void
test_new_thread(void)
{
	struct trace_format *format = trace_format_new();
	g_autofree char *text = read_format("6.1", "task", "task_newtask");
	struct {
		gint32 pid;
		char comm[16], hole[4];
		guint64 flags;
		gint16 oom;
	} body = { 77, "qemu", "", 0x10900, 0 };
	guint8 record[64];
	struct got got;

	g_assert_cmpint(trace_format_add(format, "task", "task_newtask", text), ==, 0);
	got = decode(format, record, make_record(record, id_of(text), 0, 7, &body, sizeof body));
	g_assert_cmpint(got.event[0].result, ==, -77);
	body.flags = 0x900;
	got = decode(format, record, make_record(record, id_of(text), 0, 7, &body, sizeof body));
	g_assert_cmpint(got.event[0].result, ==, 77);
	trace_format_free(format);
}

static void
test_sg(void)
{
	struct trace_format *format = trace_format_new();
	g_autofree char *text = read_format("6.12", "dma", "dma_map_sg");
	struct {
		guint32 device;
		gint32 full_nents, full_ents;
		guint8 truncated, hole[3];
		guint32 phys, dma, lengths, dir;
		guint64 attrs;
		guint64 dma_addrs[2];
		guint32 sizes[2];
		char name[16];
	} body = { 72 | 13u << 16, 2, 2, 0, { 0 }, 48 | 0u << 16, 48 | 16u << 16, 64 | 8u << 16, 2, 0,
		{ 0xfffc0000, 0xfffd0200 }, { 0x1000, 0x200 }, "0000:00:06.0" };
	guint8 record[128];
	struct got got;

	g_assert_cmpint(trace_format_add(format, "dma", "dma_map_sg", text), ==, 0);
	got = decode(format, record, make_record(record, id_of(text), 0, 7, &body, sizeof body));
	g_assert_cmpuint(got.n, ==, 2);
	g_assert_cmpstr(got.event[1].name, ==, "0000:00:06.0");
	g_assert_cmphex(got.event[0].dma.addr, ==, 0xfffc0000);
	g_assert_cmphex(got.event[1].dma.addr, ==, 0xfffd0200);
	g_assert_cmphex(got.event[1].dma.size, ==, 0x200);
	g_assert_cmpuint(got.event[1].dma.prot, ==, DMA_PROT_WRITE); /* from the device */
	trace_format_free(format);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/trace/map-of-each-kernel", test_map);
	g_test_add_func("/probe/trace/all-known", test_all_known);
	g_test_add_func("/probe/trace/not-known", test_not_known);
	g_test_add_func("/probe/trace/device-name", test_device_name);
	g_test_add_func("/probe/trace/flush", test_flush);
	g_test_add_func("/probe/trace/flush-all", test_flush_all);
	g_test_add_func("/probe/trace/new-thread", test_new_thread);
	g_test_add_func("/probe/trace/scatter-gather", test_sg);
	return g_test_run();
}
