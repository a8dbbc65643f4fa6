/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link 5: does L0's IOMMU map the page of L0's that stands behind what L1's table maps,
 * with the same permissions, and nothing that L1's table does not have?
 */
#include "link/link-shadow.h"
#include "record/pieces.h"

#include "link/links.h"

/* Why a stretch is as it is. One text for each verdict: the finding has the numbers. */
static const char *const notes[VIOMMU_SHADOW_VERDICTS] = {
	[VIOMMU_SHADOW_FOLLOWS] = "the host's IOMMU maps the same pages",
	[VIOMMU_SHADOW_MISSING] = "the host's IOMMU does not have it",
	[VIOMMU_SHADOW_STALE] = "the host's IOMMU still has it, and L1's table does not: the device can reach memory that L1 took away",
	[VIOMMU_SHADOW_WRONG_PAGE] = "the host's IOMMU maps another page than the one that stands behind L1's",
	[VIOMMU_SHADOW_WRONG_PERMISSION] = "the host's IOMMU gives other permissions than L1's table",
};
static const char nothing_either[] = "neither L1's table nor the host's IOMMU has it";
static const char prot_unseen[] = "the host's IOMMU maps the same pages; with which permissions was not seen";
static const char emulated[] = "an emulated device";
static const char unknown_kind[] = "it is not known whether the device is assigned";
static const char no_device[] = "it is not known which device it is for";
static const char not_translated[] = "the device's DMA does not go through tables";
static const char no_shadow[] = "not looked at: nothing shows what the host's IOMMU maps (--shadow)";
static const char first_stage[] =
	"a first stage is never announced, so no shadow can follow it; the host may walk L1's own tables instead (nested translation)";
static const char table_unknown[] = "it is not known what L1's table has";
static const char gone_since[] = "L1 has unmapped it as far as the record knows: its table may have been read before the record and the "
				 "host's IOMMU were";
static const char no_backing[] = "the snapshot does not say which pages of the host stand behind L1's (capture --backing)";
static const char page_unknown[] = "the host's IOMMU has it; which page of the host stands behind L1's is not known";
static const char hpa_unknown[] = "the host's IOMMU has it; to which page it goes is not known";
static const char maybe_mapped[] = "L0's record has a mapping there for a device that is not known";
static const char direct[] = "the host's IOMMU maps it to the same address of the host's, as it does for a range that firmware reserved";
static const char interrupt[] = "the interrupt address range: no DMA";

typedef struct {
	const viommu_shadow *shadow;
	bool same_device; /* as the one before */
} source;

typedef struct {
	const viommu_link_context *context;
	GArray *sources; /* of source: those of the assigned devices that go through this table */
	bool uncovered;  /* one of these devices has none */
} state;

/* What L1's table has for [first, …] of a run. */
typedef struct {
	enum { TABLE_NOTHING, TABLE_UNKNOWN, TABLE_PAGE } has;
	viommu_gpa gpa;
	bool read, write;
} table_side;

viommu_shadow_verdict
viommu_shadow_verdict_of(const viommu_link_status *status)
{
	viommu_shadow_verdict ret = VIOMMU_SHADOW_FOLLOWS;

	if (status->note == nothing_either || status->note == prot_unseen)
		return VIOMMU_SHADOW_FOLLOWS;
	while (ret < VIOMMU_SHADOW_VERDICTS && status->note != notes[ret])
		ret++;
	return ret < VIOMMU_SHADOW_VERDICTS ? ret : VIOMMU_SHADOW_UNVERIFIED;
}

static viommu_link_status
unverified(const char *why)
{
	return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, why };
}

static viommu_link_status
verdict(viommu_shadow_verdict v)
{
	return (viommu_link_status){ v == VIOMMU_SHADOW_FOLLOWS ? VIOMMU_LINK_OK : VIOMMU_LINK_BROKEN, notes[v] };
}

/* What is wrong, unless the source cannot prove it. */
static viommu_link_status
fault(viommu_shadow_verdict v, const char *doubt)
{
	return doubt ? unverified(doubt) : verdict(v);
}

/* ---- collecting -------------------------------------------------------------------- */

