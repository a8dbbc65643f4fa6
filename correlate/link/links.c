/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judges the links of every run: asks each link's judge, and cuts the runs where an
 * answer changes.  What is unmapped gets runs of its own, since an unmapping that was
 * not announced, or not followed, leaves a device with access to memory.
 */
#include "join/join.h"
#include "link/links.h"
#include "record/pieces.h"
#include "join/result.h"

viommu_device_kind
viommu_device_kind_of(const viommu_machine *machine, viommu_sid sid)
{
	const viommu_pci_device *device = viommu_machine_pci_at(machine, sid);

	if (!device || !*device->driver || g_str_has_prefix(device->driver, "virtio-") ||
		g_str_has_prefix(device->driver, "vhost-"))
		return VIOMMU_DEVICE_UNKNOWN;
	return g_str_has_prefix(device->driver, "vfio-pci") ? VIOMMU_DEVICE_ASSIGNED : VIOMMU_DEVICE_EMULATED;
}

static const viommu_link_judge *const judges[] = {
	&viommu_judge_invalidation,
	&viommu_judge_notice,
	&viommu_judge_shadow,
};

/* What judges may go through for all targets together: a minute at most, whatever is made
 * up to cost time (65,536 devices and a queue of 32,768 descriptors). */
#define BUDGET (UINT64_C(1) << 26)

/* A judge's answer to "what comes next?", which stays until the IOVAs have passed it. */
typedef struct {
	bool asked, found;
	uint64_t iova;
	viommu_iova_range range;
} next_range;

/* What is judged takes the places of what is not yet, since there can be millions: up to
 * write are the runs that came out, from read on those that are to be judged. */
typedef struct {
	GArray *runs; /* of viommu_run */
	guint read, write;
	GArray *waiting; /* of viommu_run: from next on, those that came out and found no place */
	guint next;
} line;

/* One target at work. */
typedef struct {
	viommu_link_context context;
	void *states[G_N_ELEMENTS(judges)];
	next_range next[G_N_ELEMENTS(judges)];
	line *line;
} work;

static viommu_link_status
request_status(const viommu_run *run)
{
	if (!run->has_expected)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, "no request in the record" };
	return (viommu_link_status){ VIOMMU_LINK_OK, NULL };
}

static viommu_link_status
table_status(const viommu_run *run)
{
	if (viommu_verdict_is_fault(run->verdict))
		return (viommu_link_status){ VIOMMU_LINK_BROKEN, viommu_verdict_meaning(run->verdict) };
	if (run->verdict == VIOMMU_UNVERIFIED || run->verdict == VIOMMU_IN_FLUX)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, run->note };
	return (viommu_link_status){ VIOMMU_LINK_OK, NULL };
}

/* Gives those that wait the places that are free, or all of them at the end. */
static void
settle(line *self, bool end)
{
	for (; self->next < self->waiting->len && (end || self->write < self->read); self->next++) {
		const viommu_run *run = &g_array_index(self->waiting, viommu_run, self->next);

		if (self->write < self->runs->len)
			g_array_index(self->runs, viommu_run, self->write) = *run;
		else
			g_array_append_vals(self->runs, run, 1);
		self->write++;
	}
	if (self->next == self->waiting->len) {
		g_array_set_size(self->waiting, 0);
		self->next = 0;
	}
}

/* Puts out the part [first, last] of run. */
static void
put(work *w, const viommu_run *run, const viommu_chain *chain, uint64_t first, uint64_t last)
{
	viommu_run part = *run;

	part.iova = (viommu_iova_range){ first, last };
	part.gpa.v += first - run->iova.first;
	part.expected.gpa.v += first - run->iova.first;
	part.chain = viommu_result_chain(w->context.result, chain);
	if (w->line->waiting->len == 0 && w->line->write < w->line->read) {
		g_array_index(w->line->runs, viommu_run, w->line->write++) = part;
		return;
	}
	g_array_append_val(w->line->waiting, part);
	settle(w->line, false);
}

static void
judge_run(work *w, const viommu_run *run)
{
	uint64_t from = run->iova.first, at = from;
	viommu_chain now, before = { 0 };

	for (bool end = false; !end;) {
		uint64_t last = run->iova.last;

		now.links[VIOMMU_LINK_REQUEST] = request_status(run);
		now.links[VIOMMU_LINK_TABLE] = table_status(run);
		for (size_t i = 0; i < G_N_ELEMENTS(judges); i++)
			now.links[VIOMMU_LINK_INVALIDATION + i] = judges[i]->judge(w->states[i], run, at, &last);
		if (at != from && !viommu_chain_equal(&now, &before)) {
			put(w, run, &before, from, at - 1);
			from = at;
		}
		before = now;
		end = last >= run->iova.last;
		at = last + 1;
	}
	put(w, run, &before, from, run->iova.last);
}

/* ---- what is unmapped ---------------------------------------------------------- */

static bool
ask_next(work *w, size_t judge, uint64_t iova, viommu_iova_range *ret)
{
	next_range *n = &w->next[judge];

	if (!judges[judge]->next)
		return false;
	if (!n->asked || iova < n->iova || (n->found && iova > n->range.last)) {
		n->asked = true;
		n->iova = iova;
		n->found = judges[judge]->next(w->states[judge], iova, &n->range);
	}
	*ret = n->range;
	return n->found;
}

/* The first range at or behind iova that is unmapped as far as somebody knows: L1's
 * record, or a witness.  It needs no record that knows every mapping: it is the table
 * that has nothing there. */
