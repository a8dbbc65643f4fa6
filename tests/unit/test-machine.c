/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts about a QEMU: where its RAM is, which source id a device has, what its
 * properties and registers say of each other. */
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "tables.h"

static void
add_ram(viommu_machine *machine, uint64_t first, uint64_t last)
{
	viommu_ram_region region = { .gpa = { first, last } };

	g_array_append_val(machine->ram, region);
}

static void
test_ram_at(void)
{
	static const struct {
		uint64_t gpa;
		bool there;
	} cases[] = {
		{ 0, true },
		{ 0x9f000, true },
		{ 0xa0000, false },
		{ 0x100000, true },
		{ 0x1fe000, true },
		{ 0x1ff000, false }, /* RAM, but not to its end */
		{ 0x200000, false },
		{ 0xfffff000, false },
		{ 0x100000000, true },
		{ 0xfffffffffffff000, true },
		{ 0x7fffffffffffe000, true },
	};
	g_autoptr(viommu_machine) machine = viommu_machine_new();

	g_assert_null(viommu_machine_ram_at(machine, VIOMMU_GPA(0)));
	add_ram(machine, 0, 0x9ffff);
	add_ram(machine, 0x100000, 0x1ff7ff);
	add_ram(machine, 0x100000000, UINT64_MAX);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %zu", i);
		g_assert_cmpint(
			viommu_machine_ram_at(machine, VIOMMU_GPA(cases[i].gpa)) != NULL, ==, cases[i].there);
	}
}

/* Cut where it does not fit, never within a character. */
static void
test_copy_text(void)
{
	char text[6];

	viommu_copy_text(text, "12345", sizeof(text));
	g_assert_cmpstr(text, ==, "12345");
	viommu_copy_text(text, "123456", sizeof(text));
	g_assert_cmpstr(text, ==, "12345");
	viommu_copy_text(text, "1234\xc3\xa4", sizeof(text));
	g_assert_cmpstr(text, ==, "1234");
	viommu_copy_text(text,
		"12\xff"
		"45",
		sizeof(text));
	g_assert_cmpstr(text, ==, "12");
	viommu_copy_text(text, "", sizeof(text));
	g_assert_cmpstr(text, ==, "");
}

static viommu_machine *
from_text(const char *pci, const char *bypass)
{
	g_autofree char *text = g_strdup_printf(
		"{\"version\":\"10.0.2\",\"package\":\"p\",\"run_state\":\"running\",\"kvm\":true,\"iommu_"
		"path\":\"/x\",\"iommu_properties\":"
		"{\"caching-mode\":true,\"aw-bits\":48},\"registers_base\":\"0xfed90000\",\"registers_size\":"
		"\"0x230\",\"ram\":"
		"[{\"first\":\"0x0\",\"last\":\"0xfff\",\"name\":\"pc.ram\"}],\"pci\":[%s],\"bypass\":[%s]}",
		pci, bypass);
	json_t *json = json_loads(text, 0, NULL);
	viommu_machine *ret;

	g_assert_nonnull(json);
	ret = viommu_machine_from_json(json, NULL);
	json_decref(json);
	return ret;
}

static void
test_json(void)
{
	g_autoptr(viommu_machine) machine =
		from_text("{\"sid\":65535,\"vendor\":4660,\"device\":4584,\"class\":255,\"id\":\"edu0\","
			  "\"class_text\":\"t\",\"bridge\":true,\"secondary\":255,\"root\":3}",
			"3,4");
	g_autoptr(viommu_machine) again = NULL;
	json_t *first = viommu_machine_to_json(machine), *second;

	again = viommu_machine_from_json(first, NULL);
	g_assert_nonnull(again);
	second = viommu_machine_to_json(again);
	g_assert_true(json_equal(first, second));
	g_assert_cmpuint(again->bypass->len, ==, 2);
	g_assert_true(again->kvm);
	g_assert_cmpstr(viommu_machine_pci_at(again, (viommu_sid){ 0xffff })->id, ==, "edu0");
	g_assert_null(viommu_machine_pci_at(again, (viommu_sid){ 0xfffe }));
	json_decref(first);
	json_decref(second);
}

