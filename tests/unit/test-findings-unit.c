/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found in registers, properties, root and context entries, queue and faults. */
#include "found.h"

#define SID 0x20
#define GSTS_QIES (1u << 26)
#define GSTS_IRES (1u << 25)
#define CAP_CM (1ull << 7)
#define CONTEXT_PASS_THROUGH (2u << 2)

/* One device with a table. */
static tables *
one_device(void)
{
	tables *t = tables_new(48);

	tables_map(t, tables_device(t, SID, 4), 4, 0x40000000, 0x5000, KIB_4, PTE_RW);
	return t;
}

static void
test_clean(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = tables_snapshot(t);
	g_autoptr(viommu_findings) f = found_in(s);

	found_codes(f, "");
	found_says(f, "caching-mode-on", "register CAP");
	found_says(f, "caching-mode-on", "CM = 1; it is not known here");
	found_says(f, "interrupt-remapping-off", "IR");
}

static void
test_caching_mode(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = tables_snapshot(t);
	g_autoptr(viommu_findings) unknown = NULL, emulated = NULL, assigned = NULL;

	found_register(s, 0x08, 8, t->cap & ~CAP_CM);
	json_object_set_new(found_machine(s)->iommu_properties, "caching-mode", json_false());
	unknown = found_in(s);
	found_codes(unknown, "caching-mode-off");
	found_says(unknown, "caching-mode-off", "property caching-mode is false; it is not known");
	found_add_device(s, SID, "edu");
	emulated = found_in(s);
	found_codes(emulated, "caching-mode-off");
	found_says(emulated, "caching-mode-off", "QEMU emulates all");
	found_add_device(s, SID, "vfio-pci");
	assigned = found_in(s);
	found_codes(assigned, "caching-mode-needed");
	found_says(assigned, "caching-mode-needed", "CM = 0; QEMU's property caching-mode is false; assigned to L1: 00:04.0 (vfio-pci)");
}

static void
test_contradiction(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = tables_snapshot(t);
	g_autoptr(viommu_findings) f = NULL;

	json_object_set_new(found_machine(s)->iommu_properties, "aw-bits", json_integer(39));
	f = found_in(s);
	found_codes(f, "property-contradicts-register");
	found_says(f, "property-contradicts-register", "property aw-bits=39: CAP.MGAW + 1 is 48");
}

static void
test_width(void)
{
	g_autoptr(tables) t = tables_new(39);
	g_autoptr(viommu_snapshot) s = NULL;
	g_autoptr(viommu_findings) f = NULL;

	tables_map(t, tables_device(t, SID, 3), 3, 0x7ffffff000, 0x5000, KIB_4, PTE_RW);
	s = tables_snapshot(t);
	g_array_index(found_machine(s)->ram, viommu_ram_region, 0).gpa.last = (1ull << 40) - 1;
	f = found_in(s);
	found_codes(f, "narrow-width ram-beyond-width");
	found_says(f, "narrow-width", "IOVAs end at 0x7fffffffff");
	found_says(f, "narrow-width", "device 00:04.0: the highest IOVA in use is 0x7fffffffff");
	found_says(f, "ram-beyond-width", "39 bits, and L1 has memory up to GPA 0xffffffffff");
}

static void
test_translation_off(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = tables_snapshot(t);
	g_autoptr(viommu_findings) f = NULL;

	found_register(s, 0x1c, 4, 0);
	f = found_in(s);
	g_assert_cmpuint(viommu_findings_count(f, "translation-off"), ==, 1);
	g_assert_cmpuint(viommu_findings_count(f, "queue-off"), ==, 0);
	found_says(f, "translation-off", "register GSTS: 0x0: TES = 0");
}

/* The same for a unit that offers interrupt remapping and has it on. */
static void
test_interrupt_remapping(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = tables_snapshot(t);
	g_autoptr(viommu_findings) missing = NULL, off = NULL, on = NULL;

	found_register(s, 0x10, 8, t->ecap & ~(1u << 3));
	missing = found_in(s);
	found_says(missing, "interrupt-remapping-off", "IR = 0: the vIOMMU does not offer it");
	found_register(s, 0x10, 8, t->ecap);
	off = found_in(s);
	found_says(off, "interrupt-remapping-off", "IRES = 0: L1 does not use it");
	found_register(s, 0x1c, 4, t->gsts | GSTS_IRES);
	on = found_in(s);
	g_assert_cmpuint(viommu_findings_count(on, "interrupt-remapping-off"), ==, 0);
}

