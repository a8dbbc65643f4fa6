/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts of the human monitor: what real QEMUs print (tests/data/hmp/), and
 * what they would not. */
#include <string.h>

#include "helpers.h"
#include "hmp.h"

static char *
fixture(const char *name)
{
	g_autofree char *path = g_build_filename("hmp", name, NULL);

	return unit_fixture(path);
}

/* "first-last name" of each region, one a line. */
static char *
regions_text(const GArray *ram)
{
	GString *ret = g_string_new(NULL);

	for (guint i = 0; i < ram->len; i++) {
		const viommu_ram_region *region = &g_array_index(ram, viommu_ram_region, i);

		g_string_append_printf(ret, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %s\n",
			region->gpa.first, region->gpa.last, region->name);
	}
	return g_string_free(ret, FALSE);
}

static GArray *
new_ram(void)
{
	return g_array_new(FALSE, TRUE, sizeof(viommu_ram_region));
}

static const struct {
	const char *file, *regions;
	bool iommu;
} views[] = {
	{ "mtree-qemu-7.2.22.txt",
		"0-c2fff pc.ram\nc3000-e7fff pc.ram\ne8000-effff pc.ram\nf0000-fffff pc.ram\n100000-7fffffff "
		"pc.ram\n"
		"fffc0000-ffffffff pc.bios\n100000000-17fffffff pc.ram\n",
		true },
	{ "mtree-qemu-7.2.22-stopped.txt",
		"0-bffff pc.ram\nc0000-dffff pc.rom\ne0000-fffff pc.bios\n100000-7fffffff pc.ram\n"
		"fffc0000-ffffffff pc.bios\n100000000-17fffffff pc.ram\n",
		true },
	{ "mtree-qemu-10.0.2-stopped.txt",
		"0-bffff pc.ram\nc0000-dffff pc.rom\ne0000-fffff pc.bios\n100000-7fffffff pc.ram\n"
		"fffc0000-ffffffff pc.bios\n100000000-17fffffff pc.ram\n",
		true },
	{ "mtree-qemu-7.2.22-memfd.txt",
		"0-bffff m0\nc0000-dffff pc.rom\ne0000-fffff pc.bios\n100000-7fffffff m0\n"
		"fffc0000-ffffffff pc.bios\n100000000-17fffffff m0\n",
		true },
	{ "mtree-qemu-10.0.2-memfd.txt",
		"0-bffff m0\nc0000-dffff pc.rom\ne0000-fffff pc.bios\n100000-7fffffff m0\n"
		"fffc0000-ffffffff pc.bios\n100000000-17fffffff m0\n",
		true },
	/* Flash is "romd": not RAM.  An NVDIMM and a DIMM are. */
	{ "mtree-qemu-7.2.22-dimm.txt",
		"0-bffff pc.ram\nc0000-dffff pc.rom\ne0000-fffff isa-bios\n100000-3fffffff pc.ram\n"
		"100000000-10fffffff nv\n110000000-11fffffff d0\n",
		true },
	{ "mtree-qemu-10.0.2-dimm.txt",
		"0-bffff pc.ram\nc0000-dffff pc.rom\ne0000-fffff system.flash0\n100000-3fffffff pc.ram\n"
		"100000000-10fffffff nv\n110000000-11fffffff d0\n",
		true },
	{ "mtree-qemu-7.2.22-no-iommu.txt",
		"0-bffff pc.ram\nc0000-dffff pc.rom\ne0000-fffff pc.bios\n100000-1fffffff pc.ram\n"
		"fffc0000-ffffffff pc.bios\n",
		false },
	/* A BAR that is mapped into the guest is "ramd": a device's, not L1's memory. */
	{ "mtree-kvm-vfio-by-hand.txt",
		"0-9ffff pc.ram\na0000-affff vga.vram\nc0000-cafff pc.ram\ncb000-cdfff alias "
		"pam-ram\ne8000-effff pc.ram\n"
		"f0000-fffff pc.ram\n100000-7fffffff pc.ram\nfffc0000-ffffffff pc.bios\n100000000-87fffffff "
		"pc.ram\n"
		"880000000-97fffffff my nvdimm\n980000000-98000ffff unarmed\n",
		true },
};