static void
test_host_json(void)
{
	g_autoptr(viommu_machine) machine = from_text("", "");
	g_autoptr(viommu_machine) again = NULL;
	static const char *const arguments[] = { "qemu-system-x86_64", "", "-name", "a\"b", NULL };
	json_t *first = viommu_machine_to_json(machine), *second;

	g_assert_null(json_object_get(first, "cmdline"));
	g_assert_null(json_object_get(first, "host"));
	json_decref(first);
	machine->cmdline = g_strdupv((char **) arguments);
	machine->host_kernel = g_strdup("Linux 6.1");
	machine->host_arch = g_strdup("x86_64");
	first = viommu_machine_to_json(machine);
	again = viommu_machine_from_json(first, NULL);
	g_assert_nonnull(again);
	g_assert_true(g_strv_equal((const char *const *) again->cmdline, arguments));
	g_assert_cmpstr(again->host_kernel, ==, "Linux 6.1");
	g_assert_null(again->host_os);
	second = viommu_machine_to_json(again);
	g_assert_true(json_equal(first, second));
	json_object_set_new(second, "cmdline", json_pack("[i]", 1));
	g_assert_null(viommu_machine_from_json(second, NULL));
	json_object_set_new(second, "cmdline", json_string("qemu"));
	g_assert_null(viommu_machine_from_json(second, NULL));
	json_decref(first);
	json_decref(second);
}

/* The command line of a process that was not proven to be the QEMU counts only when it
 * has the name of one: this one has not. */
static void
test_host(void)
{
	g_autoptr(viommu_machine) machine = from_text("", "");

	viommu_machine_read_host(machine, 0, true);
	g_assert_null(machine->cmdline);
	viommu_machine_read_host(machine, getpid(), false);
	g_assert_null(machine->cmdline);
	g_assert_null(machine->host_kernel);
	viommu_machine_read_host(machine, getpid(), true);
	g_assert_nonnull(machine->cmdline);
	g_assert_nonnull(strstr(machine->cmdline[0], "test-machine"));
	g_assert_true(g_str_has_prefix(machine->host_kernel, "Linux "));
	g_assert_nonnull(machine->host_arch);
}

static void
test_json_refused(void)
{
	static const char *const devices[] = { "{\"sid\":65536}", "{\"sid\":-1}", "{\"sid\":\"1\"}",
		"{\"vendor\":65536}", "{\"secondary\":256}", "{\"root\":256}", "{\"class\":1.5}" };

	for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
		g_test_message("%s", devices[i]);
		g_assert_null(from_text(devices[i], ""));
	}
	g_assert_null(viommu_machine_from_json(NULL, NULL));
}

static void
add_pci(viommu_machine *machine, unsigned bus, unsigned device, unsigned secondary, uint16_t vendor,
	uint16_t id)
{
	viommu_pci_device pci = { .sid = viommu_sid_make(bus, device, 0),
		.vendor = vendor,
		.device = id,
		.bridge = secondary != 0,
		.secondary = (uint8_t) secondary };

	g_array_append_val(machine->pci, pci);
}

static void
expect_alias(const viommu_machine *machine, unsigned bus, unsigned device, unsigned alias)
{
	g_assert_cmphex(viommu_machine_alias(machine, viommu_sid_make(bus, device, 0)).v, ==, alias);
}

