/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The result for programs: viommu-verify(1) describes it. */
#include "text/json-list.h"
#include "text/json-text.h"
#include "report/render.h"
#include "report/report-bounds.h"
#include "report/report.h"
#include "text/text.h"

static json_t *
counts_json(const viommu_result *result)
{
	json_t *ret = json_object();

	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		if (v != VIOMMU_GONE)
			json_object_set_new(ret, viommu_verdict_name(v), json_pack("{s:I, s:I}", "pages",
			(json_int_t) result->pages[v], "runs", (json_int_t) result->runs_of[v]));
	return ret;
}

/* Of a list: some 500 bytes each, and some 2 KB with a walk. */
#define MAX_RUNS 4096

/* How many devices are named for one table: a crafted record can attach 65536. */
#define NAMED 64

/* The devices that share the table of a target; none for one that is like another. */
typedef struct {
	json_t *named;
	guint more;
} sharers;

static void
clear_sharers(gpointer data)
{
	json_decref(((sharers *) data)->named);
}

static GArray *
sharers_by_target(const viommu_result *result)
{
	GArray *ret = g_array_new(FALSE, TRUE, sizeof(sharers));

	g_array_set_clear_func(ret, clear_sharers);
	g_array_set_size(ret, result->targets->len);
	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, i);
		sharers *list = &g_array_index(ret, sharers, target->same_as);

		if (!list->named)
			list->named = json_array();
		if (target->any_device)
			continue;
		if (json_array_size(list->named) < NAMED)
			json_array_append_new(list->named, viommu_json_bdf(target->sid));
		else
			list->more++;
	}
	return ret;
}

static json_t *
evidence_json(const vtd_unit *unit, const vtd_translation *walk)
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
	return evidence;
}

static void
put_expected(GString *out, const viommu_target_result *target, const viommu_run *run)
{
	const viommu_request *request = &g_array_index(target->space->requests, viommu_request, run->expected.request);

	viommu_jt_begin(out, "expected", '{');
	if (run->expected.prot_known)
		viommu_jt_word(out, "prot", viommu_prot_text(run->expected.read, run->expected.write).text);
	viommu_jt_int(out, "seq", request->seq);
	if (run->expected.gpa_known)
		viommu_jt_hex(out, "gpa", run->expected.gpa.v);
	viommu_jt_end(out, '}');
}

static void
put_observed(GString *out, const viommu_run *run)
{
	viommu_jt_begin(out, "observed", '{');
	viommu_jt_hex(out, "gpa", run->gpa.v);
	viommu_jt_word(out, "prot", viommu_prot_text(run->read, run->write).text);
	viommu_jt_hex(out, "page_size", 1ull << run->page_shift);
	viommu_jt_end(out, '}');
}

static void
put_links(GString *out, const viommu_chain *chain)
{
	viommu_link broken = viommu_chain_first_broken(chain);

	viommu_jt_begin(out, "links", '{');
	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		viommu_jt_word(out, viommu_link_name((viommu_link) i), viommu_link_state_name(chain->links[i].state));
	viommu_jt_end(out, '}');
	if (broken < VIOMMU_LINKS)
		viommu_jt_word(out, "first_broken", viommu_link_name(broken));
}

static void
put_run(GString *out, const viommu_report *report, const viommu_run *run, const vtd_unit *unit, const GArray *devices)
{
	const viommu_result *result = report->result;
	const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, run->target);
	const sharers *list = &g_array_index(devices, sharers, run->target);

	viommu_jt_begin(out, NULL, '{');
	viommu_jt_word(out, "verdict", viommu_verdict_name(run->verdict));
	viommu_jt_hex(out, "first", run->iova.first);
	viommu_jt_hex(out, "last", run->iova.last);
	viommu_jt_json(out, "devices", json_incref(list->named));
	viommu_jt_json(out, "space", json_integer((json_int_t) target->space->id));
	if (list->more)
		viommu_jt_int(out, "more_devices", list->more);
	if (run->has_expected)
		put_expected(out, target, run);
	if (run->has_observed)
		put_observed(out, run);
	if (run->other_page_size)
		viommu_jt_bool(out, "other_page_size", true);
	if (run->read_added)
		viommu_jt_bool(out, "read_added", true);
	put_links(out, viommu_run_chain(result, run));
	if (run->note)
		viommu_jt_json(out, "note", viommu_report_string(run->note));
	if (run->evidence)
		viommu_jt_json(out, "evidence", evidence_json(unit, run->evidence));
	viommu_jt_end(out, '}');
}

json_t *
viommu_report_json_run(const viommu_report *report, const viommu_run *run)
{
	g_autoptr(GArray) devices = sharers_by_target(report->result);
	g_autoptr(GString) text = g_string_new(NULL);
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
	put_run(text, report, run, &unit, devices);
	return viommu_jt_load(text);
}

static json_t *
target_json(const viommu_target_result *target, const vtd_unit *unit)
{
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
	json_object_set_new(item, "record", viommu_report_string(target->record->path));
	json_object_set_new(item, "failed_requests", json_integer((json_int_t) target->space->failed));
	json_object_set_new(item, "not_in_record", json_integer((json_int_t) target->not_in_record));
	return item;
}

