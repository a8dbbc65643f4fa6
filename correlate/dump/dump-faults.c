/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "dump/dump.h"
#include "text/json-text.h"
#include "report/render.h"
#include "text/text.h"

/* What the tables say now of the address that faulted. */
static gboolean
walk_again(const viommu_target *target, const vtd_fault_record *record, vtd_translation *walk, GError **error)
{
	vtd_device device;

	return vtd_find_device(&target->unit, target->memory, record->sid, &device, error) &&
		vtd_translate_in(&target->unit, target->memory, &device, record->iova, walk, error);
}

static void
print_record(const viommu_target *target, const vtd_fault_record *record)
{
	g_autofree char *label = viommu_device_label(target->machine, record->sid);

	printf("  record %u: %s, ", record->index, label);
	if (vtd_is_interrupt_fault(record->reason))
		printf("interrupt index %" PRIu64, record->iova.v >> 48);
	else
		printf("%s of IOVA 0x%" PRIx64, record->read ? "read" : "write", record->iova.v);
	if (record->has_pasid)
		printf(", PASID %u", record->pasid);
	printf(", fault reason 0x%x: %s\n", record->reason, vtd_fault_text((vtd_fault) record->reason));
}

static void
print_walk(const viommu_target *target, const vtd_fault_record *record, const vtd_translation *walk)
{
	const vtd_answer *answer = record->read ? &walk->read : &walk->write;

	printf("  the tables say now:\n");
	viommu_render_steps(stdout, &target->unit, walk->steps, walk->n_steps, answer->blame);
	printf("  ");
	viommu_render_answer(stdout, record->read ? "read" : "write", walk, answer);
	if (answer->allowed)
		printf("  the tables have changed since, or QEMU used an entry that it had cached\n");
	else if (answer->fault != VTD_FAULT_NONE && answer->fault != (vtd_fault) record->reason)
		printf("  that is another reason than the recorded one: the tables have changed since\n");
}

static gboolean
show_record(const viommu_target *target, const vtd_fault_record *record, GString *list, GError **error)
{
	bool interrupt = vtd_is_interrupt_fault(record->reason);
	vtd_translation walk;

	if (!interrupt && !walk_again(target, record, &walk, error))
		return FALSE;
	if (list) {
		json_t *item = json_pack("{s:i, s:[o, o], s:o, s:b, s:o, s:i, s:s}", "index", record->index, "raw",
			viommu_json_hex(record->raw[0]), viommu_json_hex(record->raw[1]), "device", viommu_json_bdf(record->sid),
			"read", record->read, "iova", viommu_json_hex(record->iova.v), "fault_reason", record->reason, "fault_text",
			vtd_fault_text((vtd_fault) record->reason));

		if (record->has_pasid)
			json_object_set_new(item, "pasid", json_integer(record->pasid));
		if (!interrupt)
			json_object_set_new(item, "now", viommu_translation_json(&target->unit, &walk));
		viommu_jt_json(list, NULL, item);
		viommu_jt_flush(list, stdout);
		return TRUE;
	}
	print_record(target, record);
	if (!interrupt)
		print_walk(target, record, &walk);
	return TRUE;
}

gboolean
viommu_dump_faults(const viommu_target *target, GString *json, GError **error)
{
	uint32_t fsts = vtd_reg32(target->registers, VTD_REG_FSTS);
	unsigned n = vtd_fault_records(target->registers), shown = 0;

	if (json) {
		viommu_jt_begin(json, "faults", '{');
		viommu_jt_int(json, "fsts", fsts);
		viommu_jt_int(json, "registers", n);
		viommu_jt_begin(json, "records", '[');
	} else {
		printf("\n%sfaults%s: %u recording register%s, FSTS 0x%x%s\n", viommu_tone_on(VIOMMU_STRONG),
			viommu_tone_off(VIOMMU_STRONG), n, n == 1 ? "" : "s", fsts,
			fsts & 1 ? " (PFO: there was no room for at least one more fault)" : "");
	}
	for (unsigned i = 0; i < n; i++) {
		vtd_fault_record record;

		vtd_decode_fault_record(target->registers, i, &record);
		if (!record.recorded)
			continue;
		shown++;
		if (!show_record(target, &record, json, error))
			return FALSE;
	}
	if (json) {
		viommu_jt_end(json, ']');
		viommu_jt_end(json, '}');
	} else if (!shown) {
		printf("  none is recorded now (L1's kernel clears them when it has logged them: see its dmesg for DMAR)\n");
	}
	return TRUE;
}
