/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "text/json-list.h"
#include "text/json-text.h"
#include "report/render.h"

static const char help[] =
	"Usage: viommu info TARGET\n\n"
	"The state of the vIOMMU at a glance: the QEMU, intel-iommu's properties, the\n"
	"registers with their fields under the VT-d specification's names, the PCI\n"
	"devices and the domain that each one's DMA goes through.\n\n"
	"  viommu info -q unix:/tmp/qmp\n\n"
	"      --format FORMAT   text (default) or json\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help   -V, --version\n";

static uint64_t
register_value(const vtd_registers *regs, const vtd_register_info *info)
{
	return info->bytes == 8 ? vtd_reg64(regs, info->offset) : vtd_reg32(regs, info->offset);
}

/* All of it reads 0, and it is not one of those where that says something. */
static bool
is_dull(const vtd_register_info *info, uint64_t value)
{
	switch (info->offset) {
	case VTD_REG_GSTS:
	case VTD_REG_RTADDR:
	case VTD_REG_FSTS:
	case VTD_REG_IQA:
	case VTD_REG_IRTA:
		return false;
	default:
		return value == 0;
	}
}

static void
print_register(const vtd_registers *regs, const vtd_register_info *info)
{
	uint64_t value = register_value(regs, info);
	int column;

	if (is_dull(info, value))
		return;
	column = printf("  %-8s 0x%0*" PRIx64, info->name, info->bytes * 2, value);

	printf("%*s", column < 29 ? 29 - column : 1, "");
	column = 29;
	for (unsigned i = 0; i < info->n_fields; i++) {
		const vtd_field *field = &info->fields[i];
		uint64_t bits = vtd_bits(value, field->high, field->low);
		char text[96];
		int len;

		if (bits == 0 && field->high == field->low)
			continue; /* a flag that is off says nothing */
		len = g_snprintf(text, sizeof(text), bits > 9 ? "%s=0x%" PRIx64 " (%s)" : "%s=%" PRIu64 " (%s)", field->name, bits,
			field->meaning);
		if (column > 29 && column + len > 100) {
			printf("\n%29s", "");
			column = 29;
		}
		column += printf("%s%s", column > 29 ? "  " : "", text);
	}
	putchar('\n');
}

static void
print_fault_records(const viommu_target *target)
{
	for (unsigned i = 0; i < vtd_fault_records(target->registers); i++) {
		vtd_fault_record record;

		vtd_decode_fault_record(target->registers, i, &record);
		if (record.recorded)
			printf("  FRCD%-4u 0x%016" PRIx64 " 0x%016" PRIx64 "  F=1  %s of 0x%" PRIx64 " by %s, reason 0x%x: %s (dump --faults)\n",
				i, record.raw[1], record.raw[0], record.read ? "read" : "write", record.iova.v,
				viommu_bdf_text(record.sid).text, record.reason, vtd_fault_text((vtd_fault) record.reason));
	}
}

static json_t *
registers_json(const vtd_registers *regs)
{
	json_t *ret = json_object();

	for (unsigned r = 0; r < vtd_register_count; r++) {
		const vtd_register_info *info = &vtd_register_table[r];
		uint64_t value = register_value(regs, info);
		json_t *fields = json_object();

		for (unsigned i = 0; i < info->n_fields; i++)
			json_object_set_new(fields, info->fields[i].name,
				json_integer((json_int_t) vtd_bits(value, info->fields[i].high, info->fields[i].low)));
		json_object_set_new(ret, info->name,
			json_pack("{s:i, s:o, s:o}", "offset", info->offset, "value", viommu_json_hex(value), "fields", fields));
	}
	return ret;
}

static void
print_properties(const viommu_machine *machine)
{
	const char *name;
	json_t *value;
	int column = 0;

	printf("\n%sintel-iommu properties%s\n ", viommu_tone_on(VIOMMU_STRONG), viommu_tone_off(VIOMMU_STRONG));
	json_object_foreach (machine->iommu_properties, name, value) {
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		g_autofree char *safe_name = viommu_escape(name);
		g_autofree char *safe = viommu_escape(text ? text : "");

		if (column > 80) {
			printf("\n ");
			column = 0;
		}
		column += printf(" %s=%s", safe_name, safe);
		free(text);
	}
	putchar('\n');
}

static void
print_contradictions(const viommu_target *target)
{
	viommu_contradiction list[VIOMMU_MAX_CONTRADICTIONS];
	unsigned n = viommu_machine_contradictions(target->machine, target->registers, list);

	for (unsigned i = 0; i < n; i++)
		printf("  %sthe property %s is %" PRIu64 ", but %s is %" PRIu64 "%s\n", viommu_tone_on(VIOMMU_BAD), list[i].property,
			list[i].property_value, list[i].field, list[i].field_value, viommu_tone_off(VIOMMU_BAD));
	if (!n)
		printf("  the registers say the same\n");
}

