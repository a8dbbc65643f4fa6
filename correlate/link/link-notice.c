/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link 4: did QEMU notice, and tell vfio?  The witness is QEMU's log.  Its last word for
 * the pages proves that they were noticed; that they were not takes more, since the
 * log may end too early: somebody made sure that it is current, or it has QEMU processing
 * the very announcement that the record has last.
 */
#include "link/links.h"
#include "link/notice-words.h"

static const char no_log[] = "QEMU's trace events were not given (--qemu-log, --trace)";
static const char too_many[] = "there are too many devices and events to go through all of them";
static const char emulated[] = "an emulated device";
static const char not_translated[] = "the device's DMA does not go through tables";
static const char no_device[] = "it is not known which device it is for";
static const char first_stage[] = "QEMU notices no first-stage mappings";
static const char table_has_none[] = "the table has no mapping that QEMU could have noticed";
static const char table_unknown[] = "what the table has is not known for sure";

static const char noticed[] = "QEMU walked it and told vfio";
static const char noticed_before[] = "QEMU walked it, and had told vfio before";
static const char walked[] = "QEMU walked it and told whoever listens; the log has no events of vfio's";
static const char told[] = "vfio was told of a mapping here; the log has no events of QEMU's walk, so for which page is not known";
static const char walked_only[] = "QEMU walked it, but vfio's own event does not follow";
static const char taken_back[] = "QEMU told vfio that nothing is mapped here";
static const char none_known[] = "QEMU has told vfio of nothing here";
static const char no_word[] = "the log has no word of these pages; it may have begun later, or without vtd_page_walk_one";
static const char not_current[] = "the log's last word is another, but whether the log goes up to now is not known";
static const char unknown_kind[] = "the log's last word is another, but what stands behind this device is not known";

static const char another_page[] = "the last mapping that QEMU told vfio of here is of another page";
static const char other_permissions[] = "the last mapping that QEMU told vfio of here has other permissions";
static const char none_told[] = "QEMU's last word here is that nothing is mapped";
static const char unread[] = "QEMU's walk could not read the table";
static const char reserved[] = "QEMU's walk passed over an entry with a reserved bit";
static const char announced_only[] = "QEMU processed the announcement, and its walk told nobody of these pages";
static const char not_taken_back[] = "QEMU told vfio of a mapping here, and not that it is gone";
const char viommu_notice_unmap_skipped[] = "QEMU's walk found nothing here, and did not tell vfio so, which it had told of a mapping";

typedef struct {
	const viommu_link_context *context;
	const viommu_qemu_log *log;
	notice_words *words;    /* NULL when there is nothing to ask them */
	viommu_pieces *covers;  /* pages -> index of the last announcement in the record */
	GHashTable *times;      /* range of an announcement -> how often the record has it */
	bool vfio_heard;        /* the log has vfio's own events */
} state;

static viommu_link_status
status(viommu_link_state is, const char *note)
{
	return (viommu_link_status){ is, note };
}

/* ---- what the record knows of announcements -------------------------------------------- */

static void
collect_announcements(state *s)
{
	const viommu_target_result *target = s->context->target;
	const GArray *all = target->record->announcements;

	for (guint i = 0; i < all->len && target->space->attached_ns; i++) {
		const viommu_announcement *a = &g_array_index(all, viommu_announcement, i);
		viommu_piece piece = { .iova = a->range, .request = i };

		if (!a->page_selective || a->every_domain || a->did != target->device.did ||
			a->time_ns < target->space->attached_ns)
			continue;
		viommu_pieces_put(s->covers, &piece);
		g_hash_table_insert(s->times, g_memdup2(&a->range, sizeof(a->range)),
			GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(s->times, &a->range)) + 1));
	}
}

/* The log has QEMU processing the record's last announcement of these pages, so that its
 * last word is about what L1 announced last. *line: where.  Announcements have no names: they are
 * counted on both sides, from when the device got its context entry, so a record that came later
 * (a trace, of a device that was in use) proves nothing: the log has more of them, and may end before
 * the last. */