static void
test_mtree(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(views); i++) {
		g_autofree char *text = fixture(views[i].file);
		g_autoptr(GArray) ram = new_ram();
		g_autofree char *regions = NULL;
		uint64_t base;
		uint32_t size;

		g_test_message("%s", views[i].file);
		g_assert_true(viommu_hmp_parse_mtree(text, ram, &base, &size));
		regions = regions_text(ram);
		g_assert_cmpstr(regions, ==, views[i].regions);
		g_assert_cmphex(base, ==, views[i].iommu ? 0xfed90000 : 0);
		g_assert_cmphex(size, ==, views[i].iommu ? 0x230 : 0);
	}
}

#define VIEW "FlatView #2\n AS \"memory\", root: system\n Root memory region: system\n"

static void
test_mtree_refused(void)
{
	static const char *const texts[] = {
		"",
		"unknown command: 'info mtree'\r\n",
		"FlatView #1\n AS \"I/O\", root: io\n Root memory region: io\n  0-7 (prio 0, ram): x\n",
		" AS \"memory\", root: system",
		" AS \"memory\", root: system\n",
		VIEW,
		VIEW
		"  No rendered FlatView\n\nFlatView #3\n AS \"x\", root: y\n  0-fff (prio 0, ram): pc.ram\n",
		/* The region of the next view is not ours. */
		VIEW "\nFlatView #3\n  0000-0fff (prio 0, ram): pc.ram\n",
		VIEW "  0000-0fff (prio 0, i/o): x\n",
		/* Not one after the other, overlapping, turned round. */
		VIEW "  1000-1fff (prio 0, ram): a\n  0000-0fff (prio 0, ram): b\n",
		VIEW "  0000-1fff (prio 0, ram): a\n  1000-2fff (prio 0, ram): b\n",
		VIEW "  0000-0fff (prio 0, ram): a\n  0000-0fff (prio 0, ram): a\n",
		VIEW "  1fff-1000 (prio 0, ram): a\n",
		VIEW "  0000-fffffffffffffffff (prio 0, ram): a\n", /* 17 digits */
		VIEW "  0000-0fff (prio 0\n",
		VIEW "  0000-0fff (prio 0,\n",
		VIEW "  0000-0fff (prio 0, \n",
		VIEW "  0000-0fff (prio 0, ram",
		VIEW "  0000-0fff (prio 0, ram)",
		VIEW "  0000-0fff (prio 0) ,x: y\n",
		VIEW "  -0fff (prio 0, ram): a\n",
		VIEW "  0000 (prio 0, ram): a\n",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GArray) ram = new_ram();
		uint64_t base;
		uint32_t size;

		g_test_message("text %zu", i);
		g_assert_false(viommu_hmp_parse_mtree(texts[i], ram, &base, &size));
	}
}

static void
test_mtree_odd(void)
{
	g_autofree char *text = g_strdup_printf(
		"%s  0-fff (prio 0, ram): %s\n  1000-1fff (prio 0, ram): %0300d\xc3\xa4\n"
		"  2000-3fff (prio 0, i/o): intel_iommu\n  5000-5233 (prio 0, i/o): intel_iommu\n"
		"  f000-ffffffffffffffff (prio 0, ram): top",
		VIEW, "\xff\xfe", 0);
	g_autoptr(GArray) ram = new_ram();
	uint64_t base;
	uint32_t size;

	g_assert_true(viommu_hmp_parse_mtree(text, ram, &base, &size));
	g_assert_cmpuint(ram->len, ==, 3);
	for (guint i = 0; i < ram->len; i++)
		g_assert_true(g_utf8_validate(g_array_index(ram, viommu_ram_region, i).name, -1, NULL));
	g_assert_cmphex(g_array_index(ram, viommu_ram_region, 2).gpa.last, ==, UINT64_MAX);
	/* Larger than a page is not it; the size is whole words. */
	g_assert_cmphex(base, ==, 0x5000);
	g_assert_cmphex(size, ==, 0x230);
}

