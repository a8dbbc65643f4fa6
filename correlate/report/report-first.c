/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-first.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/render.h"
#include "report/report-parts.h"
#include "text/text.h"

char *
viommu_report_domain(const viommu_target_result *target)
{
	g_autofree char *ret = NULL;
	char *text = NULL;
	size_t len;
	FILE *out;

	if (target->any_device)
		return g_strdup(target->space->attached ? "no device is attached at this moment"
							: "the record does not say which device: looked for in the tables of every one");
	if (target->bypassed)
		return g_strdup("not behind the vIOMMU (bypass_iommu)");
	out = open_memstream(&text, &len);
	viommu_render_device(out, &target->device);
	fclose(out);
	ret = g_strdup(text);
	free(text);
	return g_steal_pointer(&ret);
}

static const vtd_step *
last_step(const viommu_run *run)
{
	const vtd_translation *walk = run->evidence;

	return walk && walk->n_steps ? &walk->steps[walk->n_steps - 1] : NULL;
}

/* "; reserved bit 43 is set" */
static void
put_reserved(GString *text, const vtd_unit *unit, const vtd_step *step)
{
	vtd_field_value fields[VTD_MAX_FIELDS];
	unsigned n = vtd_step_fields(unit, step, fields);
	uint64_t bits = 0;

	for (unsigned i = 0; i < n; i++)
		if (strcmp(fields[i].name, "reserved") == 0)
			bits |= fields[i].value;
	if (!bits)
		return;
	g_string_append(text, bits & (bits - 1) ? "; reserved bits" : "; reserved bit");
	for (unsigned i = 0; i < 64; i++)
		if (bits >> i & 1)
			g_string_append_printf(text, "%s %u", bits & ((1ull << i) - 1) ? "," : "", i);
	g_string_append(text, bits & (bits - 1) ? " are set" : " is set");
}

static char *
entry_text(const vtd_unit *unit, const vtd_step *step)
{
	GString *ret = g_string_new(NULL);

	g_string_append_printf(ret, "%s, index %u of the table at GPA 0x%" PRIx64 "; at GPA 0x%" PRIx64 ": ", vtd_step_name(step),
		step->index, step->table.v, step->entry.v);
	if (!step->words)
		g_string_append(ret, viommu_page_status_text(step->status));
	for (unsigned k = 0; k < step->words; k++)
		g_string_append_printf(ret, "%s0x%016" PRIx64, k ? " " : "", step->raw[k]);
	if (step->words == 1) /* of more it would have to be said of which */
		put_reserved(ret, unit, step);
	return g_string_free(ret, FALSE);
}

/* Of the first stage: a page size that there is not is refused at its entry. */
static bool
is_leaf(const vtd_step *step)
{
	return step->level == 1 || step->raw[0] >> 7 & 1;
}

/* How many of the low bits of the IOVA the last entry of a walk does not depend on. */
static unsigned
span_shift(const vtd_translation *walk)
{
	const vtd_step *step = &walk->steps[walk->n_steps - 1], *inner = step;

	if (step->kind != VTD_STEP_SECOND_STAGE && step->kind != VTD_STEP_FIRST_STAGE)
		return 64;
	if (walk->device.stage != VTD_STAGE_NESTED || step->kind == VTD_STEP_FIRST_STAGE)
		return vtd_level_shift(step->level);
	/* On the way to a first-stage table, or to the page itself. */
	while (inner > walk->steps && inner->kind != VTD_STEP_FIRST_STAGE)
		inner--;
	if (inner->kind != VTD_STEP_FIRST_STAGE)
		return 64;
	return is_leaf(inner) ? MIN(vtd_level_shift(inner->level), vtd_level_shift(step->level)) : vtd_level_shift(inner->level);
}

/* Pages of a run whose walks are sure to end where that of its first page does. */
static uint64_t
pages_at_entry(const viommu_run *run)
{
	unsigned shift = span_shift(run->evidence);
	uint64_t last = shift < 64 ? run->iova.first | ((1ull << shift) - 1) : UINT64_MAX;

	if (run->evidence->outcome == VTD_INTERRUPT)
		last = VTD_INTERRUPT_LAST;
	return ((MIN(last, run->iova.last) - run->iova.first) >> VIOMMU_PAGE_SHIFT) + 1;
}

/* One bad entry can be behind many runs: pages of those whose walk ends there. */
static char *
others_text(const viommu_result *result, const viommu_run *run, const vtd_step *step)
{
	uint64_t pages = 0, unknown = 0, runs = 0;

	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *other = &g_array_index(result->runs, viommu_run, i);
		const vtd_step *end = last_step(other);

		uint64_t seen;

		if (!viommu_run_is_fault(result, other))
			continue;
		seen = end ? pages_at_entry(other) : 0;
		unknown += viommu_run_pages(other) - seen;
		if (other != run && end && end->entry.v == step->entry.v) {
			pages += seen;
			runs++;
		}
	}
	if (!pages)
		return NULL;
	return g_strdup_printf("the walks of %s more wrong page%s (%s run%s) end at this entry%s", viommu_count_text(pages).text,
		pages == 1 ? "" : "s", viommu_count_text(runs).text, runs == 1 ? "" : "s",
		unknown ? ", of those that were looked at" : "");
}

