/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the records say, and what the verdicts mean that have a cause of their own. */
#include <inttypes.h>

#include "find/find.h"
#include "record/pieces.h"
#include "text/text.h"

/* Pages of the program that are looked at for having been replaced. */
#define MAX_PIECES (1u << 20)

static void
find_view(const viommu_finder *f, const viommu_record *record)
{
	viommu_where where = { .text = "header of the record" };
	uint64_t cap = f->unit.cap, ecap = f->unit.ecap;

	if (!record->cap)
		return;
	if (record->cap == cap && (!record->ecap || record->ecap == ecap))
		viommu_findings_add(f->list, vtd_cap_cm(cap) ? "caching-mode-on" : "caching-mode-off", where.text,
			"L1 saw CM = %d as well (CAP 0x%" PRIx64 ")", vtd_cap_cm(record->cap), record->cap);
	else
		viommu_findings_add(f->list, "record-of-another-iommu", where.text,
			"L1 saw CAP 0x%" PRIx64 " (CM = %d) and ECAP 0x%" PRIx64 "; the registers are 0x%" PRIx64 " (CM = %d) and 0x%" PRIx64,
			record->cap, vtd_cap_cm(record->cap), record->ecap, cap, vtd_cap_cm(cap), ecap);
}

/* ---- program memory that was replaced under a mapping ------------------------------ */

typedef struct {
	uint64_t first, last; /* of the program */
	uint64_t offset;      /* GPA - address */
	uint64_t seq;
	viommu_iova iova;
} window;

static int
cmp_window(const void *a, const void *b)
{
	const window *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* False: nothing is known of the program's side. */
static bool
window_of(const viommu_space *space, const viommu_piece *piece, window *ret)
{
	const viommu_request *request = &g_array_index(space->requests, viommu_request, piece->request);
	uint64_t into = piece->iova.first - request->iova.first, size = piece->iova.last - piece->iova.first;

	if (!piece->gpa_known || !request->vaddr_known || into > UINT64_MAX - request->vaddr ||
		size > UINT64_MAX - request->vaddr - into)
		return false;
	*ret = (window){ request->vaddr + into, request->vaddr + into + size, piece->gpa.v - (request->vaddr + into), request->seq,
		VIOMMU_IOVA(piece->iova.first) };
	return true;
}

/* Windows as they come, in the program's order. */
typedef struct {
	const viommu_finder *f;
	window before, reach; /* reach: that goes furthest so far */
	bool any, sorted;
	GArray *list; /* of window: when they do not come in order */
} sweep;

static void
look(const window *w, sweep *self)
{
	const window *reach = &self->reach;

	if (self->any && w->first <= reach->last && w->offset != reach->offset) {
		const window *old = w->seq < reach->seq ? w : reach, *new = old == w ? reach : w;

		viommu_findings_add(self->f->list, "memory-replaced-while-mapped", viommu_where_event(new->seq).text,
			"the program's page at 0x%" PRIx64 " is GPA 0x%" PRIx64 " now; IOVA 0x%" PRIx64
			" (event %" PRIu64 ") still maps GPA 0x%" PRIx64,
			w->first, w->first + new->offset, old->iova.v + (w->first - old->first), old->seq, w->first + old->offset);
	}
	if (!self->any || w->last > reach->last)
		self->reach = *w;
	self->any = true;
}

static void
check_order(const window *w, sweep *self)
{
	self->sorted &= !self->any || cmp_window(&self->before, w) <= 0;
	self->before = *w;
	self->any = true;
}

static void
collect(const window *w, sweep *self)
{
	g_array_append_vals(self->list, w, 1);
}

static void
for_each_window(const viommu_space *space, void (*visit)(const window *w, sweep *self), sweep *self)
{
	const viommu_piece *piece = viommu_pieces_from(space->live, 0);
	guint n = 0;
	window w;

	for (; piece && n < MAX_PIECES;
		piece = piece->iova.last == UINT64_MAX ? NULL : viommu_pieces_from(space->live, piece->iova.last + 1))
		if (window_of(space, piece, &w)) {
			visit(&w, self);
			n++;
		}
}

/* One page of the program's stands behind two mappings with two GPAs: the program gave
 * the first page back, and the mapping that holds it is still there.  Most programs map
 * upwards, so that a million windows need not be sorted. */
static void
find_replaced(const viommu_finder *f, const viommu_space *space)
{
	g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(window));
	sweep order = { .sorted = true }, self = { .f = f, .list = list };

	for_each_window(space, check_order, &order);
	if (order.sorted) {
		for_each_window(space, look, &self);
		return;
	}
	for_each_window(space, collect, &self);
	g_array_sort(list, cmp_window);
	for (guint i = 0; i < list->len; i++)
		look(&g_array_index(list, window, i), &self);
}

/* ---- spaces ------------------------------------------------------------------------- */

static void
find_space(const viommu_finder *f, const viommu_record *record, const viommu_space *space)
{
	unsigned bits = vtd_cap_mgaw(f->unit.cap);

	if (bits < 64 && space->refused_last >> bits)
		viommu_findings_add(f->list, "iova-beyond-width", viommu_where_event(space->refused_seq).text,
			"L1's kernel refused a map up to IOVA 0x%" PRIx64 ", and CAP.MGAW is %u bits", space->refused_last, bits);
	if (space->no_space.count)
		viommu_findings_add(f->list, "dma-entry-limit", viommu_where_event(space->no_space.seq).text,
			"%" PRIu64 " map requests of space %" G_GINT64_FORMAT " failed with ENOSPC; %u succeeded", space->no_space.count,
			space->id, space->requests->len);
	if (space->exists.count)
		viommu_findings_add(f->list, "map-exists", viommu_where_event(space->exists.seq).text,
			"%" PRIu64 " map requests of space %" G_GINT64_FORMAT " failed with EEXIST", space->exists.count, space->id);
	/* Of a record with gaps the unmap may be what is missing. */
	if (space->overlaps.count && !record->lost_reason)
		viommu_findings_add(f->list, "map-overlaps", viommu_where_event(space->overlaps.seq).text,
			"%" PRIu64 " maps of space %" G_GINT64_FORMAT " succeeded at IOVAs that were mapped already",
			space->overlaps.count, space->id);
	find_replaced(f, space);
}