/* Cut anywhere, or with any byte changed, it is taken or refused. */
static void
test_mtree_damaged(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(3);
	g_autofree char *text = fixture("mtree-kvm-vfio-by-hand.txt");
	gsize len = strlen(text);

	for (gsize i = 0; i < len + 4000; i++) {
		g_autofree char *damaged = i < len ? g_strndup(text, i) : g_strdup(text);
		g_autoptr(GArray) ram = new_ram();
		uint64_t base, last = 0;
		uint32_t size;

		for (unsigned k = 0; i >= len && k < 3; k++)
			damaged[unit_random(rand, len)] = "\n 0f-,)(:@\xff"[unit_random(rand, 11)];
		if (!viommu_hmp_parse_mtree(damaged, ram, &base, &size))
			continue;
		g_assert_cmpuint(ram->len, >, 0);
		g_assert_cmpuint(size, <=, VTD_REGISTERS_MAX);
		for (guint k = 0; k < ram->len; k++) {
			const viommu_ram_region *region = &g_array_index(ram, viommu_ram_region, k);

			g_assert_cmphex(region->gpa.first, <=, region->gpa.last);
			g_assert_true(k == 0 || region->gpa.first > last);
			last = region->gpa.last;
		}
	}
}

static void
expect_properties(const char *text, const char *wanted)
{
	json_t *got = viommu_hmp_qtree_properties(text, "intel-iommu");
	char *got_text = json_dumps(got, JSON_COMPACT);

	g_assert_cmpstr(got_text, ==, wanted);
	free(got_text);
	json_decref(got);
}

static void
test_properties(void)
{
	g_autofree char *old = fixture("qtree-qemu-7.2.22.txt"), *new = fixture("qtree-qemu-10.0.2.txt");

	expect_properties(old,
		"{\"aw-bits\":39,\"caching-mode\":true,\"device-iotlb\":false,\"dma-drain\":true,\"dma-translation\":true,"
		"\"eim\":\"off\",\"intremap\":\"on\",\"pt\":true,\"snoop-control\":false,\"version\":0,\"x-buggy-eim\":false,"
		"\"x-pasid-mode\":false,\"x-scalable-mode\":false}");
	expect_properties(new,
		"{\"aw-bits\":48,\"caching-mode\":true,\"device-iotlb\":false,\"dma-drain\":true,\"dma-translation\":true,"
		"\"eim\":\"off\",\"fs1gp\":true,\"intremap\":\"on\",\"pt\":true,\"snoop-control\":false,\"stale-tm\":false,"
		"\"version\":0,\"x-buggy-eim\":false,\"x-flts\":false,\"x-pasid-mode\":false,\"x-scalable-mode\":false}");
	/* Of this device alone, and only what has a form that we know. */
	expect_properties("bus: b\n  dev: intel-iommu2, id \"\"\n    a = true\n  dev: intel-iommu, id \"x\"\n    b = 1 (0x1)\r\n"
			  "    c = \"\"\n    d = \"\n    e = <null>\n    f = 1\n    g = 0x1 (1)\n    h\n    i = \"a = b\"\n    j = \n"
			  "    bus: pci.0\n    k = true\n  dev: intel-iommu, id \"\"\n    l = true\n",
		"{\"b\":1,\"c\":\"\",\"i\":\"a = b\"}");
	expect_properties("", "{}");
	expect_properties("dev: intel-iommu", "{}");
}

static size_t
parse_xp(const char *text, uint64_t gpa, uint64_t *words, size_t n, bool *garbled)
{
	memset(words, 0xee, n * sizeof(*words));
	*garbled = true;
	return viommu_hmp_parse_xp(text, VIOMMU_GPA(gpa), words, n, garbled);
}

