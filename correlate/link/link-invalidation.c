/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link 3: did L1 tell the vIOMMU?  With caching mode on it has to announce every new
 * mapping, and with or without it every unmapping (VT-d 6.1).
 *
 * The better witness is the record, when it has L1's own qi_submit events: they have a
 * time.  The other is the queue's ring in L1's memory, which has none: what it proves is
 * less, and said so.
 */
#include "link/links.h"
#include "record/pieces.h"

/* Why a stretch is as it is. */
static const char by_record[] = "L1 submitted a descriptor that covers it afterwards (qi_submit in the record)";
static const char not_in_record[] = "L1 submitted no descriptor that covers it afterwards, up to the end of the record (qi_submit)";
static const char by_ring[] = "a descriptor for these pages stands in the invalidation queue";
static const char pending[] = "a descriptor for these pages stands in the invalidation queue, not yet taken by QEMU";
static const char not_in_ring[] = "no descriptor in the invalidation queue covers it, and the ring has not wrapped";
static const char too_young[] = "it is younger than the last descriptor that the trace has: its own may have come too late for it";
static const char in_batches[] = "L1 had announced other things since, and this not yet; its kernel may announce what its drivers "
				  "unmap in batches, up to a second later";
static const char wrapped[] = "the invalidation queue has wrapped past it";
static const char unreadable[] = "the invalidation queue could not be read";
static const char too_many[] = "there are too many devices and descriptors to go through all of them";
static const char queue_off[] = "the invalidation queue is off (GSTS.QIES = 0): what L1 wrote to the registers left no trace";
static const char older_life[] =
	"a descriptor that covers it stands in the invalidation queue, but it was there before the device was attached";
static const char no_time[] = "a descriptor that covers it stands in the invalidation queue, which does not tell when";
static const char not_announced_by_nature[] = "first-stage mappings are never announced";
static const char cm_off_emulated[] = "caching mode is off, so L1 announces no new mappings; an emulated device needs none";
static const char cm_off[] = "caching mode is off, so L1 announces no new mappings";
static const char emulated[] = "nothing announces it, and an emulated device does not need it";
static const char no_device[] = "it is not known which device it is for";
static const char may_be_later[] = "without caching mode L1's kernel may announce what its drivers unmapped in batches, later";
static const char before_attach[] = "it is not known to have been unmapped while the device was attached";
static const char not_translated[] = "the device's DMA does not go through tables";

/* Linux keeps what its drivers unmapped for 10 ms in a flush queue, 1 s in one that all CPUs
 * share (6.12: drivers/iommu/dma-iommu.c). Caching mode overrides iommu.strict=0, and not
 * DMA-FQ in a group's "type". */
#define BATCH_NS UINT64_C(1000000000)

typedef struct {
	viommu_iova_range range;
	bool page_selective;
	bool pending;
	uint64_t time_ns;
} cover;

typedef struct {
	const viommu_link_context *context;
	bool timed;         /* the covers are the record's */
	GArray *covers;     /* of cover: the queue's descriptors for this domain, in order */
	GHashTable *blocks; /* of a ring: its covers, by the block that they name */
	viommu_pieces *map; /* pages -> index of a cover (in .request): the latest, or in a ring the narrowest */
	bool open_end;      /* a trace ends anywhere, between a mapping and its descriptor, too */
	uint64_t newest;    /* time of the record's last descriptor, whoever it is for */
	uint64_t last_wide; /* time of the last descriptor that is not page-selective; 0: none */
	bool wide;          /* the ring has one */
	viommu_pieces *before; /* pages of page-selective descriptors from before the device was attached */
	bool wide_before;
	const char *absence; /* why absence proves nothing, NULL if it does */
} state;

/* ---- collecting ------------------------------------------------------------------ */

static void
put_cover(viommu_pieces *map, const cover *c, guint index)
{
	viommu_piece piece = { .iova = c->range, .request = index };

	if (c->range.first <= c->range.last)
		viommu_pieces_put(map, &piece);
}

static void
collect_record(state *s, const viommu_record *record)
{
	const char *traced = "viommu-probe trace";

	s->timed = true;
	s->open_end = record->program && g_str_has_prefix(record->program, traced);
	if (!viommu_link_afford(s->context, record->announcements->len)) {
		s->absence = too_many;
		return;
	}
	for (guint i = 0; i < record->announcements->len; i++) {
		const viommu_announcement *a = &g_array_index(record->announcements, viommu_announcement, i);
		cover c = { .range = a->range, .page_selective = a->page_selective, .time_ns = a->time_ns };

		s->newest = MAX(s->newest, a->time_ns);
		if (!a->every_domain && a->did != s->context->target->device.did)
			continue;
		if (!a->page_selective) {
			s->last_wide = MAX(s->last_wide, a->time_ns);
			continue;
		}
		g_array_append_val(s->covers, c);
		put_cover(s->map, &c, s->covers->len - 1);
	}
	if (record->lost_reason || record->queue_lost)
		s->absence = "the record has lost events";
	else if (!record->settled)
		s->absence = "the record does not end with a mark or its end: events may be missing behind its last line";
	else if (viommu_record_is_open_trace(record))
		s->absence = "the trace has not ended: what L1 announced since its last mark is not in the record";
}