static char *
expected_text(const viommu_run *run, const viommu_request *request)
{
	g_autofree char *gpa = run->expected.gpa_known ? g_strdup_printf("GPA 0x%" PRIx64, run->expected.gpa.v)
						       : g_strdup("a GPA that is not known");

	return g_strdup_printf("%s, %s (event %" PRIu64 " of the record)", gpa,
		run->expected.prot_known ? viommu_prot_text(run->expected.read, run->expected.write).text : "permissions not known",
		request->seq);
}

/* What link 5 showed of it, both sides; NULL: it is not known to be broken there. */
static const char *
seen_in_shadow(const viommu_report *report, const viommu_target_result *target, const viommu_run *run)
{
	const viommu_where where = viommu_where_iova(target->sid, run->iova);
	g_autoptr(GPtrArray) groups = report->findings ? viommu_findings_groups(report->findings) : NULL;

	if (!groups || viommu_run_chain(report->result, run)->links[VIOMMU_LINK_SHADOW].state != VIOMMU_LINK_BROKEN)
		return NULL;
	for (guint i = 0; i < groups->len; i++) {
		const viommu_finding_group *group = g_ptr_array_index(groups, i);

		for (guint k = 0; g_str_has_prefix(group->kind->code, "shadow-") && k < group->list->len; k++) {
			const viommu_finding *item = g_ptr_array_index(group->list, k);

			if (strcmp(item->where, where.text) == 0)
				return item->seen;
		}
	}
	return NULL;
}

GArray *
viommu_report_first_facts(const viommu_report *report, const viommu_run *run)
{
	const viommu_target_result *target = &g_array_index(report->result->targets, viommu_target_result, run->target);
	const char *in_shadow = seen_in_shadow(report, target, run);
	const vtd_step *step = last_step(run);
	GArray *ret = viommu_facts_new();

	{
		g_autofree char *label = viommu_report_target_label(report, target);
		g_autofree char *backend = viommu_escape(*target->space->backend ? target->space->backend : "unknown backend");

		viommu_facts_add(ret, "Device", g_strdup_printf("%s, space %" PRId64 " (%s)", label, target->space->id, backend));
	}
	viommu_facts_add(ret, "IOVA",
		g_strdup_printf("0x%" PRIx64 "-0x%" PRIx64 " (%s)", run->iova.first, run->iova.last,
			viommu_size_text(run->iova.last - run->iova.first + 1).text));
	viommu_facts_add(ret, "Domain", viommu_report_domain(target));
	if (run->has_expected)
		viommu_facts_add(ret, viommu_run_asked_words(run),
			expected_text(run, &g_array_index(target->space->requests, viommu_request, run->expected.request)));
	if (run->has_observed)
		viommu_facts_add(ret, "The table has",
			g_strdup_printf("GPA 0x%" PRIx64 ", %s, %s page", run->gpa.v, viommu_prot_text(run->read, run->write).text,
				viommu_size_text(1ull << run->page_shift).text));
	if (step) {
		char *others = others_text(report->result, run, step);
		vtd_unit unit;

		viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
		viommu_facts_add(ret, "Entry", entry_text(&unit, step));
		if (others)
			viommu_facts_add(ret, "Same entry", others);
	}
	if (in_shadow)
		viommu_facts_add(ret, "On the host", g_strdup(in_shadow));
	if (run->note)
		viommu_facts_add(ret, "Note", viommu_report_shown(run->note));
	return ret;
}

static char *
join(char *a, char *b)
{
	char *ret = a && b ? g_strdup_printf("%s, %s", a, b) : g_strdup(a ? a : b ? b : "not known");

	g_free(a);
	g_free(b);
	return ret;
}

GArray *
viommu_report_versions(const viommu_report *report)
{
	const viommu_machine *machine = viommu_snapshot_machine(report->snapshot);
	const viommu_record *last = NULL;
	GArray *ret = viommu_facts_new();
	g_autofree char *version = viommu_escape(machine->version);
	g_autofree char *package = viommu_escape(machine->package);

	viommu_facts_add(ret, "QEMU", g_strdup_printf("%s%s%s%s", version, *package ? " (" : "", package, *package ? ")" : ""));
	viommu_facts_add(ret, "Host",
		join(machine->host_kernel ? viommu_report_shown(machine->host_kernel) : NULL,
			machine->host_os ? viommu_escape(machine->host_os) : NULL));
	for (guint i = 0; i < report->result->targets->len; i++) {
		const viommu_record *record = g_array_index(report->result->targets, viommu_target_result, i).record;

		if (record != last) {
			g_autofree char *kernel = viommu_report_shown(record->kernel);
			g_autofree char *program = viommu_report_shown(record->program);

			viommu_facts_add(ret, "L1", g_strdup_printf("%s; record by %s", kernel, program));
		}
		last = record;
	}
	viommu_facts_add(ret, "viommu", g_strdup(VIOMMU_VERSION));
	return ret;
}
