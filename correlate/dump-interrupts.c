/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "dump.h"
#include "text.h"

typedef struct {
	const viommu_target *target;
	GArray *sids; /* of viommu_sid: the devices, ascending */
	json_t *json;
	uint64_t present;
} printer;

/* How many devices are named for one entry: a range of buses can hold 65536. */
#define NAMED 32

/* Requester ids of the platform itself in QEMU's q35: hw/i386/x86-iommu and
 * Q35_PSEUDO_BUS_PLATFORM, Q35_PSEUDO_DEVFN_IOAPIC. */
#define IOAPIC_SID 0xff00

static int
cmp_sid(const void *a, const void *b)
{
	const viommu_sid *x = a, *y = b;

	return x->v < y->v ? -1 : x->v > y->v;
}

static GArray *
sorted_sids(const viommu_machine *machine)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(viommu_sid));

	for (guint i = 0; i < machine->pci->len; i++)
		g_array_append_val(ret, g_array_index(machine->pci, viommu_pci_device, i).sid);
	g_array_sort(ret, cmp_sid);
	return ret;
}

/* The first device from this source id on. */
static guint
lower_bound(const GArray *sids, unsigned sid)
{
	guint low = 0, high = sids->len;

	while (low < high) {
		guint mid = low + (high - low) / 2;

		if (g_array_index(sids, viommu_sid, mid).v < sid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The devices that an entry admits: the names of a few, *more is the number of others. */
static json_t *
admitted(const printer *p, const vtd_irte *irte, guint *more)
{
	json_t *ret = json_array();
	guint first = 0, end = 0;

	*more = 0;
	if (irte->svt == 1) { /* SQ leaves out bits of the function only */
		first = lower_bound(p->sids, irte->sid & 0xfff8u);
		end = lower_bound(p->sids, (irte->sid | 7u) + 1);
	} else if (irte->svt == 2) {
		first = lower_bound(p->sids, irte->sid & 0xff00u);
		end = MAX(first, lower_bound(p->sids, ((irte->sid & 0xffu) + 1) << 8));
	}
	for (guint i = first; i < end; i++) {
		viommu_sid sid = g_array_index(p->sids, viommu_sid, i);

		if (json_array_size(ret) == NAMED) {
			*more = end - i;
			break;
		}
		if (vtd_irte_admits(irte, sid))
			json_array_append_new(ret, viommu_json_bdf(sid));
	}
	if (irte->svt == 1 && vtd_irte_admits(irte, (viommu_sid){ IOAPIC_SID }))
		json_array_append_new(ret, json_string("IOAPIC"));
	return ret;
}

static void
print_admitted(const vtd_irte *irte, json_t *devices, guint more)
{
	size_t i;
	json_t *device;

	if (irte->svt == 0) {
		printf("from any requester");
		return;
	}
	if (irte->svt == 2)
		printf("from buses %02x to %02x (as QEMU reads SID; the specification has the first bus in the high half)",
			irte->sid & 0xff, irte->sid >> 8);
	else
		printf("from %s", viommu_bdf_text((viommu_sid){ irte->sid }).text);
	json_array_foreach (devices, i, device)
		printf("%s%s", i ? ", " : " = ", json_string_value(device));
	if (more)
		printf(" and %s more", viommu_count_text(more).text);
	if (json_array_size(devices) == 0)
		printf(" (no such device now)");
}

static void
print_irte(const vtd_irte *irte, void *user)
{
	printer *p = user;
	guint more;
	json_t *devices = admitted(p, irte, &more);

	p->present++;
	if (p->json) {
		json_t *item = json_pack("{s:I, s:o, s:[o, o], s:s, s:i, s:i, s:i, s:i, s:o}", "index", (json_int_t) irte->index,
			"entry_gpa", viommu_json_hex(irte->entry.v), "entry", viommu_json_hex(irte->raw[0]),
			viommu_json_hex(irte->raw[1]), "format", irte->posted ? "posted" : "remapped", "vector", irte->vector,
			"svt", irte->svt, "sq", irte->sq, "sid", irte->sid, "devices", devices);

		if (more)
			json_object_set_new(item, "more_devices", json_integer(more));
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
	print_admitted(irte, devices, more);
	printf("  [0x%" PRIx64 " 0x%" PRIx64 "]\n", irte->raw[0], irte->raw[1]);
	json_decref(devices);
}

gboolean
viommu_dump_interrupts(const viommu_target *target, json_t *json, GError **error)
{
	g_autoptr(GArray) sids = sorted_sids(target->machine);
	printer p = { .target = target, .sids = sids, .json = json ? json_array() : NULL };
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
