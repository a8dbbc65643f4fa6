/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diff/diff.h"
#include "redact/redact.h"
#include "text/text.h"

typedef struct {
	viommu_diff_fact_visitor visit;
	void *user;
} teller;

static void
tell(const teller *self, const char *topic, const char *name, const char *before, const char *after)
{
	if (g_strcmp0(before, after) != 0)
		self->visit(&(viommu_diff_fact){ topic, name, before, after, viommu_redact_may_be_same(before, after) }, self->user);
}

/* ---- registers ------------------------------------------------------------------------------- */

static void
tell_number(const teller *self, const char *name, uint64_t before, uint64_t after, bool wide)
{
	g_autofree char *was = g_strdup_printf(wide ? "0x%" PRIx64 : "%" PRIu64, before);
	g_autofree char *is = g_strdup_printf(wide ? "0x%" PRIx64 : "%" PRIu64, after);

	tell(self, "register", name, was, is);
}

static uint64_t
value_of(const vtd_registers *registers, const vtd_register_info *info)
{
	return info->bytes == 8 ? vtd_reg64(registers, info->offset) : vtd_reg32(registers, info->offset);
}

static void
diff_register(const teller *self, const vtd_register_info *info, uint64_t before, uint64_t after)
{
	uint64_t named = 0;

	for (unsigned i = 0; i < info->n_fields; i++) {
		const vtd_field *field = &info->fields[i];
		uint64_t was = vtd_bits(before, field->high, field->low), is = vtd_bits(after, field->high, field->low);
		g_autofree char *name = g_strdup_printf("%s.%s", info->name, field->name);

		named |= (field->high - field->low == 63 ? UINT64_MAX : ((UINT64_C(1) << (field->high - field->low + 1)) - 1)) << field->low;
		if (was != is)
			tell_number(self, name, was, is, was > 9 || is > 9);
	}
	if ((before ^ after) & ~named)
		tell_number(self, info->name, before, after, true);
}

static void
diff_registers(const teller *self, const vtd_registers *a, const vtd_registers *b)
{
	g_autofree bool *named = g_new0(bool, VTD_REGISTERS_MAX);

	tell_number(self, "base", a->base, b->base, true);
	for (unsigned i = 0; i < vtd_register_count; i++) {
		const vtd_register_info *info = &vtd_register_table[i];

		diff_register(self, info, value_of(a, info), value_of(b, info));
		memset(named + info->offset, true, info->bytes);
	}
	/* Fault records, and what this viommu has no name for. */
	for (unsigned at = 0; at + 8 <= MIN(a->size, b->size); at += 8) {
		g_autofree char *name = g_strdup_printf("offset 0x%x", at);

		if (!named[at] && !named[at + 4] && vtd_reg64(a, at) != vtd_reg64(b, at))
			tell_number(self, name, vtd_reg64(a, at), vtd_reg64(b, at), true);
	}
}

/* ---- the QEMU ---------------------------------------------------------------------------------- */

/* Of each QOM device, and of no vIOMMU in particular: older snapshots have them. */
static bool
is_old_property(const char *name)
{
	static const char *const names[] = { "hotpluggable", "hotplugged", "realized", NULL };

	return g_strv_contains(names, name);
}

static void
diff_properties(const teller *self, const json_t *a, const json_t *b)
{
	const char *name;
	const json_t *value;

	json_object_foreach ((json_t *) a, name, value) {
		char *was = json_dumps(value, JSON_ENCODE_ANY), *is = json_dumps(json_object_get(b, name), JSON_ENCODE_ANY);

		if (is || !is_old_property(name))
			tell(self, "property", name, was, is);
		free(was);
		free(is);
	}
	json_object_foreach ((json_t *) b, name, value) {
		char *is = json_dumps(value, JSON_ENCODE_ANY);

		if (!json_object_get(a, name) && !is_old_property(name))
			tell(self, "property", name, NULL, is);
		free(is);
	}
}

static char *
say_device(const viommu_pci_device *device)
{
	return device ? g_strdup_printf("[%04x:%04x] class %04x%s%s%s%s%s%s%s root bus %u", device->vendor, device->device,
				device->class_code, *device->id ? " id=" : "", device->id, *device->driver ? " driver " : "", device->driver,
				*device->host ? " host " : "", device->host, device->bridge ? " bridge" : "", device->root)
		      : NULL;
}

