/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of each device's DMA, before any paging entry is looked at. */
#include <inttypes.h>

#include "find/find.h"
#include "text/text.h"

/* Devices that go through one set of tables. */
typedef struct {
	vtd_device device; /* the first */
	GArray *sids;
} sharing;

typedef struct {
	const viommu_finder *f;
	GHashTable *tables;  /* vtd_device -> sharing */
	GPtrArray *in_order; /* of the same */
	GHashTable *domains; /* DID + 1 -> sharing: the first with it */
	guint translated, passed;
} devices;

static void
sharing_free(void *data)
{
	sharing *self = data;

	g_array_unref(self->sids);
	g_free(self);
}

/* As many devices are named where there can be more. */
#define MAX_NAMES 6

char *
viommu_find_names(const viommu_machine *machine, const GArray *sids)
{
	GString *ret = g_string_new(NULL);

	for (guint i = 0; i < sids->len && i < MAX_NAMES; i++) {
		viommu_sid sid = g_array_index(sids, viommu_sid, i);
		const viommu_pci_device *pci = viommu_machine_pci_at(machine, sid);

		g_string_append_printf(ret, "%s%s", i ? ", " : "", viommu_bdf_text(sid).text);
		if (pci && *pci->driver)
			g_string_append_printf(ret, " (%s)", pci->driver);
	}
	if (sids->len > MAX_NAMES)
		g_string_append_printf(ret, " and %u more", sids->len - MAX_NAMES);
	return g_string_free(ret, FALSE);
}

/* The last entry that was read, as a place. */
static viommu_where
last_entry(const vtd_device *device)
{
	const vtd_step *step;

	if (device->n_steps == 0)
		return viommu_where_device(device->sid);
	step = &device->steps[device->n_steps - 1];
	if (step->words)
		return viommu_where_entry(step->entry, step->raw[0]);
	return viommu_where_device(device->sid);
}

static void
find_refused(const viommu_finder *f, viommu_sid sid, const vtd_device *device)
{
	const vtd_step *step = device->n_steps ? &device->steps[device->n_steps - 1] : NULL;
	viommu_text name = viommu_bdf_text(sid);
	viommu_where where = last_entry(device);

	if (device->fault == VTD_FAULT_ROOT_NOT_PRESENT || device->fault == VTD_FAULT_CONTEXT_NOT_PRESENT) {
		viommu_findings_add(f->list, "device-not-in-tables", where.text, "%s: %s, so all its DMA is refused", name.text,
			vtd_fault_text(device->fault));
	} else if (step && !step->words && step->kind == VTD_STEP_ROOT) {
		viommu_findings_add(f->list, "root-outside-ram", viommu_where_register("RTADDR", f->unit.rtaddr).text,
			"the root table at GPA 0x%" PRIx64 " is not in RAM", step->table.v);
	} else if (step && !step->words) {
		g_autofree char *table = g_strdup_printf("%s entry at GPA 0x%" PRIx64, vtd_step_name(step), step->entry.v);

		viommu_findings_add(f->list, "table-outside-ram", table, "%s: the table of this entry is not in RAM", name.text);
	} else {
		viommu_findings_add(f->list, "device-entry-refused", where.text, "%s: %s (fault reason 0x%x)", name.text,
			vtd_fault_text(device->fault), device->fault);
	}
}

static void
note_tables(devices *d, viommu_sid sid, const vtd_device *device)
{
	sharing *s = g_hash_table_lookup(d->tables, device), *first;

	if (!s) {
		s = g_new0(sharing, 1);
		s->device = *device;
		s->sids = g_array_new(FALSE, FALSE, sizeof(viommu_sid));
		g_ptr_array_add(d->in_order, s);
		g_hash_table_insert(d->tables, &s->device, s);
	}
	g_array_append_val(s->sids, sid);
	/* Only second stages: L1 may give all its first stages one DID. */
	if (device->stage != VTD_STAGE_SECOND)
		return;
	first = g_hash_table_lookup(d->domains, GUINT_TO_POINTER(device->did + 1u));
	if (!first)
		g_hash_table_insert(d->domains, GUINT_TO_POINTER(device->did + 1u), s);
	else if (!vtd_same_tables(&first->device, device))
		viommu_findings_add(d->f->list, "domain-id-reused", last_entry(device).text,
			"%s has domain %u with the table at GPA 0x%" PRIx64 ", and %s has it with that at 0x%" PRIx64,
			viommu_bdf_text(sid).text, device->did, device->table.v, viommu_bdf_text(first->device.sid).text,
			first->device.table.v);
}

static gboolean
find_device(devices *d, const viommu_pci_device *pci, GError **error)
{
	const viommu_finder *f = d->f;
	vtd_device device;

	if (viommu_machine_bypassed(f->machine, pci->sid)) {
		viommu_findings_add(f->list, "device-bypasses-iommu", viommu_where_device(pci->sid).text,
			"its root bus (number %u) has bypass_iommu, so its DMA is not translated", pci->root);
		return TRUE;
	}
	if (!vtd_gsts_tes(f->unit.gsts))
		return TRUE;
	if (!vtd_find_device(&f->unit, f->memory, viommu_machine_alias(f->machine, pci->sid), &device, error))
		return FALSE;
	switch (device.outcome) {
	case VTD_TRANSLATES:
		d->translated++;
		note_tables(d, pci->sid, &device);
		if (device.stage != VTD_STAGE_SECOND && g_str_has_prefix(pci->driver, "vfio-"))
			viommu_findings_add(f->list, "first-stage-not-shadowed", last_entry(&device).text,
				"%s (%s) goes through the first-stage table at GPA 0x%" PRIx64, viommu_bdf_text(pci->sid).text,
				pci->driver, device.table.v);
		break;
	case VTD_PASS_THROUGH:
		d->passed++;
		viommu_findings_add(f->list, "pass-through", last_entry(&device).text, "%s: %s",
			viommu_bdf_text(pci->sid).text, device.scalable ? "PGTT = 4 (pass-through)" : "TT = 2 (pass-through)");
		break;
	case VTD_FAULTS:
		find_refused(f, pci->sid, &device);
		break;
	default:
		break; /* DISABLED was said once; what could not be read is unknown */
	}
	return TRUE;
}

gboolean
viommu_find_devices(const viommu_finder *f, GError **error)
{
	g_autoptr(GHashTable) tables = vtd_tables_new(NULL);
	g_autoptr(GPtrArray) in_order = g_ptr_array_new_with_free_func(sharing_free);
	g_autoptr(GHashTable) domains = g_hash_table_new(NULL, NULL);
	devices d = { .f = f, .tables = tables, .in_order = in_order, .domains = domains };

	for (guint i = 0; i < f->machine->pci->len; i++)
		if (!find_device(&d, &g_array_index(f->machine->pci, viommu_pci_device, i), error))
			return FALSE;
	if (d.passed && d.translated)
		viommu_findings_add(f->list, "mixed-pass-through", viommu_where_register("RTADDR", f->unit.rtaddr).text,
			"%u devices are translated, %u are passed through", d.translated, d.passed);
	for (guint i = 0; i < in_order->len; i++) {
		const sharing *s = g_ptr_array_index(in_order, i);
		g_autofree char *names = viommu_find_names(f->machine, s->sids);

		if (s->sids->len > 1)
			viommu_findings_add(f->list, "domain-shared", last_entry(&s->device).text,
				"domain %u, table at GPA 0x%" PRIx64 ": %u devices, %s", s->device.did, s->device.table.v,
				s->sids->len, names);
	}
	return TRUE;
}
