/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "dump/dump.h"
#include "text/json-text.h"
#include "text/text.h"

typedef struct {
	const viommu_target *target;
	GArray *sids; /* of viommu_sid: the devices, ascending */
	GString *json;
	uint64_t present;
} printer;

/* How many devices are named for one entry: a range of buses can hold 65536. */
#define NAMED 32

/* The requesters of which an entry admits requests. */
typedef struct {
	viommu_sid named[NAMED];
	guint n, more; /* how many others there are */
	bool ioapic;
} requesters;

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

static requesters
admitted(const printer *p, const vtd_irte *irte)
{
	requesters ret = { .ioapic = irte->svt != 0 && vtd_irte_admits(irte, (viommu_sid){ IOAPIC_SID }) };
	guint first = 0, end = 0;

	if (irte->svt == 1) { /* SQ leaves out bits of the function only */
		first = lower_bound(p->sids, irte->sid & 0xfff8u);
		end = lower_bound(p->sids, (irte->sid | 7u) + 1);
	} else if (irte->svt == 2) { /* all between first and end, see vtd_irte_admits() */
		first = lower_bound(p->sids, (irte->sid & 0xffu) << 8);
		end = MAX(first, lower_bound(p->sids, ((irte->sid >> 8) + 1u) << 8));
	}
	for (guint i = first; i < end; i++) {
		viommu_sid sid = g_array_index(p->sids, viommu_sid, i);

		if (ret.n == NAMED) {
			ret.more = end - i;
			break;
		}
		if (vtd_irte_admits(irte, sid))
			ret.named[ret.n++] = sid;
	}
	return ret;
}

static void
print_admitted(const vtd_irte *irte, const requesters *from)
{
	if (irte->svt == 0) {
		printf("from any requester");
		return;
	}
	if (irte->svt == 3) {
		printf("from nobody (SVT=3 is reserved)");
		return;
	}
	if (irte->svt == 2)
		printf("from buses %02x to %02x (as QEMU reads SID; the specification has the first bus in the high half)",
			irte->sid & 0xff, irte->sid >> 8);
	else
		printf("from %s", viommu_bdf_text((viommu_sid){ irte->sid }).text);
	for (guint i = 0; i < from->n; i++)
		printf("%s0000:%s", i ? ", " : " = ", viommu_bdf_text(from->named[i]).text);
	if (from->more)
		printf(" and %s more", viommu_count_text(from->more).text);
	if (from->ioapic)
		printf("%sIOAPIC", from->n ? ", " : " = ");
	if (!from->n && !from->ioapic)
		printf(" (no such device now)");
}

static void
put_irte(GString *out, const vtd_irte *irte, const requesters *from)
{
	viommu_jt_begin(out, NULL, '{');
	viommu_jt_int(out, "index", irte->index);
	viommu_jt_hex(out, "entry_gpa", irte->entry.v);
	viommu_jt_begin(out, "entry", '[');
	viommu_jt_hex(out, NULL, irte->raw[0]);
	viommu_jt_hex(out, NULL, irte->raw[1]);
	viommu_jt_end(out, ']');
	viommu_jt_word(out, "format", irte->posted ? "posted" : "remapped");
	viommu_jt_int(out, "vector", irte->vector);
	viommu_jt_int(out, "svt", irte->svt);
	viommu_jt_int(out, "sq", irte->sq);
	viommu_jt_int(out, "sid", irte->sid);
	viommu_jt_begin(out, "devices", '[');
	for (guint i = 0; i < from->n; i++)
		viommu_jt_bdf(out, NULL, from->named[i]);
	if (from->ioapic)
		viommu_jt_word(out, NULL, "IOAPIC");
	viommu_jt_end(out, ']');
	if (from->more)
		viommu_jt_int(out, "more_devices", from->more);
	if (irte->posted) {
		viommu_jt_hex(out, "posted_descriptor", irte->posted_descriptor.v);
	} else {
		viommu_jt_int(out, "destination", irte->destination);
		viommu_jt_word(out, "delivery_mode", vtd_delivery_mode_text(irte->delivery_mode));
		viommu_jt_bool(out, "logical", irte->logical);
		viommu_jt_bool(out, "redirection_hint", irte->redirection_hint);
		viommu_jt_bool(out, "level_triggered", irte->level_triggered);
	}
	viommu_jt_end(out, '}');
	viommu_jt_flush(out, stdout);
}

static void
print_irte(const vtd_irte *irte, void *user)
{
	printer *p = user;
	requesters from = admitted(p, irte);

	p->present++;
	if (p->json) {
		put_irte(p->json, irte, &from);
		return;
	}
	printf("  %5u  vector 0x%02x ", irte->index, irte->vector);
	if (irte->posted)
		printf("posted, descriptor at GPA 0x%" PRIx64 "%s, ", irte->posted_descriptor.v, irte->urgent ? ", urgent" : "");
	else
		printf("%s, %s APIC 0x%x, %s%s, ", vtd_delivery_mode_text(irte->delivery_mode),
			irte->logical ? "logical" : "physical", irte->destination, irte->redirection_hint ? "redirection hint, " : "",
			irte->level_triggered ? "level" : "edge");
	print_admitted(irte, &from);
	printf("  [0x%" PRIx64 " 0x%" PRIx64 "]\n", irte->raw[0], irte->raw[1]);
}

static void
put_head(GString *out, const vtd_irt *irt)
{
	viommu_jt_begin(out, "interrupts", '{');
	viommu_jt_bool(out, "enabled", irt->enabled);
	viommu_jt_hex(out, "base", irt->base.v);
	viommu_jt_int(out, "size", irt->entries);
	viommu_jt_bool(out, "x2apic", irt->x2apic);
	viommu_jt_begin(out, "entries", '[');
}

gboolean
viommu_dump_interrupts(const viommu_target *target, GString *json, GError **error)
{
	g_autoptr(GArray) sids = sorted_sids(target->machine);
	printer p = { .target = target, .sids = sids, .json = json };
	uint32_t unreadable = 0;
	vtd_irt irt;

	vtd_irt_init(&target->unit, target->registers, &irt);
	if (json)
		put_head(json, &irt);
	else
		printf("\n%sinterrupt remapping table%s at GPA 0x%" PRIx64 ": %u entries, %s destinations%s\n",
			viommu_tone_on(VIOMMU_STRONG), viommu_tone_off(VIOMMU_STRONG), irt.base.v, irt.entries,
			irt.x2apic ? "x2APIC" : "xAPIC", irt.enabled ? "" : "; not enabled (GSTS.IRES = 0)");
	if (irt.enabled && !vtd_walk_irt(&irt, target->memory, &unreadable, print_irte, &p, error))
		return FALSE;
	if (json) {
		viommu_jt_end(json, ']');
		viommu_jt_int(json, "unreadable", unreadable);
		viommu_jt_end(json, '}');
	} else if (irt.enabled) {
		printf("  %s of %s entries present\n", viommu_count_text(p.present).text, viommu_count_text(irt.entries).text);
		if (unreadable)
			printf("  %s entries could not be read\n", viommu_count_text(unreadable).text);
	}
	return TRUE;
}