static void
test_devices(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = NULL;
	g_autoptr(viommu_findings) f = NULL;
	uint64_t low = tables_peek(t, tables_context_at(t, SID)), high = tables_peek(t, tables_context_at(t, SID) + 8);

	tables_context(t, SID + 8, 1 | CONTEXT_PASS_THROUGH, 2 | 7 << 8);
	tables_context(t, SID + 16, low, high);             /* the same table */
	tables_context(t, SID + 24, low | 1u << 11, high);  /* reserved */
	s = tables_snapshot(t);
	for (unsigned i = 1; i < 5; i++)
		found_add_device(s, (uint16_t) (SID + 8 * i), i == 4 ? "not in the tables" : "e1000e");
	found_add_device(s, 0x3000, "edu")->root = 0x30;
	g_array_append_val(found_machine(s)->bypass, ((uint8_t[]){ 0x30 })[0]);
	f = found_in(s);
	found_codes(f, "pass-through mixed-pass-through device-bypasses-iommu device-not-in-tables device-entry-refused domain-shared");
	found_says(f, "pass-through", "00:05.0: TT = 2");
	found_says(f, "mixed-pass-through", "2 devices are translated, 1 are passed through");
	found_says(f, "device-bypasses-iommu", "device 30:00.0: its root bus (number 48)");
	found_says(f, "device-not-in-tables", "00:08.0: the context entry is not present");
	found_says(f, "device-entry-refused", "00:07.0: a reserved bit is set in the context entry (fault reason 0xb)");
	found_says(f, "domain-shared", "2 devices, 00:04.0");
}

static void
test_domain_reused(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = NULL;
	g_autoptr(viommu_findings) f = NULL;

	tables_device(t, SID + 8, 4);
	tables_poke(t, tables_context_at(t, SID + 8) + 8, tables_peek(t, tables_context_at(t, SID) + 8));
	s = tables_snapshot(t);
	found_add_device(s, SID + 8, "edu");
	f = found_in(s);
	found_codes(f, "domain-id-reused");
	found_says(f, "domain-id-reused", "00:05.0 has domain");
}

static void
test_outside_ram(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = NULL;
	g_autoptr(viommu_findings) context = NULL, root = NULL;

	tables_poke(t, t->root, 0xfed90000 | 1);
	tables_break(t, 0xfed90000, VIOMMU_PAGE_NOT_RAM);
	tables_break(t, 0xfeda0000, VIOMMU_PAGE_NOT_RAM);
	s = tables_snapshot(t);
	context = found_in(s);
	found_codes(context, "table-outside-ram");
	found_says(context, "table-outside-ram", "context entry at GPA 0xfed90200");
	found_register(s, 0x20, 8, 0xfeda0000);
	root = found_in(s);
	found_codes(root, "root-outside-ram");
	found_says(root, "root-outside-ram", "register RTADDR: 0xfeda0000");
}

static void
test_first_stage(void)
{
	g_autoptr(tables) t = tables_new(48);
	g_autoptr(viommu_snapshot) s = NULL;
	g_autoptr(viommu_findings) emulated = NULL, assigned = NULL;
	uint64_t words[8] = { 1 | 2 << 2 | 1 << 6, 9 };

	tables_scalable(t);
	words[2] = tables_page(t);
	tables_map_first(t, words[2], 4, 0x40000000, 0x5000, KIB_4, FPTE_RW, 0);
	tables_pasid(t, SID, 0, words);
	s = tables_snapshot(t);
	g_free(found_machine(s)->version);
	found_machine(s)->version = g_strdup("10.0.2");
	found_add_device(s, SID, "edu");
	emulated = found_in(s);
	found_codes(emulated, "");
	found_add_device(s, SID, "vfio-pci");
	assigned = found_in(s);
	found_codes(assigned, "first-stage-not-shadowed");
	found_says(assigned, "first-stage-not-shadowed", "00:04.0 (vfio-pci) goes through the first-stage table");
}