/* The device gets another context entry: what was announced before is of another life. */
static bool
is_barrier(const vtd_descriptor *d, const vtd_device *device)
{
	if (d->type == VTD_INV_CONTEXT)
		return d->has_sid ? d->sid.v == device->sid.v : !d->has_did || d->did == device->did;
	return d->type == VTD_INV_PASID_CACHE && (!d->has_did || d->did == device->did);
}

static void
on_descriptor(const vtd_descriptor *d, void *user)
{
	state *s = user;
	const vtd_device *device = &s->context->target->device;
	cover c = { .range = d->range, .page_selective = d->has_range, .pending = d->state == VTD_DESCRIPTOR_PENDING };

	if (is_barrier(d, device)) {
		for (guint i = 0; i < s->covers->len; i++)
			put_cover(s->before, &g_array_index(s->covers, cover, i), 0);
		s->wide_before |= s->wide;
		s->wide = false;
		g_array_set_size(s->covers, 0);
	}
	if ((d->type != VTD_INV_IOTLB && d->type != VTD_INV_PASID_IOTLB) || (d->has_did && d->did != device->did))
		return;
	if (c.page_selective)
		g_array_append_val(s->covers, c);
	else
		s->wide = true;
}

static int
cmp_wide_first(const void *a, const void *b)
{
	const cover *x = a, *y = b;
	uint64_t m = x->range.last - x->range.first, n = y->range.last - y->range.first;

	return m < n ? 1 : m > n ? -1 : 0;
}

static gboolean
collect_ring(state *s, GError **error)
{
	g_autoptr(viommu_memory) memory = viommu_snapshot_memory(s->context->snapshot);
	vtd_queue_facts facts;
	vtd_queue queue;

	vtd_queue_init(s->context->unit, viommu_snapshot_registers(s->context->snapshot), &queue);
	if (!queue.enabled) {
		s->absence = queue_off;
		return TRUE;
	}
	if (!viommu_link_afford(s->context, queue.entries)) {
		s->absence = too_many;
		return TRUE;
	}
	if (!vtd_walk_queue(&queue, memory, &facts, on_descriptor, s, error))
		return FALSE;
	s->absence = facts.unreadable ? unreadable : facts.wrapped ? wrapped : NULL;
	g_array_sort(s->covers, cmp_wide_first);
	for (guint i = 0; i < s->covers->len; i++) {
		cover *c = &g_array_index(s->covers, cover, i);

		put_cover(s->map, c, i);
		g_hash_table_insert(s->blocks, &c->range, c);
	}
	return TRUE;
}

static void
end(void *user)
{
	state *s = user;

	viommu_pieces_free(s->map);
	viommu_pieces_free(s->before);
	g_hash_table_unref(s->blocks);
	g_array_unref(s->covers);
	g_free(s);
}

static void *
begin(const viommu_link_context *context, GError **error)
{
	state *s = g_new0(state, 1);
	const viommu_target_result *target = context->target;

	s->context = context;
	s->covers = g_array_new(FALSE, FALSE, sizeof(cover));
	s->blocks = g_hash_table_new(viommu_range_hash, viommu_range_equal);
	s->map = viommu_pieces_new();
	s->before = viommu_pieces_new();
	if (target->any_device || target->bypassed || target->device.outcome != VTD_TRANSLATES)
		return s;
	if (target->record->queue_watched)
		collect_record(s, target->record);
	else if (!collect_ring(s, error)) {
		end(s);
		return NULL;
	}
	return s;
}

/* What L1 asked for last was a mapping. */
static bool
is_mapping(const viommu_run *run)
{
	return run->verdict != VIOMMU_GONE && run->verdict != VIOMMU_STALE;
}

/* VFIO's or iommufd's. */
static bool
is_of_program(const viommu_space *space)
{
	return g_str_has_prefix(space->backend, "vfio") || g_str_has_prefix(space->backend, "iommufd");
}

/* ---- judging ---------------------------------------------------------------------- */

/* The piece of a map that holds iova; else *last is cut to where the next one begins. */
static const viommu_piece *
piece_at(const viommu_pieces *map, uint64_t iova, uint64_t *last)
{
	const viommu_piece *piece = viommu_pieces_from(map, iova);

	if (piece && piece->iova.first <= iova) {
		*last = MIN(*last, piece->iova.last);
		return piece;
	}
	if (piece && piece->iova.first <= *last)
		*last = piece->iova.first - 1;
	return NULL;
}

static viommu_link_status
absent(const state *s, const char *why)
{
	if (s->absence)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, s->absence };
	return (viommu_link_status){ VIOMMU_LINK_BROKEN, why };
}

