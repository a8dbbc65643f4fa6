/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/render.h"

#include <inttypes.h>

#include "text/json-text.h"
#include "text/text.h"

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

void
viommu_put_step(GString *out, const vtd_unit *unit, const vtd_step *step)
{
	vtd_field_value fields[VTD_MAX_FIELDS];
	unsigned n = vtd_step_fields(unit, step, fields);

	viommu_jt_word(out, "step", vtd_step_name(step));
	viommu_jt_hex(out, "table", step->table.v);
	viommu_jt_int(out, "index", step->index);
	viommu_jt_hex(out, "entry_gpa", step->entry.v);
	if (step->words) {
		viommu_jt_begin(out, "entry", '[');
		for (unsigned i = 0; i < step->words; i++)
			viommu_jt_hex(out, NULL, step->raw[i]);
		viommu_jt_end(out, ']');
	} else {
		viommu_jt_word(out, "unreadable", viommu_page_status_text(step->status));
	}
	viommu_jt_begin(out, "fields", '{');
	for (unsigned i = 0; i < n; i++)
		if (fields[i].wide)
			viommu_jt_hex(out, fields[i].name, fields[i].value);
		else
			viommu_jt_int(out, fields[i].name, fields[i].value);
	viommu_jt_end(out, '}');
}

static void
put_steps(GString *out, const char *name, const vtd_unit *unit, const vtd_step *steps, unsigned n)
{
	viommu_jt_begin(out, name, '[');
	for (unsigned i = 0; i < n; i++) {
		viommu_jt_begin(out, NULL, '{');
		viommu_put_step(out, unit, &steps[i]);
		viommu_jt_end(out, '}');
	}
	viommu_jt_end(out, ']');
}

static json_t *
steps_json(const vtd_unit *unit, const vtd_step *steps, unsigned n)
{
	g_autoptr(GString) text = g_string_new(NULL);

	put_steps(text, NULL, unit, steps, n);
	return viommu_jt_load(text);
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
		answer_json(walk, &walk->write), "steps", steps_json(unit, walk->steps, walk->n_steps));

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

void
viommu_put_device(GString *out, const vtd_unit *unit, const vtd_device *device)
{
	const char *remark = vtd_device_remark(unit, device);

	viommu_jt_bdf(out, "device", device->sid);
	viommu_jt_word(out, "outcome", vtd_outcome_text(device->outcome));
	put_steps(out, "steps", unit, device->steps, device->n_steps);
	if (remark)
		viommu_jt_word(out, "remark", remark);
	if (device->scalable && device->n_steps > 2)
		viommu_jt_int(out, "pasid", device->pasid);
	if (device->outcome == VTD_FAULTS) {
		viommu_jt_int(out, "fault_reason", device->fault);
		viommu_jt_word(out, "fault_text", vtd_fault_text(device->fault));
	}
	if (device->outcome == VTD_TRANSLATES || device->outcome == VTD_PASS_THROUGH)
		viommu_jt_int(out, "domain", device->did);
	if (device->outcome != VTD_TRANSLATES)
		return;
	viommu_jt_hex(out, "table", device->table.v);
	viommu_jt_int(out, "levels", device->levels);
	viommu_jt_int(out, "input_bits", device->input_bits);
	viommu_jt_word(out, "stage", stage_text(device->stage));
}

json_t *
viommu_device_json(const vtd_unit *unit, const vtd_device *device)
{
	g_autoptr(GString) text = g_string_new(NULL);

	viommu_jt_begin(text, NULL, '{');
	viommu_put_device(text, unit, device);
	viommu_jt_end(text, '}');
	return viommu_jt_load(text);
}
