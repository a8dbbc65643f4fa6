/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "render.h"

#include <inttypes.h>

#include "text.h"

static const char *
mode_text(const vtd_unit *unit)
{
	return unit->scalable ? "scalable mode" : "legacy mode";
}

void
viommu_render_machine(FILE *out, const viommu_machine *machine, const vtd_unit *unit, const viommu_capture_info *info,
	const char *memory)
{
	g_autofree char *version = viommu_escape(machine->version);
	g_autofree char *package = viommu_escape(machine->package);
	g_autofree char *state = viommu_escape(machine->run_state);

	fprintf(out, "QEMU %s%s%s%s, guest %s\n", version, *package ? " (" : "", package, *package ? ")" : "", state);
	fprintf(out, "vIOMMU  %u bits, %s, translation %s%s%s, caching mode %s%s%s, interrupt remapping %s\n",
		vtd_cap_mgaw(unit->cap), mode_text(unit),
		viommu_tone_on(vtd_gsts_tes(unit->gsts) ? VIOMMU_PLAIN : VIOMMU_BAD), vtd_gsts_tes(unit->gsts) ? "on" : "OFF",
		viommu_tone_off(vtd_gsts_tes(unit->gsts) ? VIOMMU_PLAIN : VIOMMU_BAD), viommu_tone_on(VIOMMU_STRONG),
		vtd_cap_cm(unit->cap) ? "on" : "off", viommu_tone_off(VIOMMU_STRONG), vtd_gsts_ires(unit->gsts) ? "on" : "off");
	if (info && *info->time) {
		g_autofree char *time = viommu_escape(info->time);
		g_autofree char *source = viommu_escape(info->memory_source);

		fprintf(out, "read    %s, %s%s\n", time, source, info->paused ? ", guest stopped" : "");
	} else if (memory) {
		fprintf(out, "read    now, %s\n", memory);
	}
}

json_t *
viommu_machine_summary_json(const viommu_machine *machine, const vtd_unit *unit)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:O, s:o, s:o, s:o, s:o}", "version", machine->version, "package",
		machine->package, "run_state", machine->run_state, "kvm", machine->kvm, "iommu_properties",
		machine->iommu_properties, "cap", viommu_json_hex(unit->cap), "ecap", viommu_json_hex(unit->ecap), "gsts",
		viommu_json_hex(unit->gsts), "rtaddr", viommu_json_hex(unit->rtaddr));
}

char *
viommu_device_label(const viommu_machine *machine, viommu_sid sid)
{
	const viommu_pci_device *device = viommu_machine_pci_at(machine, sid);
	g_autofree char *id = NULL;
	g_autofree char *class_text = NULL;

	if (!device)
		return g_strdup_printf("%s (QEMU has no PCI device there)", viommu_bdf_text(sid).text);
	id = viommu_escape(device->id);
	class_text = viommu_escape(device->class_text);
	return g_strdup_printf("%s [%04x:%04x]%s%s%s%s", viommu_bdf_text(sid).text, device->vendor, device->device,
		*class_text ? " " : "", class_text, *id ? " id=" : "", id);
}

void
viommu_render_fields(FILE *out, const vtd_unit *unit, const vtd_step *step)
{
	vtd_field_value fields[VTD_MAX_FIELDS];
	unsigned n = vtd_step_fields(unit, step, fields);

	for (unsigned i = 0; i < n; i++) {
		fprintf(out, fields[i].wide ? "%s%s=0x%" PRIx64 : "%s%s=%" PRIu64, i ? "  " : "", fields[i].name,
			fields[i].value);
		if (fields[i].meaning)
			fprintf(out, " (%s)", fields[i].meaning);
	}
}