/* ---- a record that is not of here, or not of now ----------------------------------------- */

/* So many pages, and not one of them there, is hardly a fault of each. */
#define MANY 16

/* The first run that has a GPA where this guest has no RAM. */
static const viommu_run *
find_no_ram(const viommu_finder *f, const viommu_result *result, guint target)
{
	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (run->target == target && run->verdict == VIOMMU_MISSING && run->expected.gpa_known &&
			!viommu_machine_ram_at(f->machine, run->expected.gpa))
			return run;
	}
	return NULL;
}

static void
find_elsewhere(const viommu_finder *f, const viommu_result *result, guint target)
{
	const viommu_target_result *t = &g_array_index(result->targets, viommu_target_result, target);
	g_autofree char *where = g_strdup_printf("space %" G_GINT64_FORMAT " of the record", t->space->id);
	g_autofree char *no_ram = NULL;
	const viommu_run *run;

	if (t->pages[VIOMMU_MISSING] < MANY || t->pages[VIOMMU_MATCH] || t->pages[VIOMMU_WRONG_PERMISSION])
		return;
	run = find_no_ram(f, result, target);
	if (run)
		no_ram = g_strdup_printf("; event %" PRIu64 " has GPA 0x%" PRIx64 ", where this guest has no RAM",
			g_array_index(t->space->requests, viommu_request, run->expected.request).seq, run->expected.gpa.v);
	viommu_findings_add(f->list, "record-not-held", where,
		"of all that it has mapped, %s pages, not one is in the table%s%s",
		viommu_count_text(t->pages[VIOMMU_MISSING] + t->pages[VIOMMU_WRONG_ADDRESS]).text,
		t->record->ended ? "" : ", and the record has no end", no_ram ? no_ram : "");
}

/* ---- runs ----------------------------------------------------------------------------- */

/* Link 3. The links behind it have finders of their own, beside their judges. */
static void
find_unannounced(const viommu_finder *f, const viommu_result *result, const viommu_run *run, const char *where)
{
	const viommu_link_status *status = &viommu_run_chain(result, run)->links[VIOMMU_LINK_INVALIDATION];
	bool mapping = run->verdict != VIOMMU_GONE && run->verdict != VIOMMU_STALE;

	if (status->state == VIOMMU_LINK_BROKEN)
		viommu_findings_add(f->list, mapping ? "map-not-announced" : "unmap-not-announced", where, "%s", status->note);
}

static void
find_run(const viommu_finder *f, const viommu_result *result, const viommu_run *run)
{
	const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, run->target);
	const vtd_translation *walk = run->evidence;
	const vtd_step *last = walk && walk->n_steps ? &walk->steps[walk->n_steps - 1] : NULL;
	viommu_where where;

	if (run->verdict == VIOMMU_MATCH && !viommu_run_is_fault(result, run))
		return;
	where = viommu_where_iova(target->sid, run->iova);
	find_unannounced(f, result, run, where.text);
	switch (run->verdict) {
	case VIOMMU_BEYOND_WIDTH:
		viommu_findings_add(f->list, "iova-beyond-width", where.text,
			"L1 asked for it, and the device's tables have %u bits (CAP.MGAW: %u)",
			target->device.outcome == VTD_TRANSLATES ? target->device.input_bits : 0, vtd_cap_mgaw(f->unit.cap));
		break;
	case VIOMMU_STALE:
		viommu_findings_add(f->list, "mapping-stale", where.text, "L1 unmapped it; the table has GPA 0x%" PRIx64 ", %s",
			run->gpa.v, viommu_prot_text(run->read, run->write).text);
		break;
	case VIOMMU_RESERVED_BIT:
		if (last && last->words && (last->kind == VTD_STEP_SECOND_STAGE || last->kind == VTD_STEP_FIRST_STAGE))
			viommu_find_reserved(f, target->sid, VIOMMU_IOVA(run->iova.first), last->kind == VTD_STEP_FIRST_STAGE,
				last->level, last->entry, last->raw[0]);
		break;
	default:
		break;
	}
}

gboolean
viommu_find_result(
	viommu_findings *self, const viommu_result *result, const viommu_snapshot *snapshot, G_GNUC_UNUSED GError **error)
{
	g_auto(viommu_finder) f;
	const viommu_record *record = NULL;
	const viommu_space *space = NULL;

	viommu_finder_init(&f, self, snapshot);
	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, i);

		if (target->record != record)
			find_view(&f, target->record);
		if (target->space != space)
			find_space(&f, target->record, target->space);
		record = target->record;
		space = target->space;
		find_elsewhere(&f, result, i);
	}
	/* Nothing is said of a run that is as it should be, and there can be millions. */
	for (guint i = 0; result->remarkable && i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		find_run(&f, result, run);
		viommu_find_shadow(&f, snapshot, result, run);
	}
	return TRUE;
}
