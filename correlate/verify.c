/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records against a snapshot: each device of each address space, one after the other. */
#include "join/join.h"
#include "record/pieces.h"
#include "report/report-bounds.h"
#include "report/report-parts.h"
#include "join/result.h"

/* How many runs get the whole walk as their evidence. */
#define EVIDENCE_LIMIT 1024

static gboolean
join_target(viommu_join *j, const vtd_unit *unit, viommu_memory *memory, GError **error)
{
	const vtd_device *device = j->device;

	switch (device->outcome) {
	case VTD_TRANSLATES:
		return viommu_join_tables(j, unit, memory, error);
	case VTD_PASS_THROUGH:
		viommu_join_add_expected(j, 0, UINT64_MAX, VIOMMU_PASSED_THROUGH, NULL);
		return TRUE;
	case VTD_DISABLED:
		viommu_join_add_expected(j, 0, UINT64_MAX, VIOMMU_TRANSLATION_OFF, NULL);
		return TRUE;
	case VTD_FAULTS:
		viommu_join_add_expected(j, 0, UINT64_MAX, VIOMMU_NO_CONTEXT, vtd_fault_text(device->fault));
		return TRUE;
	case VTD_UNREADABLE:
		viommu_join_add_expected(j, 0, UINT64_MAX, VIOMMU_UNVERIFIED, "the root, context or PASID table could not be read");
		return TRUE;
	case VTD_INTERRUPT:
		break; /* said of an address, not of a device */
	}
	return TRUE;
}

static gboolean
add_walk(viommu_result *self, viommu_run *run, const vtd_unit *unit, viommu_memory *memory, GError **error)
{
	const viommu_target_result *target = &g_array_index(self->targets, viommu_target_result, run->target);
	vtd_translation *walk = g_new0(vtd_translation, 1);

	run->evidence = walk;
	g_ptr_array_add(self->walks, walk);
	return vtd_translate_in(unit, memory, &target->device, VIOMMU_IOVA(run->iova.first), walk, error);
}

static bool
wants_walk(const viommu_result *self, const viommu_run *run)
{
	return run->verdict != VIOMMU_GONE && !g_array_index(self->targets, viommu_target_result, run->target).any_device;
}

/* What a report leads with, then what else is wrong: no limit hides it, and what could not be
 * told does not use it up. */
gboolean
viommu_result_add_evidence(viommu_result *self, const viommu_snapshot *snapshot, GError **error)
{
	g_autoptr(viommu_memory) memory = viommu_snapshot_memory(snapshot);
	viommu_run *first = (viommu_run *) viommu_report_first_fault(self);
	unsigned n = 0;
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), &unit);
	if (first && wants_walk(self, first) && !first->evidence && !add_walk(self, first, &unit, memory, error))
		return FALSE;
	for (viommu_rank rank = VIOMMU_RANK_FAULT; self->remarkable && rank < VIOMMU_RANK_GOOD; rank++)
		for (guint i = 0; i < self->runs->len && n < EVIDENCE_LIMIT; i++) {
			viommu_run *run = &g_array_index(self->runs, viommu_run, i);

			if (viommu_run_rank(self, run) != rank || !wants_walk(self, run))
				continue;
			n++;
			if (!run->evidence && !add_walk(self, run, &unit, memory, error))
				return FALSE;
		}
	return TRUE;
}

/* The target of this space which was first to go through the same tables; index, that of
 * the target itself, if it is the first. */
static uint32_t
same_target(GHashTable *known, const viommu_target_result *target, uint32_t index)
{
	gpointer first;

	if (target->device.outcome != VTD_TRANSLATES)
		return index;
	if (g_hash_table_lookup_extended(known, &target->device, NULL, &first))
		return GPOINTER_TO_UINT(first);
	g_hash_table_insert(known, g_memdup2(&target->device, sizeof(target->device)), GUINT_TO_POINTER(index));
	return index;
}

static bool
is_now(const viommu_result *result)
{
	return result->witnesses && result->witnesses->now;
}

static const char *
lost_note(viommu_result *result, const viommu_record *record)
{
	g_autofree char *text = NULL;

	if (!record->lost_reason && !record->settled)
		return "the record does not end with a mark or its end: events may be missing behind its last line";
	if (!record->lost_reason)
		return is_now(result) ? record->lost_behind : NULL;
	text = g_strdup_printf("the record has lost events (%s)", record->lost_reason);
	return g_string_chunk_insert_const(result->notes, text);
}

static uint64_t
left_in(const viommu_space *space, viommu_sid sid)
{
	const uint64_t *seq = space->left ? g_hash_table_lookup(space->left, GUINT_TO_POINTER(sid.v)) : NULL;

	return seq ? *seq : 0;
}

static gboolean
verify_space(viommu_result *result, const viommu_record *record, const viommu_space *space,
	const viommu_machine *machine, const vtd_unit *unit, viommu_memory *memory, vtd_budget *budget,
	GError **error)
{
	g_autoptr(GHashTable) known = vtd_tables_new(g_free);
	g_autoptr(GHashTable) known_bypassed = vtd_tables_new(g_free);

	for (guint i = 0; i < space->devices->len; i++) {
		viommu_target_result target = { .record = record, .space = space };
		uint32_t index = result->targets->len;
		viommu_join j = { .result = result, .target = index, .record = record, .space = space,
			.budget = budget, .now = is_now(result) };

		target.sid = g_array_index(space->devices, viommu_sid, i);
		target.bypassed = viommu_machine_bypassed(machine, target.sid);
		if (!vtd_find_device(unit, memory, viommu_machine_alias(machine, target.sid), &target.device, error))
			return FALSE;
		target.same_as = same_target(target.bypassed ? known_bypassed : known, &target, index);
		g_array_append_val(result->targets, target);
		if (target.same_as != index)
			continue;
		j.device = &target.device;
		j.lost = lost_note(result, record);
		j.left = left_in(space, target.sid);
		if (target.bypassed)
			viommu_join_add_expected(&j, 0, UINT64_MAX, VIOMMU_PASSED_THROUGH,
				"QEMU keeps this device's root bus away from the vIOMMU (bypass_iommu)");
		else if (!join_target(&j, unit, memory, error))
			return FALSE;
	}
	return TRUE;
}