void
viommu_render_steps(FILE *out, const vtd_unit *unit, const vtd_step *steps, unsigned n, int blame)
{
	for (unsigned i = 0; i < n; i++) {
		const vtd_step *step = &steps[i];
		viommu_tone tone = (int) i == blame ? VIOMMU_BAD : VIOMMU_PLAIN;

		fprintf(out, "  %s%-10s table 0x%" PRIx64 " index %-3u entry at GPA 0x%" PRIx64 ": ", viommu_tone_on(tone),
			vtd_step_name(step), step->table.v, step->index, step->entry.v);
		if (step->words == 0)
			fprintf(out, "%s", viommu_page_status_text(step->status));
		for (unsigned k = 0; k < step->words; k++)
			fprintf(out, "%s0x%016" PRIx64, k ? k == 4 ? "\n             " : " " : "", step->raw[k]);
		if (step->words == 2)
			fprintf(out, " (low, high)");
		fprintf(out, "%s\n", viommu_tone_off(tone));
		if (step->words) {
			fprintf(out, "             ");
			viommu_render_fields(out, unit, step);
			fputc('\n', out);
		}
	}
}

json_t *
viommu_steps_json(const vtd_unit *unit, const vtd_step *steps, unsigned n)
{
	json_t *ret = json_array();

	for (unsigned i = 0; i < n; i++) {
		const vtd_step *step = &steps[i];
		vtd_field_value fields[VTD_MAX_FIELDS];
		unsigned n_fields = vtd_step_fields(unit, step, fields);
		json_t *item = json_object(), *decoded = json_object();

		json_object_set_new_nocheck(item, "step", json_string_nocheck(vtd_step_name(step)));
		json_object_set_new_nocheck(item, "table", viommu_json_hex(step->table.v));
		json_object_set_new_nocheck(item, "index", json_integer(step->index));
		json_object_set_new_nocheck(item, "entry_gpa", viommu_json_hex(step->entry.v));
		if (step->words) {
			json_t *raw = json_array();

			for (unsigned k = 0; k < step->words; k++)
				json_array_append_new(raw, viommu_json_hex(step->raw[k]));
			json_object_set_new(item, "entry", raw);
		} else {
			json_object_set_new(item, "unreadable", json_string(viommu_page_status_text(step->status)));
		}
		for (unsigned k = 0; k < n_fields; k++)
			json_object_set_new_nocheck(decoded, fields[k].name,
				fields[k].wide ? viommu_json_hex(fields[k].value) : json_integer((json_int_t) fields[k].value));
		json_object_set_new(item, "fields", decoded);
		json_array_append_new(ret, item);
	}
	return ret;
}

void
viommu_render_answer(FILE *out, const char *what, const vtd_translation *walk, const vtd_answer *answer)
{
	if (answer->allowed) {
		fprintf(out, "%-6s %sallowed%s: GPA 0x%" PRIx64, what, viommu_tone_on(VIOMMU_GOOD),
			viommu_tone_off(VIOMMU_GOOD), walk->gpa.v);
		if (walk->page_shift)
			fprintf(out, ", %s page", viommu_size_text(1ull << walk->page_shift).text);
		fputc('\n', out);
		return;
	}
	if (answer->fault == VTD_FAULT_NONE) {
		fprintf(out, "%-6s %sunknown%s: %s\n", what, viommu_tone_on(VIOMMU_UNSURE), viommu_tone_off(VIOMMU_UNSURE),
			walk->outcome == VTD_UNREADABLE ? "a table could not be read" : vtd_outcome_text(walk->outcome));
		return;
	}
	fprintf(out, "%-6s %srefused%s: fault reason 0x%x, %s", what, viommu_tone_on(VIOMMU_BAD),
		viommu_tone_off(VIOMMU_BAD), answer->fault, vtd_fault_text(answer->fault));
	if (answer->blame >= 0)
		fprintf(out, " (%s entry)", vtd_step_name(&walk->steps[answer->blame]));
	if (vtd_answer_remark(walk, answer))
		fprintf(out, "; %s", vtd_answer_remark(walk, answer));
	fputc('\n', out);
}

static json_t *
answer_json(const vtd_translation *walk, const vtd_answer *answer)
{
	json_t *ret = json_pack("{s:b}", "allowed", answer->allowed);

	if (!answer->allowed && answer->fault != VTD_FAULT_NONE) {
		json_object_set_new(ret, "fault_reason", json_integer(answer->fault));
		json_object_set_new(ret, "fault_text", json_string(vtd_fault_text(answer->fault)));
	}
	if (vtd_answer_remark(walk, answer))
		json_object_set_new(ret, "remark", json_string(vtd_answer_remark(walk, answer)));
	if (answer->blame >= 0)
		json_object_set_new(ret, "blame", json_string(vtd_step_name(&walk->steps[answer->blame])));
	return ret;
}