static bool
add_sources(state *s, const viommu_witnesses *witnesses, viommu_sid device)
{
	bool found = false;

	for (guint i = 0; witnesses->shadows && i < witnesses->shadows->len; i++) {
		source from = { g_ptr_array_index(witnesses->shadows, i), found };

		if (from.shadow->device.v != device.v)
			continue;
		g_array_append_val(s->sources, from);
		found = true;
	}
	return found;
}

static void *
begin(const viommu_link_context *context, G_GNUC_UNUSED GError **error)
{
	state *s = g_new0(state, 1);
	const GArray *targets = context->result->targets;
	const viommu_machine *machine = viommu_snapshot_machine(context->snapshot);
	uint32_t self = (uint32_t) (context->target - (viommu_target_result *) (void *) targets->data);

	s->context = context;
	s->sources = g_array_new(FALSE, FALSE, sizeof(source));
	/* Devices that share L1's table have a shadow each. */
	for (guint i = self; context->kind == VIOMMU_DEVICE_ASSIGNED && i < targets->len; i++) {
		const viommu_target_result *target = &g_array_index(targets, viommu_target_result, i);

		if (target->same_as == self && !target->any_device &&
			viommu_device_kind_of(machine, target->sid) == VIOMMU_DEVICE_ASSIGNED &&
			!add_sources(s, context->witnesses, target->sid))
			s->uncovered = true;
	}
	return s;
}

static void
end(void *user)
{
	state *s = user;

	g_array_unref(s->sources);
	g_free(s);
}

/* ---- judging ------------------------------------------------------------------------- */

static table_side
table_side_of(const viommu_run *run, uint64_t first)
{
	table_side ret = { .gpa = { run->gpa.v + (first - run->iova.first) }, .read = run->read, .write = run->write };

	if (run->verdict == VIOMMU_RESERVED_BIT || run->verdict == VIOMMU_MISSING || run->verdict == VIOMMU_BEYOND_WIDTH ||
		run->verdict == VIOMMU_GONE)
		ret.has = TABLE_NOTHING; /* what QEMU refuses is no translation */
	else
		ret.has = run->has_observed ? TABLE_PAGE : TABLE_UNKNOWN;
	return ret;
}

/* Makes *last smaller where there is a border behind it. */
static void
cut(uint64_t *last, uint64_t border_last)
{
	*last = MIN(*last, border_last);
}

static bool
is_maybe(const viommu_shadow *shadow, uint64_t first, uint64_t *last)
{
	guint low = 0, high = shadow->maybe->len;
	const viommu_iova_range *range;

	while (low < high) {
		guint mid = low + (high - low) / 2;

		if (g_array_index(shadow->maybe, viommu_iova_range, mid).last < first)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == shadow->maybe->len)
		return false;
	range = &g_array_index(shadow->maybe, viommu_iova_range, low);
	if (range->first > first) {
		cut(last, range->first - 1);
		return false;
	}
	cut(last, range->last);
	return true;
}

/* The shadow has nothing there. */
static viommu_link_status
judge_absent(const viommu_shadow *shadow, const table_side *table, uint64_t first, uint64_t *last)
{
	if (shadow->absence)
		return unverified(shadow->absence);
	if (is_maybe(shadow, first, last))
		return unverified(maybe_mapped);
	if (table->has == TABLE_NOTHING)
		return (viommu_link_status){ VIOMMU_LINK_OK, nothing_either };
	return fault(VIOMMU_SHADOW_MISSING, shadow->presence);
}

static viommu_link_status
judge_extra(const viommu_shadow *shadow, const viommu_shadow_piece *piece, uint64_t first, uint64_t *last)
{
	if (first >= VTD_INTERRUPT_FIRST && first <= VTD_INTERRUPT_LAST) {
		cut(last, VTD_INTERRUPT_LAST);
		return unverified(interrupt);
	}
	if (first < VTD_INTERRUPT_FIRST)
		cut(last, VTD_INTERRUPT_FIRST - 1);
	if (piece->hpa_known && piece->hpa.v == piece->iova.first)
		return unverified(direct);
	return fault(VIOMMU_SHADOW_STALE, shadow->presence);
}