static void
test_queue(void)
{
	g_autoptr(tables) t = one_device();
	uint64_t ring = tables_page(t);
	g_autoptr(viommu_snapshot) s = NULL;
	g_autoptr(viommu_findings) off = NULL, idle = NULL, stalled = NULL, error = NULL, outside = NULL;

	tables_poke(t, ring + 16, 0x5 | 1 << 5);
	tables_break(t, 0xfedb0000, VIOMMU_PAGE_NOT_RAM);
	s = tables_snapshot(t);
	found_register(s, 0x1c, 4, t->gsts & ~GSTS_QIES);
	off = found_in(s);
	found_codes(off, "queue-off");
	found_register(s, 0x1c, 4, t->gsts);
	found_register(s, 0x90, 8, ring);
	found_register(s, 0x80, 8, 1 << 4);
	found_register(s, 0x88, 8, 1 << 4);
	idle = found_in(s);
	found_codes(idle, "");
	found_register(s, 0x88, 8, 2 << 4);
	stalled = found_in(s);
	found_codes(stalled, "queue-stalled");
	found_says(stalled, "queue-stalled", "head 1, tail 2 of 256");
	found_says(stalled, "queue-stalled", "at the head stands invalidation wait");
	found_register(s, 0x34, 4, 1 << 4 | 1 << 6);
	error = found_in(s);
	found_codes(error, "queue-error");
	found_says(error, "queue-error", "register FSTS: 0x50: IQE = 1");
	found_says(error, "queue-error", "ITE = 1");
	found_register(s, 0x34, 4, 0);
	found_register(s, 0x80, 8, 2 << 4);
	found_register(s, 0x90, 8, 0xfedb0000);
	outside = found_in(s);
	found_codes(outside, "queue-outside-ram");
}

/* Each with what the tables say now. */
static void
test_faults(void)
{
	g_autoptr(tables) t = one_device();
	g_autoptr(viommu_snapshot) s = NULL;
	g_autoptr(viommu_findings) same = NULL, other = NULL, interrupt = NULL;
	unsigned at = (unsigned) (t->cap >> 24 & 0x3ff) * 16;

	s = tables_snapshot(t);
	g_assert_cmpuint(at, >, 0);
	found_register(s, 0x34, 4, 3);
	found_register(s, at, 8, 0x40001000);
	found_register(s, at + 8, 8, 1ull << 63 | 5ull << 32 | SID); /* write */
	same = found_in(s);
	found_codes(same, "fault-recorded fault-overflow");
	found_says(same, "fault-recorded", "write of IOVA 0x40001000 by 00:04.0, reason 0x5: no write permission; the tables now: reason 0x5");
	found_says(same, "fault-recorded", "at the level 1 entry at GPA");
	found_register(s, at, 8, 0x40000000);
	other = found_in(s);
	found_says(other, "fault-recorded", "the tables now let it through");
	found_register(s, 0x34, 4, 2);
	found_register(s, at, 8, 7ull << 48);
	found_register(s, at + 8, 8, 1ull << 63 | 0x22ull << 32 | SID);
	interrupt = found_in(s);
	found_codes(interrupt, "interrupt-fault-recorded");
	found_says(interrupt, "interrupt-fault-recorded", "interrupt index 7, reason 0x22");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/findings/unit/clean", test_clean);
	g_test_add_func("/findings/unit/caching-mode", test_caching_mode);
	g_test_add_func("/findings/unit/contradiction", test_contradiction);
	g_test_add_func("/findings/unit/width", test_width);
	g_test_add_func("/findings/unit/translation-off", test_translation_off);
	g_test_add_func("/findings/unit/interrupt-remapping", test_interrupt_remapping);
	g_test_add_func("/findings/unit/devices", test_devices);
	g_test_add_func("/findings/unit/domain-reused", test_domain_reused);
	g_test_add_func("/findings/unit/outside-ram", test_outside_ram);
	g_test_add_func("/findings/unit/first-stage", test_first_stage);
	g_test_add_func("/findings/unit/queue", test_queue);
	g_test_add_func("/findings/unit/faults", test_faults);
	return g_test_run();
}