json_t *
viommu_translation_json(const vtd_unit *unit, const vtd_translation *walk)
{
	json_t *ret = json_pack("{s:o, s:s, s:o, s:o, s:o}", "iova", viommu_json_hex(walk->iova.v), "outcome",
		vtd_outcome_text(walk->outcome), "read", answer_json(walk, &walk->read), "write",
		answer_json(walk, &walk->write), "steps", viommu_steps_json(unit, walk->steps, walk->n_steps));

	if (walk->read.allowed || walk->write.allowed) {
		json_object_set_new(ret, "gpa", viommu_json_hex(walk->gpa.v));
		if (walk->page_shift)
			json_object_set_new(ret, "page_size", viommu_json_hex(1ull << walk->page_shift));
	}
	return ret;
}

static const char *
stage_text(vtd_stage stage)
{
	return stage == VTD_STAGE_SECOND ? "second-stage" : stage == VTD_STAGE_FIRST ? "first-stage" : "nested first-stage";
}

void
viommu_render_device(FILE *out, const vtd_device *device)
{
	if (device->scalable && device->n_steps > 2)
		fprintf(out, "PASID %u, ", device->pasid);
	switch (device->outcome) {
	case VTD_TRANSLATES:
		fprintf(out, "domain %u, %s table at GPA 0x%" PRIx64 ", %u levels (%u bits)", device->did,
			stage_text(device->stage), device->table.v, device->levels, device->input_bits);
		if (device->stage == VTD_STAGE_NESTED)
			fprintf(out, " over second stage at GPA 0x%" PRIx64 ", %u levels", device->outer_table.v,
				device->outer_levels);
		return;
	case VTD_PASS_THROUGH:
		fprintf(out, "domain %u, %spass-through%s: DMA is not translated", device->did, viommu_tone_on(VIOMMU_UNSURE),
			viommu_tone_off(VIOMMU_UNSURE));
		return;
	case VTD_FAULTS:
		fprintf(out, "%sall DMA is refused%s: fault reason 0x%x, %s", viommu_tone_on(VIOMMU_BAD),
			viommu_tone_off(VIOMMU_BAD), device->fault, vtd_fault_text(device->fault));
		return;
	case VTD_DISABLED:
	case VTD_UNREADABLE:
	case VTD_INTERRUPT:
		break;
	}
	fprintf(out, "%s", vtd_outcome_text(device->outcome));
}

json_t *
viommu_device_json(const vtd_unit *unit, const vtd_device *device)
{
	json_t *ret = json_pack("{s:o, s:s, s:o}", "device", viommu_json_bdf(device->sid), "outcome",
		vtd_outcome_text(device->outcome), "steps", viommu_steps_json(unit, device->steps, device->n_steps));

	if (vtd_device_remark(unit, device))
		json_object_set_new(ret, "remark", json_string(vtd_device_remark(unit, device)));
	if (device->scalable && device->n_steps > 2)
		json_object_set_new(ret, "pasid", json_integer(device->pasid));
	if (device->outcome == VTD_FAULTS) {
		json_object_set_new(ret, "fault_reason", json_integer(device->fault));
		json_object_set_new(ret, "fault_text", json_string(vtd_fault_text(device->fault)));
	}
	if (device->outcome == VTD_TRANSLATES || device->outcome == VTD_PASS_THROUGH)
		json_object_set_new(ret, "domain", json_integer(device->did));
	if (device->outcome == VTD_TRANSLATES) {
		json_object_set_new(ret, "table", viommu_json_hex(device->table.v));
		json_object_set_new(ret, "levels", json_integer(device->levels));
		json_object_set_new(ret, "input_bits", json_integer(device->input_bits));
		json_object_set_new(ret, "stage", json_string(stage_text(device->stage)));
	}
	return ret;
}
