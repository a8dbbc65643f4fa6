/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "dump.h"
#include "text.h"

typedef struct {
	const viommu_target *target;
	json_t *json;
	uint64_t present;
} printer;

/* Requester ids of the platform itself in QEMU's q35: hw/i386/x86-iommu and
 * Q35_PSEUDO_BUS_PLATFORM, Q35_PSEUDO_DEVFN_IOAPIC. */
#define IOAPIC_SID 0xff00

/* The devices that an entry admits, as a list of at most a few. */
static json_t *
admitted(const viommu_target *target, const vtd_irte *irte)
{
	json_t *ret = json_array();

	for (guint i = 0; i < target->machine->pci->len && irte->svt != 0; i++) {
		viommu_sid sid = g_array_index(target->machine->pci, viommu_pci_device, i).sid;

		if (vtd_irte_admits(irte, sid))
			json_array_append_new(ret, viommu_json_bdf(sid));
	}
	if (irte->svt == 1 && vtd_irte_admits(irte, (viommu_sid){ IOAPIC_SID }))
		json_array_append_new(ret, json_string("IOAPIC"));
	return ret;
}

static void
print_admitted(const vtd_irte *irte, json_t *devices)
{
	size_t i;
	json_t *device;

	if (irte->svt == 0) {
		printf("from any requester");
		return;
	}
	if (irte->svt == 2)
		printf("from buses %02x to %02x", irte->sid >> 8, irte->sid & 0xff);
	else
		printf("from %s", viommu_bdf_text((viommu_sid){ irte->sid }).text);
	json_array_foreach (devices, i, device)
		printf("%s%s", i ? ", " : " = ", json_string_value(device));
	if (json_array_size(devices) == 0)
		printf(" (no such device now)");
}

static void
print_irte(const vtd_irte *irte, void *user)
{
	printer *p = user;
	json_t *devices = admitted(p->target, irte);

	p->present++;
	if (p->json) {
		json_t *item = json_pack("{s:I, s:o, s:[o, o], s:s, s:i, s:i, s:i, s:i, s:o}", "index", (json_int_t) irte->index,
			"entry_gpa", viommu_json_hex(irte->entry.v), "entry", viommu_json_hex(irte->raw[0]),
			viommu_json_hex(irte->raw[1]), "format", irte->posted ? "posted" : "remapped", "vector", irte->vector,
			"svt", irte->svt, "sq", irte->sq, "sid", irte->sid, "devices", devices);

		if (irte->posted) {
			json_object_set_new(item, "posted_descriptor", viommu_json_hex(irte->posted_descriptor.v));
		} else {
			json_object_set_new(item, "destination", json_integer(irte->destination));
			json_object_set_new(item, "delivery_mode", json_string(vtd_delivery_mode_text(irte->delivery_mode)));
			json_object_set_new(item, "logical", json_boolean(irte->logical));
			json_object_set_new(item, "level_triggered", json_boolean(irte->level_triggered));
		}
		json_array_append_new(p->json, item);
		return;
	}
	printf("  %5u  vector 0x%02x ", irte->index, irte->vector);
	if (irte->posted)
		printf("posted, descriptor at GPA 0x%" PRIx64 "%s, ", irte->posted_descriptor.v, irte->urgent ? ", urgent" : "");
	else
		printf("%s, %s APIC 0x%x, %s, ", vtd_delivery_mode_text(irte->delivery_mode),
			irte->logical ? "logical" : "physical", irte->destination, irte->level_triggered ? "level" : "edge");
	print_admitted(irte, devices);
	printf("  [0x%" PRIx64 " 0x%" PRIx64 "]\n", irte->raw[0], irte->raw[1]);
	json_decref(devices);
}

gboolean
viommu_dump_interrupts(const viommu_target *target, json_t *json, GError **error)
{
	printer p = { .target = target, .json = json ? json_array() : NULL };
	uint32_t unreadable = 0;
	vtd_irt irt;

	vtd_irt_init(&target->unit, target->registers, &irt);
	if (!json)
		printf("\n%sinterrupt remapping table%s at GPA 0x%" PRIx64 ": %u entries, %s destinations%s\n",
			viommu_tone_on(VIOMMU_STRONG), viommu_tone_off(VIOMMU_STRONG), irt.base.v, irt.entries,
			irt.x2apic ? "x2APIC" : "xAPIC", irt.enabled ? "" : "; not enabled (GSTS.IRES = 0)");
	if (irt.enabled && !vtd_walk_irt(&irt, target->memory, &unreadable, print_irte, &p, error)) {
		json_decref(p.json);
		return FALSE;
	}
	if (json)
		json_object_set_new(json, "interrupts", json_pack("{s:b, s:o, s:I, s:b, s:I, s:o}", "enabled", irt.enabled, "base",
			viommu_json_hex(irt.base.v), "size", (json_int_t) irt.entries, "x2apic", irt.x2apic, "unreadable",
			(json_int_t) unreadable, "entries", p.json));
	else if (irt.enabled)
		printf("  %s of %s entries present\n", viommu_count_text(p.present).text, viommu_count_text(irt.entries).text);
	if (!json && unreadable)
		printf("  %s entries could not be read\n", viommu_count_text(unreadable).text);
	return TRUE;
}