static void
test_xp(void)
{
	static const char *const versions[] = { "7.2.22", "10.0.2" };
	uint64_t words[70];
	bool garbled;

	for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
		g_autofree char *registers_name = g_strdup_printf("xp-qemu-%s-registers.txt", versions[i]);
		g_autofree char *edge_name = g_strdup_printf("xp-qemu-%s-edge.txt", versions[i]);
		g_autofree char *none_name = g_strdup_printf("xp-qemu-%s-none.txt", versions[i]);
		g_autofree char *registers = fixture(registers_name), *edge = fixture(edge_name),
				*none = fixture(none_name);

		g_assert_cmpuint(parse_xp(registers, 0xfed90000, words, 70, &garbled), ==, 70);
		g_assert_false(garbled);
		g_assert_cmphex(words[0], ==, 0x10);
		g_assert_cmphex(words[2], ==, 0xf00f4a); /* ECAP */
		g_assert_cmphex(words[69], ==, 0);
		/* RAM up to a hole, and the hole. */
		g_assert_cmpuint(parse_xp(edge, 0x7fffffe0, words, 8, &garbled), ==, 4);
		g_assert_false(garbled);
		g_assert_cmpuint(parse_xp(none, 0xd0000000, words, 4, &garbled), ==, 0);
		g_assert_false(garbled);
		/* Not what was asked for. */
		parse_xp(registers, 0xfed91000, words, 70, &garbled);
		g_assert_true(garbled);
		parse_xp(none, 0xd0001000, words, 4, &garbled);
		g_assert_true(garbled);
	}
}

static void
test_xp_garbled(void)
{
	static const struct {
		const char *text;
		size_t got;
		bool garbled;
	} cases[] = {
		{ "0000000000001000: 0x1 0x2\r\n0000000000001010: 0x3 0xffffffffffffffff\r\n", 4, false },
		{ "0000000000001000: 0x1 0x2\n\n0000000000001010: 0x3 0x4", 4, false },
		{ "0000000000001000: 0x1\n0000000000001008: 0x2 0x3 0x4\n", 4, false },
		{ "0000000000001000: 0x1 0x2\r\n0000000000001010: Cannot access memory\r\n", 2, false },
		{ "0000000000001000: Cannot access memory\r\n", 0, false },
		/* It ends, and QEMU did not say why. */
		{ "", 0, true },
		{ "\r\n", 0, true },
		{ "0000000000001000: 0x1 0x2\r\n", 2, true },
		{ "0000000000001000: 0x1 0x2\r\n0000000000001010: 0x3", 3, true },
		{ "0000000000001000:", 0, true },
		/* Another place: from the start, or on the way. */
		{ "0000000000002000: 0x1 0x2\r\n0000000000002010: 0x3 0x4\r\n", 0, true },
		{ "0000000000001000: 0x1 0x2\r\n0000000000001020: 0x3 0x4\r\n", 2, true },
		{ "0000000000001000: 0x1 0x2\r\n0000000000001000: 0x3 0x4\r\n", 2, true },
		{ "0000000000001000: 0x1 0x2\r\n0000000000001020: Cannot access memory\r\n", 2, true },
		{ "invalid char ':' in expression\r\n", 0, true },
		{ "0000000000001000: 1 2 3 4\r\n", 0, true },
		{ "0000000000001000: 0x 0x2 0x3 0x4\r\n", 0, true },
		{ "0000000000001000: 0x1 0x2 0x3 x\r\n", 3, true },
		{ "0000000000001000: 0x1 0x2 0x3 0x12345678901234567\r\n", 3, true },
		{ "0000000000001000: 0x1 0x2 0x3 0x4 0x5\r\n", 4, true },
		{ "0000000000001000 0x1 0x2\r\n", 0, true },
		{ "garbage", 0, true },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint64_t words[4];
		bool garbled;

		g_test_message("case %zu", i);
		g_assert_cmpuint(parse_xp(cases[i].text, 0x1000, words, 4, &garbled), ==, cases[i].got);
		g_assert_cmpint(garbled, ==, cases[i].garbled);
		for (size_t k = 0; k < cases[i].got; k++)
			g_assert_cmphex(words[k], ==, i == 0 && k == 3 ? UINT64_MAX : k + 1);
	}
}

