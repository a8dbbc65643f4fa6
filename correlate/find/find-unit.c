/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the registers and QEMU's properties say: caching mode first. */
#include <inttypes.h>
#include <string.h>

#include "find/find.h"
#include "text/text.h"


void
viommu_finder_init(viommu_finder *f, viommu_findings *list, const viommu_snapshot *snapshot)
{
	*f = (viommu_finder){ .list = list, .machine = viommu_snapshot_machine(snapshot),
		.registers = viommu_snapshot_registers(snapshot), .memory = viommu_snapshot_memory(snapshot) };
	viommu_machine_unit(f->machine, f->registers, &f->unit);
}

void
viommu_finder_clear(viommu_finder *f)
{
	g_clear_pointer(&f->memory, viommu_memory_free);
}

GArray *
viommu_find_assigned(const viommu_machine *machine)
{
	g_autoptr(GArray) ret = g_array_new(FALSE, FALSE, sizeof(viommu_sid));
	bool known = machine->pci->len == 0;

	for (guint i = 0; i < machine->pci->len; i++) {
		const viommu_pci_device *pci = &g_array_index(machine->pci, viommu_pci_device, i);

		known |= *pci->driver != '\0';
		if (g_str_has_prefix(pci->driver, "vfio-"))
			g_array_append_val(ret, pci->sid);
	}
	return known ? g_steal_pointer(&ret) : NULL;
}

/* A property as QEMU has it, NULL when it has no such property. */
static char *
property_text(const viommu_machine *machine, const char *name)
{
	const json_t *value = json_object_get(machine->iommu_properties, name);
	g_autofree char *ret = NULL;
	char *text;

	if (!value)
		return NULL;
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	ret = g_strdup(text ? text : "");
	free(text);
	return g_steal_pointer(&ret);
}

void
viommu_find_caching_mode(const viommu_finder *f)
{
	g_autoptr(GArray) assigned = viommu_find_assigned(f->machine);
	g_autofree char *names = assigned ? viommu_find_names(f->machine, assigned) : NULL;
	g_autofree char *property = property_text(f->machine, "caching-mode");
	viommu_where where = viommu_where_register("CAP", f->unit.cap);
	bool on = vtd_cap_cm(f->unit.cap);
	g_autoptr(GString) seen = g_string_new(NULL);

	g_string_printf(seen, "CM = %d; ", on);
	if (property)
		g_string_append_printf(seen, "QEMU's property caching-mode is %s; ", property);
	if (!assigned)
		g_string_append(seen, "it is not known here which devices are assigned to L1");
	else if (assigned->len)
		g_string_append_printf(seen, "assigned to L1: %s", names);
	else
		g_string_append(seen, "QEMU emulates all PCI devices, and those do not need it");
	viommu_findings_add(f->list, on ? "caching-mode-on" : assigned && assigned->len ? "caching-mode-needed" : "caching-mode-off",
		where.text, "%s", seen->str);
}

static void
find_contradictions(const viommu_finder *f)
{
	viommu_contradiction list[VIOMMU_MAX_CONTRADICTIONS];
	unsigned n = viommu_machine_contradictions(f->machine, f->registers, list);

	for (unsigned i = 0; i < n; i++) {
		g_autofree char *value = g_strdup_printf("%" PRIu64, list[i].property_value);

		viommu_findings_add(f->list, "property-contradicts-register",
			viommu_where_property(list[i].property, value).text, "%s is %" PRIu64, list[i].field,
			list[i].field_value);
	}
}

static void
find_width(const viommu_finder *f)
{
	unsigned bits = vtd_cap_mgaw(f->unit.cap);
	const GArray *ram = f->machine->ram;
	uint64_t last = ram->len ? g_array_index(ram, viommu_ram_region, ram->len - 1).gpa.last : 0;
	viommu_where where = viommu_where_register("CAP", f->unit.cap);

	if (bits < 64 && last >> bits)
		viommu_findings_add(f->list, "ram-beyond-width", where.text,
			"MGAW: %u bits, and L1 has memory up to GPA 0x%" PRIx64, bits, last);
	if (bits < 48)
		viommu_findings_add(f->list, "narrow-width", where.text, "MGAW: %u bits, so IOVAs end at 0x%" PRIx64, bits,
			((uint64_t) 1 << bits) - 1);
}

void
viommu_find_configuration(const viommu_finder *f)
{
	viommu_where gsts = viommu_where_register("GSTS", f->unit.gsts);

	find_contradictions(f);
	find_width(f);
	if (!vtd_gsts_tes(f->unit.gsts))
		viommu_findings_add(f->list, "translation-off", gsts.text, "TES = 0: no DMA is translated");
	if (!vtd_ecap_ir(f->unit.ecap))
		viommu_findings_add(f->list, "interrupt-remapping-off", viommu_where_register("ECAP", f->unit.ecap).text,
			"IR = 0: the vIOMMU does not offer it");
	else if (vtd_gsts_tes(f->unit.gsts) && !vtd_gsts_ires(f->unit.gsts))
		viommu_findings_add(f->list, "interrupt-remapping-off", gsts.text, "IRES = 0: L1 does not use it");
}

gboolean
viommu_find_unit(viommu_findings *self, const viommu_snapshot *snapshot, GError **error)
{
	g_auto(viommu_finder) f;

	viommu_finder_init(&f, self, snapshot);
	viommu_find_caching_mode(&f);
	viommu_find_configuration(&f);
	return viommu_find_devices(&f, error) && viommu_find_queue(&f, error) && viommu_find_faults(&f, error);
}