/* Behind a bridge to conventional PCI, requests carry the bridge's id. */
static void
test_alias(void)
{
	g_autoptr(viommu_machine) machine = viommu_machine_new();

	add_pci(machine, 0, 4, 0, 0x1234, 0x11e8);
	add_pci(machine, 0, 5, 1, 0x1b36, 0x000c); /* a root port: PCIe */
	add_pci(machine, 1, 0, 2, 0x1b36, 0x000e); /* PCIe to PCI */
	add_pci(machine, 2, 3, 3, 0x1b36, 0x0001); /* PCI to PCI */
	add_pci(machine, 0, 6, 7, 0x8086, 0x244e);
	expect_alias(machine, 0, 4, 0x0020);
	expect_alias(machine, 1, 0, 0x0100);
	expect_alias(machine, 2, 1, 0x0200); /* its secondary bus, devfn 0 */
	expect_alias(machine, 3, 9, 0x0200);
	expect_alias(machine, 7, 1, 0x0030);
	expect_alias(machine, 9, 1, 0x0908); /* a bus that nobody leads to */
	/* Bridges that claim each other's bus: it ends. */
	add_pci(machine, 20, 1, 21, 0x1b36, 0x0001);
	add_pci(machine, 21, 1, 20, 0x1b36, 0x0001);
	add_pci(machine, 22, 1, 22, 0x1b36, 0x0001);
	expect_alias(machine, 21, 2, 20 << 8 | 8);
	expect_alias(machine, 22, 2, 22 << 8 | 16);
}

static void
test_bypassed(void)
{
	g_autoptr(viommu_machine) machine =
		from_text("{\"sid\":32,\"root\":0},{\"sid\":4096,\"root\":16}", "16");

	g_assert_false(viommu_machine_bypassed(machine, (viommu_sid){ 0x20 }));
	g_assert_true(viommu_machine_bypassed(machine, (viommu_sid){ 0x1000 }));
	g_assert_false(viommu_machine_bypassed(machine, (viommu_sid){ 0x1001 })); /* no such device */
}

static void
test_contradictions(void)
{
	g_autoptr(viommu_machine) machine = from_text("", "");
	g_autoptr(tables) t = tables_new(48);
	viommu_contradiction found[VIOMMU_MAX_CONTRADICTIONS];
	vtd_registers registers;

	tables_registers(t, &registers);
	g_assert_cmpuint(viommu_machine_contradictions(machine, &registers, found), ==, 0);
	t->cap &= ~(1ull << 7);
	tables_registers(t, &registers);
	g_assert_cmpuint(viommu_machine_contradictions(machine, &registers, found), ==, 1);
	g_assert_cmpstr(found[0].property, ==, "caching-mode");
	g_assert_cmpuint(found[0].property_value, ==, 1);
	g_assert_cmpuint(found[0].field_value, ==, 0);
}

/* The version decides which habits QEMU has. */
static void
test_unit(void)
{
	static const struct {
		const char *version;
		bool before_10;
	} cases[] = { { "7.2.22", true }, { "9.2.0", true }, { "10.0.2", false }, { "11.0.0", false },
		{ "", false } };
	g_autoptr(tables) t = tables_new(39);
	vtd_registers registers;

	tables_registers(t, &registers);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(viommu_machine) machine = viommu_machine_new();
		vtd_unit unit;

		g_free(machine->version);
		machine->version = g_strdup(cases[i].version);
		viommu_machine_unit(machine, &registers, &unit);
		g_assert_cmpint(unit.before_qemu_10, ==, cases[i].before_10);
		g_assert_cmpuint(unit.address_bits, ==, 39);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/machine/ram-at", test_ram_at);
	g_test_add_func("/machine/copy-text", test_copy_text);
	g_test_add_func("/machine/json", test_json);
	g_test_add_func("/machine/host-json", test_host_json);
	g_test_add_func("/machine/host", test_host);
	g_test_add_func("/machine/json-refused", test_json_refused);
	g_test_add_func("/machine/alias", test_alias);
	g_test_add_func("/machine/bypassed", test_bypassed);
	g_test_add_func("/machine/contradictions", test_contradictions);
	g_test_add_func("/machine/unit", test_unit);
	return g_test_run();
}
