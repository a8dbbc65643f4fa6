/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "sys/cap.h"
#include "sys/cmdline.h"
#include "sys/parse.h"

static void
test_size(void)
{
	static const struct {
		const char *text;
		bool ok;
		guint64 value;
	} cases[] = {
		{ "0", true, 0 },
		{ "4096", true, 4096 },
		{ "4k", true, 4096 },
		{ "2M", true, 2 << 20 },
		{ "1g", true, 1 << 30 },
		{ "1t", true, G_GUINT64_CONSTANT(1) << 40 },
		{ "0x10000", true, 0x10000 },
		{ "0X1fK", true, 0x1f << 10 },
		{ "0xffffffffffffffff", true, G_MAXUINT64 },
		{ "18446744073709551615", true, G_MAXUINT64 },
		{ "18446744073709551616", false, 0 },
		{ "0x10000000000000000", false, 0 },
		{ "16777216t", false, 0 },
		{ "16777215t", true, G_GUINT64_CONSTANT(16777215) << 40 },
		{ "", false, 0 },
		{ "k", false, 0 },
		{ "0x", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1kb", false, 0 },
		{ "1z", false, 0 },
		{ "12a", false, 0 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint64_t value = 4711;

		g_test_message("%s", cases[i].text);
		g_assert_cmpint(parse_size(cases[i].text, &value), ==, cases[i].ok);
		g_assert_cmpuint(value, ==, cases[i].ok ? cases[i].value : 4711);
	}
}

static void
test_uint(void)
{
	uint64_t value = 4711;

	g_assert_true(parse_uint("0xFEE00000", &value));
	g_assert_cmpuint(value, ==, 0xfee00000);
	g_assert_false(parse_uint("4k", &value));
	g_assert_cmpuint(value, ==, 0xfee00000);
}

static void
test_page_size_and_prot(void)
{
	uint64_t size = 0;
	unsigned prot = 0;

	g_assert_true(parse_page_size("4k", &size));
	g_assert_cmpuint(size, ==, 0x1000);
	g_assert_true(parse_page_size("0x200000", &size));
	g_assert_cmpuint(size, ==, 0x200000);
	g_assert_true(parse_page_size("1024m", &size));
	g_assert_cmpuint(size, ==, 0x40000000);
	g_assert_false(parse_page_size("8k", &size));
	g_assert_false(parse_page_size("0", &size));
	g_assert_cmpuint(size, ==, 0x40000000);

	g_assert_true(parse_prot("r", &prot));
	g_assert_cmpuint(prot, ==, DMA_PROT_READ);
	g_assert_true(parse_prot("w", &prot));
	g_assert_cmpuint(prot, ==, DMA_PROT_WRITE);
	g_assert_true(parse_prot("rw", &prot));
	g_assert_cmpuint(prot, ==, DMA_PROT_READ | DMA_PROT_WRITE);
	g_assert_false(parse_prot("wr", &prot));
	g_assert_false(parse_prot("", &prot));
	g_assert_false(parse_prot("rwx", &prot));
}

static void
test_bdf(void)
{
	static const struct {
		const char *text;
		const char *result; /* NULL: refused */
	} cases[] = {
		{ "00:04.0", "0000:00:04.0" },
		{ "0000:00:04.0", "0000:00:04.0" },
		{ "ABCD:EF:1f.7", "abcd:ef:1f.7" },
		{ "00:20.0", NULL },
		{ "00:04.8", NULL },
		{ "0:04.0", NULL },
		{ "00:4.0", NULL },
		{ "00:04", NULL },
		{ "0g:04.0", NULL },
		{ "00:0x.0", NULL },
		{ "00:04.", NULL },
		{ "00:04.00", NULL },
		{ "00:04.0 ", NULL },
		{ "000:00:04.0", NULL },
		{ "00000:00:04.0", NULL },
		{ "0000:0000:00:04.0", NULL },
		{ "00:04.0/../..", NULL },
		{ "../../x", NULL },
		{ "", NULL },
		{ ":", NULL },
		{ "::", NULL },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		char bdf[PCI_BDF_LEN] = "unchanged";

		g_test_message("%s", cases[i].text);
		g_assert_cmpint(parse_bdf(cases[i].text, bdf), ==, cases[i].result != NULL);
		g_assert_cmpstr(bdf, ==, cases[i].result != NULL ? cases[i].result : "unchanged");
	}
}

static void
test_cmdline(void)
{
	static const struct {
		const char *cmdline;
		int result;
	} cases[] = {
		{ "", -1 },
		{ "intel_iommu=on", 1 },
		{ "quiet intel_iommu=sm_on,on ro", 1 },
		{ "intel_iommu=on,sm_on", 1 },
		{ "intel_iommu=on intel_iommu=off", 0 },
		{ "intel_iommu=off intel_iommu=on", 1 },
		{ "intel_iommu=sm_on", -1 },
		{ "xintel_iommu=on", -1 },
		{ "intel_iommu=one", -1 },
		{ "intel_iommu", -1 },
		{ "intel_iommu=", -1 },
		{ "intel_iommu=,", -1 },
		{ "dyndbg=\"file x +p intel_iommu=on more\" quiet", -1 },
		{ "quiet -- intel_iommu=on", -1 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].cmdline);
		g_assert_cmpint(
			cmdline_switch(cases[i].cmdline, "intel_iommu", "on", "off"), ==, cases[i].result);
	}
}

static void
add_field(const char *name, const char *value, const char *meaning, void *data)
{
	g_assert_cmpstr(meaning, !=, "");
	g_string_append_printf(data, "%s=%s ", name, value);
}

/* The registers that QEMU 7.2 gives with caching-mode=on,intremap=on. */
static void
test_capabilities(void)
{
	g_autoptr(GString) cap = g_string_new(NULL);
	g_autoptr(GString) ecap = g_string_new(NULL);
	g_autoptr(GString) odd = g_string_new(NULL);

	g_assert_true(cap_cm(0xd2008c22260286));
	g_assert_false(cap_cm(0xd2008c22260206));
	g_assert_true(ecap_ir(0xf00f4a));
	g_assert_cmpuint(cap_mgaw(0xd2008c22260286), ==, 39);
	cap_each_field(0xd2008c22260286, add_field, cap);
	g_assert_cmpstr(cap->str, ==,
		"CM=1 MGAW=39 bits SAGAW=39 bits/3 levels SSLPS=2 MiB, 1 GiB ND=65536 PSI=1 MAMV=2^18 pages "
		"ZLR=0 RWBF=0 PLMR=0 PHMR=0 DWD=1 DRD=1 NFR=1 FRO=0x220 ");
	ecap_each_field(0xf00f4a, add_field, ecap);
	g_assert_cmpstr(ecap->str, ==,
		"C=0 QI=1 DT=0 IR=1 EIM=0 PT=1 SC=0 IRO=0xf0 MHMV=15 NEST=0 PRS=0 PASID=0 SMTS=0 SSTS=0 "
		"FSTS=0 ");
	cap_each_field(G_MAXUINT64, add_field, odd);
	g_assert_nonnull(strstr(odd->str, "ND=reserved value 7 "));
	g_assert_nonnull(strstr(odd->str, "SAGAW=30 bits/2 levels, 39 bits/3 levels, 48 bits/4 levels, "));
	g_assert_nonnull(strstr(odd->str, "FRO=0x3ff0 "));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/parse/size", test_size);
	g_test_add_func("/probe/parse/uint", test_uint);
	g_test_add_func("/probe/parse/page-size-and-prot", test_page_size_and_prot);
	g_test_add_func("/probe/parse/bdf", test_bdf);
	g_test_add_func("/probe/parse/cmdline", test_cmdline);
	g_test_add_func("/probe/parse/capabilities", test_capabilities);
	return g_test_run();
}