static gboolean
print_devices(const viommu_target *target, GError **error)
{
	printf("\n%sdevices%s\n", viommu_tone_on(VIOMMU_STRONG), viommu_tone_off(VIOMMU_STRONG));
	for (guint i = 0; i < target->machine->pci->len; i++) {
		const viommu_pci_device *pci = &g_array_index(target->machine->pci, viommu_pci_device, i);
		g_autofree char *label = viommu_device_label(target->machine, pci->sid);
		viommu_sid requester = viommu_machine_alias(target->machine, pci->sid);
		vtd_device device;

		printf("  %-36s ", label);
		if (viommu_machine_bypassed(target->machine, pci->sid)) {
			printf("not behind the vIOMMU (bypass_iommu)\n");
			continue;
		}
		if (!vtd_find_device(&target->unit, target->memory, requester, &device, error))
			return FALSE;
		if (requester.v != pci->sid.v)
			printf("as %s, ", viommu_bdf_text(requester).text);
		viommu_render_device(stdout, &device);
		putchar('\n');
	}
	return TRUE;
}

/* What becomes of the DMA of each device: an array of vtd_device, NULL with error. */
static GArray *
find_devices(const viommu_target *target, GError **error)
{
	g_autoptr(GArray) ret = g_array_new(FALSE, FALSE, sizeof(vtd_device));

	for (guint i = 0; i < target->machine->pci->len; i++) {
		viommu_sid sid = g_array_index(target->machine->pci, viommu_pci_device, i).sid;
		vtd_device device;

		if (!vtd_find_device(&target->unit, target->memory, viommu_machine_alias(target->machine, sid), &device, error))
			return NULL;
		g_array_append_val(ret, device);
	}
	return g_steal_pointer(&ret);
}

static void
put_device(GString *out, const viommu_target *target, const viommu_pci_device *pci, const vtd_device *device)
{
	vtd_device shown = *device;

	shown.sid = pci->sid;
	viommu_jt_begin(out, NULL, '{');
	viommu_put_device(out, &target->unit, &shown);
	viommu_jt_bdf(out, "source_id", device->sid);
	viommu_jt_bool(out, "bypassed", viommu_machine_bypassed(target->machine, pci->sid));
	viommu_jt_int(out, "root_bus", pci->root);
	viommu_jt_hex(out, "vendor_id", pci->vendor);
	viommu_jt_hex(out, "device_id", pci->device);
	viommu_jt_text(out, "class", pci->class_text);
	viommu_jt_text(out, "id", pci->id);
	viommu_jt_end(out, '}');
}

static json_t *
contradictions_json(const viommu_target *target)
{
	viommu_contradiction list[VIOMMU_MAX_CONTRADICTIONS];
	unsigned n = viommu_machine_contradictions(target->machine, target->registers, list);
	json_t *ret = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(ret, json_pack("{s:s, s:I, s:s, s:I}", "property", list[i].property, "property_value",
			(json_int_t) list[i].property_value, "field", list[i].field, "field_value",
			(json_int_t) list[i].field_value));
	return ret;
}

static gboolean
print_json(const viommu_target *target, GError **error)
{
	g_autoptr(GArray) devices = find_devices(target, error);
	g_autoptr(GString) text = g_string_new(NULL);
	viommu_json_lists lists;

	if (!devices)
		return FALSE;
	viommu_json_lists_begin(&lists, stdout, json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "format", "viommu-info", "version", 1,
		"qemu", viommu_machine_summary_json(target->machine, &target->unit), "registers_base",
		viommu_json_hex(target->registers->base), "registers", registers_json(target->registers), "contradictions",
		contradictions_json(target)));
	viommu_json_lists_next(&lists, "devices");
	for (guint i = 0; i < devices->len; i++) {
		g_string_truncate(text, 0);
		put_device(text, target, &g_array_index(target->machine->pci, viommu_pci_device, i),
			&g_array_index(devices, vtd_device, i));
		viommu_json_lists_put_text(&lists, text->str);
	}
	viommu_json_lists_end(&lists);
	return TRUE;
}

int
viommu_cmd_info(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_DEFAULTS;
	g_autoptr(viommu_target) target = NULL;
	g_autoptr(GError) error = NULL;
	int status = viommu_cmd_parse(&cmd, argc, argv, NULL, TRUE, help);

	if (status >= 0)
		return status;
	if (cmd.arguments[0])
		return viommu_cmd_usage("info", "it takes no argument, but got \"%s\" (a snapshot is named with -s)", cmd.arguments[0]);
	target = viommu_target_open(&cmd.target, &error);
	if (!target)
		return viommu_cmd_fail("info", error);
	if (cmd.json)
		return print_json(target, &error) ? VIOMMU_EXIT_CLEAN : viommu_cmd_fail("info", error);
	viommu_render_machine(stdout, target->machine, &target->unit,
		target->snapshot ? viommu_snapshot_info(target->snapshot) : NULL, viommu_memory_name(target->memory));
	print_properties(target->machine);
	print_contradictions(target);
	printf("\n%sregisters at GPA 0x%" PRIx64 "%s (without those whose 0 says nothing)\n", viommu_tone_on(VIOMMU_STRONG), target->registers->base,
		viommu_tone_off(VIOMMU_STRONG));
	for (unsigned i = 0; i < vtd_register_count; i++)
		print_register(target->registers, &vtd_register_table[i]);
	print_fault_records(target);
	return print_devices(target, &error) ? VIOMMU_EXIT_CLEAN : viommu_cmd_fail("info", error);
}