static void
diff_devices(const teller *self, const viommu_machine *a, const viommu_machine *b)
{
	for (guint i = 0; i < a->pci->len; i++) {
		const viommu_pci_device *device = &g_array_index(a->pci, viommu_pci_device, i);
		g_autofree char *was = say_device(device), *is = say_device(viommu_machine_pci_at(b, device->sid));

		tell(self, "device", viommu_bdf_text(device->sid).text, was, is);
	}
	for (guint i = 0; i < b->pci->len; i++) {
		const viommu_pci_device *device = &g_array_index(b->pci, viommu_pci_device, i);
		g_autofree char *is = say_device(device);

		if (!viommu_machine_pci_at(a, device->sid))
			tell(self, "device", viommu_bdf_text(device->sid).text, NULL, is);
	}
}

/* One text of a list, to be compared as a whole. */
static char *
say_ram(const viommu_machine *machine)
{
	GString *ret = g_string_new(NULL);

	for (guint i = 0; i < machine->ram->len; i++) {
		const viommu_ram_region *region = &g_array_index(machine->ram, viommu_ram_region, i);

		g_string_append_printf(ret, "%s0x%" PRIx64 "-0x%" PRIx64 " %s", i ? ", " : "", region->gpa.first, region->gpa.last, region->name);
	}
	return g_string_free(ret, FALSE);
}

static char *
say_bypass(const viommu_machine *machine)
{
	GString *ret = g_string_new(NULL);

	for (guint i = 0; i < machine->bypass->len; i++)
		g_string_append_printf(ret, "%s%u", i ? ", " : "", g_array_index(machine->bypass, uint8_t, i));
	return g_string_free(ret, FALSE);
}

static bool
same_argument(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || viommu_redact_may_be_same(a, b);
}

/* What stands between so many arguments at either end. */
static char *
between(char **arguments, guint head, guint tail)
{
	guint n = g_strv_length(arguments);
	GString *ret = g_string_new(head || head + tail == n ? "…" : NULL);

	if (head + tail == n)
		return g_string_free(ret, FALSE);
	for (guint i = head; i < n - tail; i++)
		g_string_append_printf(ret, "%s%s", ret->len ? " " : "", arguments[i]);
	return g_string_free(g_string_append(ret, tail ? " …" : ""), FALSE);
}

/* A line has dozens of arguments, of which few differ: what is the same at both ends is left out. */
static void
diff_command_line(const teller *self, char **a, char **b)
{
	guint n = a ? g_strv_length(a) : 0, m = b ? g_strv_length(b) : 0, head = 0, tail = 0;
	g_autofree char *before = NULL, *after = NULL;

	while (a && b && head < MIN(n, m) && same_argument(a[head], b[head]))
		head++;
	while (a && b && tail < MIN(n, m) - head && same_argument(a[n - 1 - tail], b[m - 1 - tail]))
		tail++;
	if (n == m && head == n)
		head = tail = 0; /* nothing but what is hidden */
	before = a ? between(a, head, tail) : NULL;
	after = b ? between(b, head, tail) : NULL;
	tell(self, "qemu", "command line", before, after);
}

void
viommu_diff_facts(const viommu_snapshot *a, const viommu_snapshot *b, viommu_diff_fact_visitor visit, void *user)
{
	const teller self = { visit, user };
	const viommu_machine *was = viommu_snapshot_machine(a), *is = viommu_snapshot_machine(b);
	g_autofree char *ram_before = say_ram(was), *ram_after = say_ram(is);
	g_autofree char *bypass_before = say_bypass(was), *bypass_after = say_bypass(is);

	tell(&self, "qemu", "version", was->version, is->version);
	tell(&self, "qemu", "package", was->package, is->package);
	tell(&self, "qemu", "run state", was->run_state, is->run_state);
	tell(&self, "qemu", "KVM", was->kvm ? "yes" : "no", is->kvm ? "yes" : "no");
	diff_command_line(&self, was->cmdline, is->cmdline);
	tell(&self, "qemu", "host's kernel", was->host_kernel, is->host_kernel);
	tell(&self, "qemu", "root buses not behind the vIOMMU", bypass_before, bypass_after);
	tell(&self, "ram", "RAM", ram_before, ram_after);
	diff_properties(&self, was->iommu_properties, is->iommu_properties);
	diff_devices(&self, was, is);
	diff_registers(&self, viommu_snapshot_registers(a), viommu_snapshot_registers(b));
}