/* QEMU asks for read with every mapping, and for write as the table says. */
static bool
same_permission(const viommu_shadow_piece *piece, const table_side *table)
{
	return piece->write == table->write && (piece->read || !table->read);
}

/* Both have a page there: the same? */
static viommu_link_status
judge_page(const state *s, const viommu_shadow *shadow, const viommu_shadow_piece *piece, const table_side *table,
	uint64_t first, uint64_t *last)
{
	const viommu_snapshot *snapshot = s->context->snapshot;
	const viommu_backing *backing = viommu_snapshot_backing_from(snapshot, table->gpa);

	if (!backing || backing->gpa.first > table->gpa.v) {
		const char *why = viommu_snapshot_backing_unknown(snapshot);

		if (backing && backing->gpa.first - table->gpa.v <= *last - first)
			*last = first + (backing->gpa.first - table->gpa.v - 1);
		if (!why && viommu_snapshot_backing(snapshot)->len == 0)
			why = no_backing;
		return unverified(why ? why : page_unknown);
	}
	if (backing->gpa.last - table->gpa.v < *last - first)
		*last = first + (backing->gpa.last - table->gpa.v);
	if (!piece->hpa_known)
		return unverified(hpa_unknown);
	if (backing->hpa.v + (table->gpa.v - backing->gpa.first) != piece->hpa.v + (first - piece->iova.first))
		return fault(VIOMMU_SHADOW_WRONG_PAGE, shadow->presence);
	if (!piece->prot_known)
		return (viommu_link_status){ VIOMMU_LINK_OK, prot_unseen };
	return same_permission(piece, table) ? verdict(VIOMMU_SHADOW_FOLLOWS)
					     : fault(VIOMMU_SHADOW_WRONG_PERMISSION, shadow->presence);
}

/* By one source. */
static viommu_link_status
judge_by(const state *s, const viommu_shadow *shadow, const table_side *table, uint64_t first, uint64_t *last)
{
	const viommu_shadow_piece *piece;

	if (shadow->apart)
		return unverified(shadow->apart);
	piece = viommu_shadow_from(shadow, first);
	if (!piece || piece->iova.first > first) {
		if (piece && piece->iova.first <= *last)
			*last = piece->iova.first - 1;
		return judge_absent(shadow, table, first, last);
	}
	cut(last, piece->iova.last);
	if (piece->unknown)
		return unverified(piece->unknown);
	return table->has == TABLE_NOTHING ? judge_extra(shadow, piece, first, last)
					   : judge_page(s, shadow, piece, table, first, last);
}

/* How much a status says of one device, and of several. */
static bool
says_more(const viommu_link_status *a, const viommu_link_status *b)
{
	static const int of_one[VIOMMU_LINK_STATES] = { [VIOMMU_LINK_BROKEN] = 2, [VIOMMU_LINK_OK] = 1 };

	return of_one[a->state] > of_one[b->state];
}

static bool
is_worse(const viommu_link_status *a, const viommu_link_status *b)
{
	static const int of_several[VIOMMU_LINK_STATES] = { [VIOMMU_LINK_BROKEN] = 2, [VIOMMU_LINK_UNVERIFIED] = 1 };

	return of_several[a->state] > of_several[b->state];
}

/* Each device by all its sources, then the worst of the devices. */
static viommu_link_status
judge_all(const state *s, const table_side *table, uint64_t first, uint64_t *last)
{
	viommu_link_status ret = { 0 }, one = { 0 };

	for (guint i = 0; i < s->sources->len; i++) {
		const source *from = &g_array_index(s->sources, source, i);
		viommu_link_status now = judge_by(s, from->shadow, table, first, last);

		if (!from->same_device || says_more(&now, &one))
			one = now;
		if (i + 1 < s->sources->len && g_array_index(s->sources, source, i + 1).same_device)
			continue;
		if (!ret.note || is_worse(&one, &ret))
			ret = one;
	}
	if (s->uncovered && ret.state == VIOMMU_LINK_OK)
		return unverified(no_shadow);
	return ret;
}

/* The table has a page which the record says is gone, and the record cannot prove that it ought not
 * to: a snapshot that is older than the record and the shadow, then. */