/* A space with no device at this moment: the record never names one, or it was
 * detached. */
static gboolean
verify_no_device(viommu_result *result, const viommu_record *record, const viommu_space *space, const vtd_unit *unit,
	viommu_memory *memory, vtd_budget *budget, GError **error)
{
	viommu_target_result target = { .record = record, .space = space, .any_device = true,
		.same_as = result->targets->len };
	viommu_join j = { .result = result, .target = result->targets->len, .record = record, .space = space,
		.device = &target.device, .budget = budget, .lost = lost_note(result, record), .now = is_now(result) };

	if (viommu_pieces_count(space->live) == 0)
		return TRUE;
	g_array_append_val(result->targets, target);
	if (!space->attached)
		return viommu_join_any(&j, unit, memory, error);
	viommu_join_add_expected(&j, 0, UINT64_MAX, VIOMMU_UNVERIFIED,
		"no device is attached to this address space at this moment");
	return TRUE;
}

/* The first that has a mark; else the first. */
static const viommu_record *
with_mark(const GPtrArray *records)
{
	for (guint i = 0; i < records->len; i++)
		if (((const viommu_record *) g_ptr_array_index(records, i))->marks->len)
			return g_ptr_array_index(records, i);
	return g_ptr_array_index(records, 0);
}

static gboolean
nothing_to_verify(const GPtrArray *records, const char *what, bool now, GError **error)
{
	const viommu_record *record = with_mark(records);
	const char *mark = record->marks->len ? g_ptr_array_index(record->marks, 0) : NULL;
	g_autofree char *moment = mark ? g_strdup_printf("--at %s, or the number of an event", mark)
				       : g_strdup("--at and the number of an event; the record has no marks");
	g_autofree char *past = mark && record->ended
		? g_strdup_printf("; this record has ended: --at %s, with a snapshot of that moment (viommu capture, -s)", mark)
		: g_strdup("");
	g_autofree char *next = now ? g_strdup_printf("the mappings have to be held while verify looks: viommu-probe map holds them until its "
						      "input ends, and a program that is traced has to run meanwhile%s", past)
				    : g_strdup_printf("if the mappings were made and undone since, and the snapshot was taken between, "
						      "choose that moment with %s", moment);

	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
		"nothing to verify: at this moment of the record %s %s; %s", record->path, what, next);
	return FALSE;
}

gboolean
viommu_result_has_pages(const viommu_result *self, const GPtrArray *records, GError **error)
{
	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		if (self->pages[v])
			return TRUE;
	return nothing_to_verify(records, "nothing is mapped, and nothing was unmapped that could be looked for", is_now(self), error);
}

/* Stretches that the records ask for: whoever gave that many has room for as many runs. */
static uint64_t
asked(const GPtrArray *records)
{
	uint64_t ret = 0;

	for (guint i = 0; i < records->len; i++) {
		const viommu_record *record = g_ptr_array_index(records, i);

		for (guint k = 0; k < record->spaces->len; k++)
			ret += viommu_pieces_count(((const viommu_space *) g_ptr_array_index(record->spaces, k))->live);
	}
	return ret;
}

viommu_result *
viommu_verify(const GPtrArray *records, const viommu_snapshot *snapshot, const viommu_witnesses *witnesses,
	GError **error)
{
	static const viommu_witnesses none;
	g_autoptr(viommu_result) result = viommu_result_new();
	g_autoptr(viommu_memory) memory = viommu_snapshot_memory(snapshot);
	g_autoptr(GHashTable) visited = vtd_visited_new();
	vtd_budget budget = VTD_DEFAULT_BUDGET;
	const viommu_machine *machine = viommu_snapshot_machine(snapshot);
	vtd_unit unit;

	result->witnesses = witnesses;
	budget.visited = visited;
	budget.runs += asked(records);
	viommu_machine_unit(machine, viommu_snapshot_registers(snapshot), &unit);
	for (guint i = 0; i < records->len; i++) {
		const viommu_record *record = g_ptr_array_index(records, i);

		for (guint k = 0; k < record->spaces->len; k++) {
			const viommu_space *space = g_ptr_array_index(record->spaces, k);

			if (!(space->devices->len
					    ? verify_space(result, record, space, machine, &unit, memory, &budget, error)
					    : verify_no_device(result, record, space, &unit, memory, &budget, error)))
				return NULL;
		}
	}
	if (result->targets->len == 0) {
		nothing_to_verify(records, "no device is attached to an address space", is_now(result), error);
		return NULL;
	}
	if (!viommu_result_judge_links(result, snapshot, witnesses ? witnesses : &none, error))
		return NULL;
	return viommu_result_add_evidence(result, snapshot, error) ? g_steal_pointer(&result) : NULL;
}