static bool
has_last_announcement(const state *s, const viommu_run *run, uint64_t first, uint64_t *last, uint64_t *line)
{
	const viommu_piece *piece = viommu_pieces_from(s->covers, first);
	const viommu_announcement *a;

	if (!s->context->target->space->complete)
		return false;
	if (!piece || piece->iova.first > first) {
		if (piece && piece->iova.first <= *last)
			*last = piece->iova.first - 1;
		return false;
	}
	*last = MIN(*last, piece->iova.last);
	a = &g_array_index(s->context->target->record->announcements, viommu_announcement, piece->request);
	return run->has_expected && run->expected.since_ns && a->time_ns >= run->expected.since_ns &&
		notice_words_announced(s->words, a->range, line) >= GPOINTER_TO_UINT(g_hash_table_lookup(s->times, &a->range));
}

/* ---- life ------------------------------------------------------------------------------- */

static bool
only_assigned(const viommu_machine *machine, viommu_sid sid)
{
	for (guint i = 0; i < machine->pci->len; i++) {
		const viommu_pci_device *device = &g_array_index(machine->pci, viommu_pci_device, i);

		if (device->sid.v != sid.v && viommu_device_kind_of(machine, device->sid) == VIOMMU_DEVICE_ASSIGNED)
			return false;
	}
	return true;
}

static void
end(void *user)
{
	state *s = user;

	notice_words_free(s->words);
	viommu_pieces_free(s->covers);
	g_hash_table_unref(s->times);
	g_free(s);
}

static void *
begin(const viommu_link_context *context, G_GNUC_UNUSED GError **error)
{
	state *s = g_new0(state, 1);
	const viommu_target_result *target = context->target;

	s->context = context;
	s->log = context->witnesses->log;
	s->covers = viommu_pieces_new();
	s->times = g_hash_table_new_full(viommu_range_hash, viommu_range_equal, g_free, NULL);
	if (!s->log || target->any_device || target->bypassed || target->device.outcome != VTD_TRANSLATES ||
		target->device.stage != VTD_STAGE_SECOND || context->kind == VIOMMU_DEVICE_EMULATED)
		return s;
	if (!viommu_link_afford(context, viommu_qemu_log_events(s->log)->len + target->record->announcements->len))
		return s;
	s->words = notice_words_new(s->log, &target->device,
		only_assigned(viommu_snapshot_machine(context->snapshot), context->assigned ? context->assigned->sid : target->sid));
	s->vfio_heard = viommu_qemu_log_count(s->log, VIOMMU_QLOG_NOTICE_MAP) != 0;
	collect_announcements(s);
	return s;
}

/* ---- judging -------------------------------------------------------------------------------- */

/* The log's last word is not what it should be. */
static viommu_link_status
contradicted(const state *s, bool proven, const char *note)
{
	if (s->context->kind != VIOMMU_DEVICE_ASSIGNED)
		return status(VIOMMU_LINK_UNVERIFIED, unknown_kind);
	return proven ? status(VIOMMU_LINK_BROKEN, note) : status(VIOMMU_LINK_UNVERIFIED, not_current);
}

static viommu_link_status
is_mapped(const state *s, const viommu_run *run, uint64_t first, const viommu_qlog_event *event, bool proven)
{
	if (event->has_gpa && event->gpa.v != run->gpa.v + (first - run->iova.first))
		return contradicted(s, proven, another_page);
	switch (event->kind) {
	case VIOMMU_QLOG_NOTICE_MAP:
		return status(VIOMMU_LINK_OK, told);
	case VIOMMU_QLOG_MAP_KNOWN:
		return status(VIOMMU_LINK_OK, noticed_before);
	default:
		break;
	}
	if (event->read != run->read || event->write != run->write)
		return contradicted(s, proven, other_permissions);
	if (event->has_notice)
		return status(VIOMMU_LINK_OK, noticed);
	return s->vfio_heard ? status(VIOMMU_LINK_UNVERIFIED, walked_only) : status(VIOMMU_LINK_OK, walked);
}