static bool
is_gone_since(const viommu_target_result *target, const viommu_run *run, uint64_t first, uint64_t *last)
{
	const viommu_piece *gone;

	if (run->verdict != VIOMMU_UNVERIFIED || !run->has_observed || run->has_expected)
		return false;
	gone = viommu_pieces_from(target->space->gone, first);
	if (gone && gone->iova.first <= first) {
		cut(last, gone->iova.last);
		return true;
	}
	if (gone)
		cut(last, gone->iova.first - 1);
	return false;
}

static viommu_link_status
judge(void *user, const viommu_run *run, uint64_t first, uint64_t *last)
{
	const state *s = user;
	const viommu_link_context *context = s->context;
	const viommu_target_result *target = context->target;
	table_side table = table_side_of(run, first);
	viommu_link_status ret;

	if (target->any_device)
		return unverified(no_device);
	if (context->kind == VIOMMU_DEVICE_EMULATED)
		return (viommu_link_status){ VIOMMU_LINK_NOT_NEEDED, emulated };
	if (target->bypassed || target->device.outcome != VTD_TRANSLATES)
		return (viommu_link_status){ VIOMMU_LINK_NOT_NEEDED, not_translated };
	if (context->kind == VIOMMU_DEVICE_UNKNOWN)
		return unverified(unknown_kind);
	if (s->sources->len == 0)
		return unverified(target->device.stage == VTD_STAGE_SECOND ? no_shadow : first_stage);
	if (table.has == TABLE_UNKNOWN)
		return unverified(table_unknown);
	ret = judge_all(s, &table, first, last);
	if (target->device.stage != VTD_STAGE_SECOND && ret.note == notes[VIOMMU_SHADOW_MISSING])
		return unverified(first_stage);
	if (ret.note == notes[VIOMMU_SHADOW_MISSING] && is_gone_since(target, run, first, last))
		return unverified(gone_since);
	return ret;
}

/* What the shadows have, without the interrupt range. */
static bool
next(void *user, uint64_t iova, viommu_iova_range *ret)
{
	const state *s = user;
	bool found = false;

	for (guint i = 0; i < s->sources->len; i++) {
		const viommu_shadow *shadow = g_array_index(s->sources, source, i).shadow;
		const viommu_shadow_piece *piece = viommu_shadow_from(shadow, iova);
		viommu_iova_range range;

		while (piece && (piece->unknown || (piece->iova.first >= VTD_INTERRUPT_FIRST && piece->iova.last <= VTD_INTERRUPT_LAST)))
			piece = piece->iova.last == UINT64_MAX ? NULL : viommu_shadow_from(shadow, piece->iova.last + 1);
		if (!piece)
			continue;
		range = (viommu_iova_range){ MAX(piece->iova.first, iova), piece->iova.last };
		if (!found || range.first < ret->first) {
			if (found && range.last >= ret->first)
				range.last = ret->first - 1;
			*ret = range;
			found = true;
		} else if (range.first > ret->first && range.first <= ret->last) {
			ret->last = range.first - 1;
		}
	}
	return found;
}

const viommu_link_judge viommu_judge_shadow = { begin, judge, next, end };

/* ---- for the finding ------------------------------------------------------------------ */

const viommu_shadow *
viommu_shadow_to_blame(const viommu_snapshot *snapshot, const viommu_result *result, const viommu_run *run)
{
	const viommu_witnesses *witnesses = result->witnesses;
	const viommu_link_context context = { .snapshot = snapshot, .result = (viommu_result *) result };
	const state s = { .context = &context };
	const viommu_link_status *status = &viommu_run_chain(result, run)->links[VIOMMU_LINK_SHADOW];
	table_side table = table_side_of(run, run->iova.first);

	for (guint i = 0; witnesses && witnesses->shadows && i < witnesses->shadows->len; i++) {
		const viommu_shadow *shadow = g_ptr_array_index(witnesses->shadows, i);
		uint64_t last = run->iova.last;

		for (guint k = 0; k < result->targets->len; k++) {
			const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, k);

			if (target->same_as == run->target && target->sid.v == shadow->device.v &&
				judge_by(&s, shadow, &table, run->iova.first, &last).note == status->note)
				return shadow;
		}
	}
	return NULL;
}