static void
test_gpa2hva(void)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t hva;
	} cases[] = {
		{ "Host virtual address for 0x0 (pc.ram) is 0x7fd58fe00000\r\n", true, 0x7fd58fe00000 },
		{ "Host virtual address for 0x100000000 (my ram) is 0x7fd58fe00000", true, 0x7fd58fe00000 },
		{ "Host virtual address for 0x0 (pc.ram) is 0x0\r\n", false, 0 },
		{ "Host virtual address for 0x0 (pc.ram) is (nil)\r\n", false, 0 },
		{ "Host virtual address for 0x0 (pc.ram) is 0x\r\n", false, 0 },
		{ "Host virtual address for 0x0 (pc.ram) is 0x12345678901234567\r\n", false, 0 },
		{ "Host virtual address for 0x0 (pc.ram)\r\n", false, 0 },
		{ "Memory at address 0xfed90000 is not RAM\r\n", false, 0 },
		{ "No memory is mapped at address 0x1 is 0x2\r\n", false, 0 },
		{ "unknown command: 'gpa2hva'\r\n", false, 0 },
		{ "", false, 0 },
	};
	static const char *const versions[] = { "7.2.22", "10.0.2" };

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		viommu_hva hva = { 4711 };

		g_test_message("case %zu", i);
		g_assert_cmpint(viommu_hmp_parse_gpa2hva(cases[i].text, &hva), ==, cases[i].ok);
		if (cases[i].ok)
			g_assert_cmphex(hva.v, ==, cases[i].hva);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(versions); i++)
		for (unsigned kind = 0; kind < 4; kind++) {
			static const char *const suffixes[] = { "", "-high", "-io", "-none" };
			g_autofree char *name =
				g_strdup_printf("gpa2hva-qemu-%s%s.txt", versions[i], suffixes[kind]);
			g_autofree char *text = fixture(name);
			viommu_hva hva;

			g_assert_cmpint(viommu_hmp_parse_gpa2hva(text, &hva), ==, kind < 2);
		}
}

static void
add_device_line(viommu_sid sid, const char *driver, const char *host, void *user)
{
	g_string_append_printf(user, "%02x:%02x.%x %s %s\n", viommu_sid_bus(sid), sid.v >> 3 & 31, sid.v & 7, driver, host);
}

static void
test_qtree(void)
{
	static const char by_hand[] = "bus: main-system-bus\n  dev: vfio-pci, id \"v0\"\n    host = \"0000:03:00.1\"\n"
				      "    class Class 0200, addr 12:1f.7, pci id 8086:10d3 (sub 0000:0000)\n"
				      "    class Class 0200, addr 13:00.0, pci id 8086:10d3 (sub 0000:0000)\n"
				      "  dev: x, id \"\"\n    host = \"no\"\n    class A, addr 20:00.8, pci id 1:2\n"
				      "    class A, addr 00:00.0, pci id 1:2";
	g_autoptr(GString) got = g_string_new(NULL);
	g_autofree char *old = fixture("qtree-qemu-7.2.22.txt");
	g_autofree char *new = fixture("qtree-qemu-10.0.2.txt");
	g_autofree char *both = g_strconcat(old, new, NULL);

	g_assert_true(viommu_hmp_parse_qtree(both, add_device_line, got));
	for (unsigned i = 0; i < 2; i++) {
		static const char devices[] = "00:03.0 pcie-pci-bridge \n00:00.0 e1000 \n00:02.0 virtio-net-pci \n"
					      "00:01.0 pcie-root-port \n00:00.0 nvme \n00:04.0 edu \n00:1f.3 ICH9-SMB \n"
					      "00:1f.2 ich9-ahci \n00:1f.0 ICH9-LPC \n00:00.0 mch \n";
		g_assert_true(g_str_has_prefix(got->str, devices));
		g_string_erase(got, 0, strlen(devices));
	}
	g_assert_cmpstr(got->str, ==, "");
	g_assert_true(viommu_hmp_parse_qtree(by_hand, add_device_line, got));
	g_assert_cmpstr(got->str, ==, "12:1f.7 vfio-pci 0000:03:00.1\n00:00.0 x \n");
	g_assert_false(viommu_hmp_parse_qtree("unknown command: 'info qtree'\n", add_device_line, got));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hmp/mtree", test_mtree);
	g_test_add_func("/hmp/mtree-refused", test_mtree_refused);
	g_test_add_func("/hmp/mtree-odd", test_mtree_odd);
	g_test_add_func("/hmp/mtree-damaged", test_mtree_damaged);
	g_test_add_func("/hmp/xp", test_xp);
	g_test_add_func("/hmp/xp-garbled", test_xp_garbled);
	g_test_add_func("/hmp/gpa2hva", test_gpa2hva);
	g_test_add_func("/hmp/qtree", test_qtree);
	g_test_add_func("/hmp/properties", test_properties);
	return g_test_run();
}