/* The log would have a page that QEMU had told of before it began, and found again.  Who
 * picks a few events by hand can leave that one out. */
static bool
knows_of_known(const state *s)
{
	return viommu_qemu_log_count(s->log, VIOMMU_QLOG_MAP_KNOWN) || viommu_qemu_log_count(s->log, VIOMMU_QLOG_WALK);
}

static viommu_link_status
judge_mapping(const state *s, const viommu_run *run, uint64_t first, uint64_t *last)
{
	viommu_qlog_event event;
	notice_word word = notice_words_at(s->words, first, last, &event);
	uint64_t line = 0;
	bool announced = has_last_announcement(s, run, first, last, &line);
	bool proven = announced || viommu_qemu_log_current(s->log);

	switch (word) {
	case WORD_MAP:
		return is_mapped(s, run, first, &event, proven);
	case WORD_UNMAP:
	case WORD_SKIPPED:
		return contradicted(s, proven, none_told);
	case WORD_UNREAD:
		return contradicted(s, proven, unread);
	case WORD_RESERVED:
		return contradicted(s, proven, reserved);
	case WORD_NONE:
		break;
	}
	if (announced && knows_of_known(s) && notice_words_walks_around(s->words, line))
		return contradicted(s, true, announced_only);
	return status(VIOMMU_LINK_UNVERIFIED, no_word);
}

static viommu_link_status
judge_gone(const state *s, const viommu_run *run, uint64_t first, uint64_t *last)
{
	viommu_qlog_event event;
	notice_word word = notice_words_at(s->words, first, last, &event);
	uint64_t line = 0;
	bool proven = has_last_announcement(s, run, first, last, &line) || viommu_qemu_log_current(s->log);

	switch (word) {
	case WORD_MAP:
		return contradicted(s, proven, not_taken_back);
	case WORD_SKIPPED:
		return contradicted(s, proven, viommu_notice_unmap_skipped);
	case WORD_UNMAP:
		return status(VIOMMU_LINK_OK, event.kind == VIOMMU_QLOG_UNMAP_KNOWN ? none_known : taken_back);
	case WORD_UNREAD:
	case WORD_RESERVED:
	case WORD_NONE:
		break;
	}
	return status(VIOMMU_LINK_UNVERIFIED, no_word);
}

static viommu_link_status
judge(void *user, const viommu_run *run, uint64_t first, uint64_t *last)
{
	const state *s = user;
	const viommu_target_result *target = s->context->target;

	if (s->context->kind == VIOMMU_DEVICE_EMULATED)
		return status(VIOMMU_LINK_NOT_NEEDED, emulated);
	if (target->any_device)
		return status(VIOMMU_LINK_UNVERIFIED, no_device);
	if (target->bypassed || target->device.outcome != VTD_TRANSLATES)
		return status(VIOMMU_LINK_NOT_NEEDED, not_translated);
	if (target->device.stage != VTD_STAGE_SECOND)
		return status(VIOMMU_LINK_UNVERIFIED, first_stage);
	if (!s->log)
		return status(VIOMMU_LINK_UNVERIFIED, no_log);
	if (!s->words)
		return status(VIOMMU_LINK_UNVERIFIED, too_many);
	if (run->verdict == VIOMMU_GONE)
		return judge_gone(s, run, first, last);
	if (run->verdict == VIOMMU_UNVERIFIED || run->verdict == VIOMMU_IN_FLUX)
		return status(VIOMMU_LINK_UNVERIFIED, table_unknown);
	if (!run->has_observed)
		return status(VIOMMU_LINK_UNVERIFIED, table_has_none);
	return judge_mapping(s, run, first, last);
}

static bool
next(void *user, uint64_t iova, viommu_iova_range *ret)
{
	const state *s = user;

	return s->words && notice_words_next_map(s->words, iova, ret);
}

const viommu_link_judge viommu_judge_notice = { begin, judge, next, end };