static json_t *
records_json(const viommu_report *report)
{
	const viommu_result *result = report->result;
	json_t *ret = json_array();
	const viommu_record *last = NULL;

	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_record *record = g_array_index(result->targets, viommu_target_result, i).record;

		if (record != last) {
			json_t *item = json_pack("{s:o, s:s, s:o, s:o, s:o, s:I, s:b, s:b, s:b, s:o}", "path",
				viommu_report_string(record->path), "session", record->session, "program",
				viommu_report_string(record->program), "kernel",
				viommu_report_string(record->kernel), "cmdline",
				viommu_report_string(record->cmdline), "events", (json_int_t) record->events, "ended", record->ended, "settled",
				record->settled, "cut", record->cut, "lost", record->lost_reason
					? viommu_report_string(record->lost_reason)
					: json_null());

			if (record->checks)
				json_object_set(item, "checks", record->checks);
			json_array_append_new(ret, item);
		}
		last = record;
	}
	return ret;
}

static void
put_runs(viommu_json_lists *lists, const viommu_report *report, const vtd_unit *unit, const GArray *devices, viommu_run_bounds *bounds)
{
	const viommu_result *result = report->result;
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < result->runs->len && !viommu_run_bounds_full(bounds); i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (!viommu_run_bounds_take(bounds, run))
			continue;
		g_string_truncate(text, 0);
		put_run(text, report, run, unit, devices);
		viommu_json_lists_put_text(lists, text->str);
	}
}

static json_t *
left_out_json(const viommu_run_bounds *bounds)
{
	return json_pack("{s:I, s:I, s:I}", "runs", (json_int_t) bounds->left_out.runs, "pages", (json_int_t) bounds->left_out.pages,
		"faults", (json_int_t) bounds->left_out.faults);
}

static json_t *
qemu_json(const viommu_report *report, const vtd_unit *unit)
{
	const viommu_machine *machine = viommu_snapshot_machine(report->snapshot);
	json_t *ret = viommu_machine_summary_json(machine, unit);

	if (machine->cmdline) {
		json_t *list = json_array();

		for (char **argument = machine->cmdline; *argument; argument++)
			json_array_append_new(list, viommu_report_string(*argument));
		json_object_set_new(ret, "cmdline", list);
	}
	if (machine->host_kernel)
		json_object_set_new(ret, "host", json_pack("{s:s*, s:o, s:s*}", "os", machine->host_os, "kernel",
			viommu_report_string(machine->host_kernel), "arch",
			machine->host_arch));
	return ret;
}

void
viommu_report_json(FILE *out, const viommu_report *report)
{
	const viommu_result *result = report->result;
	const viommu_capture_info *info = viommu_snapshot_info(report->snapshot);
	g_autoptr(GArray) devices = sharers_by_target(result);
	viommu_json_lists lists;
	viommu_run_bounds mapped, gone;
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
	viommu_run_bounds_of(result, false, report->all ? UINT64_MAX : MAX_RUNS, &mapped);
	viommu_run_bounds_of(result, true, report->all ? UINT64_MAX : MAX_RUNS, &gone);
	viommu_json_lists_begin(&lists, out, json_pack("{s:s, s:i, s:i, s:o, s:o, s:{s:s, s:s, s:b, s:i}, s:o, s:o, s:{s:o, s:o}}", "format",
		"viommu-result", "version", 2, "exit_status", report->exit_status, "qemu",
		qemu_json(report, &unit), "records", records_json(report), "capture", "time", info->time,
		"memory_source", info->memory_source, "paused", info->paused, "reads", (int) result->reads, "counts",
		counts_json(result), "chain", viommu_report_json_chain(report), "left_out", "runs", left_out_json(&mapped), "unmapped",
		left_out_json(&gone)));
	viommu_json_lists_next(&lists, "targets");
	for (guint i = 0; i < result->targets->len; i++)
		viommu_json_lists_put(&lists, target_json(&g_array_index(result->targets, viommu_target_result, i), &unit));
	viommu_json_lists_next(&lists, "runs");
	put_runs(&lists, report, &unit, devices, &mapped);
	viommu_json_lists_next(&lists, "unmapped");
	put_runs(&lists, report, &unit, devices, &gone);
	if (report->findings) {
		json_t *findings = viommu_findings_json(report->findings, false), *item;
		size_t i;

		viommu_json_lists_next(&lists, "findings");
		json_array_foreach (findings, i, item)
			viommu_json_lists_put(&lists, json_incref(item));
		json_decref(findings);
	}
	if (report->redact) {
		json_t *kinds = viommu_redact_counts_json(report->redact), *item;
		size_t i;

		viommu_json_lists_next(&lists, "redacted");
		json_array_foreach (kinds, i, item)
			viommu_json_lists_put(&lists, json_incref(item));
		json_decref(kinds);
	}
	viommu_json_lists_end(&lists);
}
