/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "found.h"

#include <string.h>

viommu_findings *
found_in(const viommu_snapshot *snapshot)
{
	viommu_findings *ret = viommu_findings_new();
	GError *error = NULL;

	viommu_find_unit(ret, snapshot, &error);
	g_assert_no_error(error);
	viommu_find_tables(ret, snapshot, &error);
	g_assert_no_error(error);
	return ret;
}

void
found_codes(const viommu_findings *self, const char *wanted)
{
	static const char *const always[] = { "caching-mode-on", "interrupt-remapping-off", NULL };
	g_autoptr(GString) codes = g_string_new(NULL);
	const viommu_finding_kind *kind;

	for (guint i = 0; (kind = viommu_finding_kind_at(i)); i++)
		if (viommu_findings_count(self, kind->code) && !g_strv_contains(always, kind->code))
			g_string_append_printf(codes, "%s%s", codes->len ? " " : "", kind->code);
	g_assert_cmpstr(codes->str, ==, wanted);
}

void
found_says(const viommu_findings *self, const char *code, const char *part)
{
	g_autoptr(GPtrArray) groups = viommu_findings_groups(self);
	g_autoptr(GString) all = g_string_new(NULL);

	for (guint i = 0; i < groups->len; i++) {
		const viommu_finding_group *group = g_ptr_array_index(groups, i);

		for (guint k = 0; strcmp(group->kind->code, code) == 0 && k < group->list->len; k++) {
			const viommu_finding *item = g_ptr_array_index(group->list, k);

			g_string_append_printf(all, "%s: %s\n", item->where, item->seen);
		}
	}
	if (!strstr(all->str, part))
		g_error("%s does not say \"%s\" but:\n%s", code, part, all->str);
}

viommu_machine *
found_machine(const viommu_snapshot *snapshot)
{
	return (viommu_machine *) viommu_snapshot_machine(snapshot);
}

void
found_register(const viommu_snapshot *snapshot, unsigned offset, unsigned bytes, uint64_t value)
{
	vtd_registers *registers = (vtd_registers *) viommu_snapshot_registers(snapshot);

	for (unsigned i = 0; i < bytes; i++)
		registers->bytes[offset + i] = (uint8_t) (value >> (8 * i));
}

viommu_pci_device *
found_add_device(const viommu_snapshot *snapshot, uint16_t sid, const char *driver)
{
	GArray *pci = found_machine(snapshot)->pci;
	viommu_pci_device device = { .sid = { sid }, .vendor = 0x8086, .device = 0x10d3 };

	g_strlcpy(device.driver, driver, sizeof(device.driver));
	for (guint i = 0; i < pci->len; i++)
		if (g_array_index(pci, viommu_pci_device, i).sid.v == sid) {
			g_array_remove_index(pci, i);
			break;
		}
	g_array_append_val(pci, device);
	return &g_array_index(pci, viommu_pci_device, pci->len - 1);
}
