/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The result for programs: viommu-verify(1) describes it. */
#include "render.h"
#include "report.h"
#include "text.h"

static json_t *
counts_json(const viommu_result *result)
{
	json_t *ret = json_object();

	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		json_object_set_new(ret, viommu_verdict_name(v), json_pack("{s:I, s:I}", "pages",
			(json_int_t) result->pages[v], "runs", (json_int_t) result->runs_of[v]));
	return ret;
}

/* The device of a run, and those that share its table. */
static json_t *
devices_json(const viommu_result *result, uint32_t target)
{
	json_t *ret = json_array();

	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_target_result *other = &g_array_index(result->targets, viommu_target_result, i);

		if (other->same_as == target && !other->any_device)
			json_array_append_new(ret, viommu_json_bdf(other->sid));
	}
	return ret;
}

static void
set_evidence(json_t *item, const vtd_unit *unit, const vtd_translation *walk)
{
	const vtd_step *last = walk->n_steps ? &walk->steps[walk->n_steps - 1] : NULL;
	json_t *evidence = viommu_translation_json(unit, walk);

	if (last && last->words) {
		json_object_set_new(evidence, "step", json_string(vtd_step_name(last)));
		json_object_set_new(evidence, "entry_gpa", viommu_json_hex(last->entry.v));
		json_object_set_new(evidence, "entry", viommu_json_hex(last->raw[0]));
		if (last->kind == VTD_STEP_SECOND_STAGE)
			json_object_set_new(evidence, "level", json_integer(last->level));
	}
	json_object_set_new(item, "evidence", evidence);
}

static json_t *
run_json(const viommu_result *result, const viommu_run *run, const vtd_unit *unit)
{
	const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, run->target);
	json_t *item = json_pack("{s:s, s:o, s:o, s:o, s:I}", "verdict", viommu_verdict_name(run->verdict), "first",
		viommu_json_hex(run->iova.first), "last", viommu_json_hex(run->iova.last), "devices",
		devices_json(result, run->target), "space", (json_int_t) target->space->id);

	if (run->has_expected) {
		const viommu_request *request =
			&g_array_index(target->space->requests, viommu_request, run->expected.request);
		json_t *expected = json_pack("{s:s, s:I}", "prot",
			viommu_prot_text(run->expected.read, run->expected.write).text, "seq", (json_int_t) request->seq);

		if (!run->expected.prot_known)
			json_object_del(expected, "prot");

		if (run->expected.gpa_known)
			json_object_set_new(expected, "gpa", viommu_json_hex(run->expected.gpa.v));
		json_object_set_new(item, "expected", expected);
	}
	if (run->has_observed)
		json_object_set_new(item, "observed", json_pack("{s:o, s:s, s:o}", "gpa", viommu_json_hex(run->gpa.v), "prot",
			viommu_prot_text(run->read, run->write).text, "page_size", viommu_json_hex(1ull << run->page_shift)));
	if (run->other_page_size)
		json_object_set_new(item, "other_page_size", json_true());
	if (run->read_added)
		json_object_set_new(item, "read_added", json_true());
	if (run->note)
		json_object_set_new(item, "note", json_string(run->note));
	if (run->evidence)
		set_evidence(item, unit, run->evidence);
	return item;
}

json_t *
viommu_report_json_run(const viommu_report *report, const viommu_run *run)
{
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
	return run_json(report->result, run, &unit);
}

static json_t *
targets_json(const viommu_result *result, const vtd_unit *unit)
{
	json_t *ret = json_array();

	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, i);
		json_t *item = target->any_device ? json_object() : viommu_device_json(unit, &target->device);

		if (target->any_device) {
			json_object_set_new(item, "any_device", json_true());
		} else {
			json_object_set_new(item, "device", viommu_json_bdf(target->sid));
			json_object_set_new(item, "source_id", viommu_json_bdf(target->device.sid));
			json_object_set_new(item, "bypassed", json_boolean(target->bypassed));
		}
		json_object_set_new(item, "space", json_integer(target->space->id));
		json_object_set_new(item, "backend", json_string(target->space->backend));
		json_object_set_new(item, "record", viommu_json_path(target->record->path));
		json_object_set_new(item, "failed_requests", json_integer((json_int_t) target->space->failed));
		json_object_set_new(item, "not_in_record", json_integer((json_int_t) target->not_in_record));
		json_array_append_new(ret, item);
	}
	return ret;
}

static json_t *
records_json(const viommu_result *result)
{
	json_t *ret = json_array();
	const viommu_record *last = NULL;

	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_record *record = g_array_index(result->targets, viommu_target_result, i).record;

		if (record != last)
			json_array_append_new(ret, json_pack("{s:o, s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:s?}", "path",
				viommu_json_path(record->path),
				"session", record->session, "program", record->program, "kernel", record->kernel, "cmdline",
				record->cmdline, "events", (json_int_t) record->events, "ended", record->ended, "cut",
				record->cut, "lost", record->lost_reason));
		last = record;
	}
	return ret;
}

json_t *
viommu_report_json(const viommu_report *report)
{
	const viommu_result *result = report->result;
	const viommu_capture_info *info = viommu_snapshot_info(report->snapshot);
	json_t *runs = json_array();
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
	for (guint i = 0; i < result->runs->len; i++)
		json_array_append_new(runs, run_json(result, &g_array_index(result->runs, viommu_run, i), &unit));
	return json_pack("{s:s, s:i, s:i, s:o, s:o, s:{s:s, s:s, s:b, s:i}, s:o, s:o, s:o}", "format", "viommu-result",
		"version", 1, "exit_status", report->exit_status, "qemu",
		viommu_machine_summary_json(viommu_snapshot_machine(report->snapshot), &unit), "records",
		records_json(result), "capture", "time", info->time, "memory_source", info->memory_source, "paused",
		info->paused, "reads", (int) result->reads, "counts", counts_json(result), "targets",
		targets_json(result, &unit), "runs", runs);
}