static viommu_link_status
by_time(const state *s, const viommu_run *run, uint64_t first, uint64_t *last)
{
	const viommu_piece *piece = piece_at(s->map, first, last);
	uint64_t latest = s->last_wide, since = run->expected.since_ns;

	if (piece)
		latest = MAX(latest, g_array_index(s->covers, cover, piece->request).time_ns);
	if (!run->has_expected || since == 0)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, "the record does not say when it was asked for" };
	if (latest >= since)
		return (viommu_link_status){ VIOMMU_LINK_OK, by_record };
	if (s->open_end && since > s->newest)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, too_young };
	if (!is_mapping(run) && !is_of_program(s->context->target->space) && s->newest < since + BATCH_NS)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, in_batches };
	return absent(s, not_in_record);
}

static bool
holds(const viommu_iova_range *range, uint64_t iova)
{
	return range->first <= iova && iova <= range->last;
}

/* A descriptor names an aligned block of 2^n pages: the smallest that holds the pages it
 * is for.  So those are on both sides of the block's middle, and when the request has a page
 * beside it, no other one that does not overlap it can be meant. A block that is larger than
 * the request's own smallest one is for more than this request. */
static bool
is_of_request(const viommu_iova_range *descriptor, const viommu_iova_range *request)
{
	uint64_t differ = request->first ^ request->last, mask = 0xfff;
	uint64_t middle = descriptor->first + (descriptor->last - descriptor->first) / 2;

	while (differ & ~mask)
		mask = mask << 1 | 1;
	return descriptor->first >= (request->first & ~mask) && descriptor->last <= (request->last | mask) &&
		(holds(request, middle) || holds(request, middle + 1));
}

/* The narrowest descriptor that is certainly for this request, from the narrowest one at
 * its pages outwards; NULL if none is. */
static const cover *
cover_of_request(const state *s, const cover *narrowest, const viommu_iova_range *request)
{
	viommu_iova_range block = narrowest->range;

	for (;;) {
		const cover *c = g_hash_table_lookup(s->blocks, &block);
		uint64_t size_mask = block.last - block.first;

		if (c && is_of_request(&c->range, request))
			return c;
		if (size_mask == UINT64_MAX || (block.first <= request->first && block.last >= request->last))
			return NULL;
		size_mask = size_mask << 1 | 1;
		block = (viommu_iova_range){ block.first & ~size_mask, block.last | size_mask };
	}
}

static viommu_link_status
by_order(const state *s, const viommu_run *run, uint64_t first, uint64_t *last)
{
	const viommu_piece *piece = piece_at(s->map, first, last);
	const viommu_piece *before = piece ? NULL : piece_at(s->before, first, last);
	const cover *c = piece ? &g_array_index(s->covers, cover, piece->request) : NULL;
	const viommu_request *request = run->has_expected
		? &g_array_index(s->context->target->space->requests, viommu_request, run->expected.request)
		: NULL;

	if (c && request && !request->again && (is_mapping(run) || !vtd_cap_cm(s->context->unit->cap))) {
		const cover *own = cover_of_request(s, c, &request->iova);

		if (own)
			return (viommu_link_status){ VIOMMU_LINK_OK, own->pending ? pending : by_ring };
	}
	if (c || s->wide)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, no_time };
	if (before || s->wide_before)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, older_life };
	return absent(s, not_in_ring);
}

static viommu_link_status
judge(void *user, const viommu_run *run, uint64_t first, uint64_t *last)
{
	const state *s = user;
	const viommu_link_context *context = s->context;
	const viommu_target_result *target = context->target;
	bool is_emulated = context->kind == VIOMMU_DEVICE_EMULATED, mapping = is_mapping(run);
	viommu_link_status ret;

	if (target->any_device)
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, no_device };
	if (target->bypassed || target->device.outcome != VTD_TRANSLATES)
		return (viommu_link_status){ VIOMMU_LINK_NOT_NEEDED, not_translated };
	if (mapping && target->device.stage != VTD_STAGE_SECOND)
		return (viommu_link_status){ is_emulated ? VIOMMU_LINK_NOT_NEEDED : VIOMMU_LINK_UNVERIFIED, not_announced_by_nature };
	if (mapping && !vtd_cap_cm(context->unit->cap))
		return is_emulated ? (viommu_link_status){ VIOMMU_LINK_NOT_NEEDED, cm_off_emulated }
			: (viommu_link_status){ context->kind == VIOMMU_DEVICE_ASSIGNED ? VIOMMU_LINK_BROKEN : VIOMMU_LINK_UNVERIFIED, cm_off };
	if (!mapping &&
		(!run->has_expected || run->expected.since_ns == 0 || run->expected.since_ns < target->space->attached_ns))
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, before_attach };
	ret = s->timed ? by_time(s, run, first, last) : by_order(s, run, first, last);
	/* iommu.strict=0 is Linux's default for its drivers; caching mode overrides it. */
	if (ret.state == VIOMMU_LINK_BROKEN && !mapping && !vtd_cap_cm(context->unit->cap) && !is_of_program(target->space))
		return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, may_be_later };
	if (ret.state == VIOMMU_LINK_BROKEN && mapping && is_emulated)
		return (viommu_link_status){ VIOMMU_LINK_NOT_NEEDED, emulated };
	return ret;
}

const viommu_link_judge viommu_judge_invalidation = { begin, judge, NULL, end };