static bool
next_unmapped(work *w, uint64_t iova, viommu_iova_range *ret, const viommu_piece **piece)
{
	const viommu_space *space = w->context.target->space;
	viommu_iova_range range;
	bool found = false;

	*piece = viommu_pieces_from(space->gone, iova);
	if (*piece) {
		*ret = (viommu_iova_range){ MAX(iova, (*piece)->iova.first), (*piece)->iova.last };
		found = true;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(judges); i++) {
		if (!ask_next(w, i, iova, &range))
			continue;
		range.first = MAX(range.first, iova);
		if (!found || range.first < ret->first) {
			if (found && range.last >= ret->first)
				range.last = ret->first - 1;
			*ret = range;
			*piece = NULL;
			found = true;
		}
	}
	return found;
}

/* Judges what is unmapped in [first, last], where no run is and the table has nothing. */
static void
judge_gap(work *w, uint64_t first, uint64_t last)
{
	const viommu_piece *piece;
	viommu_iova_range range = { 0 };

	while (next_unmapped(w, first, &range, &piece) && range.first <= last) {
		viommu_run run = { .verdict = VIOMMU_GONE };

		range.last = MIN(range.last, last);
		if (piece)
			run = viommu_expected_run(VIOMMU_GONE, piece, range.first, range.last);
		run.iova = range;
		run.target = (uint32_t) (w->context.target - (viommu_target_result *) (void *) w->context.result->targets->data);
		judge_run(w, &run);
		if (run.iova.last == last)
			return;
		first = run.iova.last + 1;
	}
}

/* The same, without what the table has there unjudged: the ranges from *next on. */
static void
judge_unmapped(work *w, uint64_t first, uint64_t last, guint *next)
{
	const GArray *unjudged = w->context.target->unjudged;

	for (; unjudged && *next < unjudged->len; ++*next) {
		const viommu_iova_range *range = &g_array_index(unjudged, viommu_iova_range, *next);

		if (range->last < first)
			continue;
		if (range->first > last)
			break;
		if (first < range->first)
			judge_gap(w, first, range->first - 1);
		if (range->last >= last)
			return;
		first = range->last + 1;
	}
	judge_gap(w, first, last);
}

/* The runs of one target, which are the next ones, in IOVA order. */
static void
judge_runs(work *w, uint32_t target, bool gaps)
{
	line *l = w->line;
	uint64_t at = 0;
	guint next = 0;
	bool top = false;

	while (l->read < l->runs->len && g_array_index(l->runs, viommu_run, l->read).target == target) {
		viommu_run run = g_array_index(l->runs, viommu_run, l->read++);

		if (gaps && at < run.iova.first)
			judge_unmapped(w, at, run.iova.first - 1, &next);
		judge_run(w, &run);
		top = run.iova.last == UINT64_MAX;
		at = run.iova.last + 1;
	}
	if (gaps && !top)
		judge_unmapped(w, at, UINT64_MAX, &next);
}

/* ---- every target ---------------------------------------------------------------- */

/* What goes through the tables of a target: its own device, and those that share them. */
typedef struct {
	viommu_device_kind kind;
	const viommu_pci_device *assigned;
} devices;

bool
viommu_link_afford(const viommu_link_context *context, uint64_t n)
{
	bool ret = n <= *context->budget;

	*context->budget -= MIN(n, *context->budget);
	return ret;
}

/* Of each target; only those of the first with its tables count. Caller frees. */
static devices *
find_devices(const viommu_result *result, const viommu_machine *machine)
{
	devices *ret = g_new0(devices, result->targets->len);

	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, i);
		devices *of = &ret[target->same_as];
		viommu_device_kind kind = target->any_device ? VIOMMU_DEVICE_UNKNOWN : viommu_device_kind_of(machine, target->sid);

		if (of->assigned)
			continue;
		if (kind == VIOMMU_DEVICE_ASSIGNED)
			of->assigned = viommu_machine_pci_at(machine, target->sid);
		if (target->same_as == i || kind != VIOMMU_DEVICE_EMULATED)
			of->kind = kind;
	}
	return ret;
}

static gboolean
begin(work *w, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(judges); i++) {
		w->states[i] = judges[i]->begin(&w->context, error);
		if (!w->states[i])
			return FALSE;
	}
	return TRUE;
}

gboolean
viommu_result_judge_links(viommu_result *self, const viommu_snapshot *snapshot, const viommu_witnesses *witnesses,
	GError **error)
{
	g_autofree devices *of = find_devices(self, viommu_snapshot_machine(snapshot));
	uint64_t budget = BUDGET;
	g_autoptr(GArray) waiting = g_array_new(FALSE, FALSE, sizeof(viommu_run));
	line l = { .runs = self->runs, .waiting = waiting };
	gboolean ok = TRUE;
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), &unit);
	for (guint i = 0; ok && i < self->targets->len; i++) {
		const viommu_target_result *target = &g_array_index(self->targets, viommu_target_result, i);
		work w = { .line = &l, .context = { .result = self, .target = target, .snapshot = snapshot,
			.witnesses = witnesses, .unit = &unit, .kind = of[i].kind, .assigned = of[i].assigned, .budget = &budget } };
		bool translates = !target->any_device && !target->bypassed && target->device.outcome == VTD_TRANSLATES;

		if (target->same_as != i)
			continue;
		ok = begin(&w, error);
		if (ok)
			judge_runs(&w, i, translates);
		for (size_t k = 0; k < G_N_ELEMENTS(judges); k++)
			if (w.states[k])
				judges[k]->end(w.states[k]);
	}
	settle(&l, true);
	g_array_set_size(self->runs, l.write);
	viommu_result_count(self);
	return ok;
}
