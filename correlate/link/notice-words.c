/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Goes through the log in its order.  An event of a walk belongs to the device when the
 * walk began at its table; where the log does not have that (vtd_page_walk_level), when the
 * walk was for its domain or for the device itself.
 */
#include "link/notice-words.h"

typedef struct {
	uint64_t count, line;
} announced;

struct notice_words {
	const GArray *events;
	const vtd_device *device;
	bool alone, has_walks;
	viommu_pieces *words; /* .request: index of the event */
	viommu_pieces *skipped; /* told of, not taken back: the same */
	GHashTable *announced; /* range -> announced */
	uint64_t first_walk, last_walk; /* lines; 0: none */
};

static const viommu_qlog_event *
event_at(const notice_words *self, guint i)
{
	return &g_array_index(self->events, viommu_qlog_event, i);
}

static bool
is_walk(viommu_qlog_kind kind)
{
	return kind <= VIOMMU_QLOG_SKIP_RESERVED;
}

static void
put(viommu_pieces *pieces, viommu_iova_range range, guint event)
{
	viommu_piece piece = { .iova = range, .request = event };

	viommu_pieces_put(pieces, &piece);
}

static void
put_word(notice_words *self, guint event)
{
	viommu_iova_range range = event_at(self, event)->iova;

	viommu_pieces_cut(self->skipped, range, NULL, NULL);
	put(self->words, range, event);
}

/* QEMU's walk found nothing in the range and said nothing. Where it had told of a
 * mapping, that stands. */
static void
put_unmap_known(notice_words *self, guint event)
{
	viommu_iova_range range = event_at(self, event)->iova;
	uint64_t at = range.first;
	const viommu_piece *piece;

	while ((piece = viommu_pieces_from(self->words, at)) && piece->iova.first <= range.last) {
		viommu_iova_range part = { MAX(at, piece->iova.first), MIN(range.last, piece->iova.last) };
		viommu_qlog_kind kind = event_at(self, piece->request)->kind;

		if (kind == VIOMMU_QLOG_MAP || kind == VIOMMU_QLOG_MAP_KNOWN || kind == VIOMMU_QLOG_NOTICE_MAP)
			put(self->skipped, part, event);
		if (part.last == range.last)
			break;
		at = part.last + 1;
	}
	/* The rest gets this word; what stands keeps the old one. */
	at = range.first;
	while (at <= range.last) {
		const viommu_piece *stands = viommu_pieces_from(self->skipped, at);
		uint64_t end = stands && stands->iova.first <= range.last ? stands->iova.first : range.last;

		if (stands && stands->iova.first <= at) {
			if (stands->iova.last >= range.last)
				break;
			at = stands->iova.last + 1;
			continue;
		}
		put(self->words, (viommu_iova_range){ at, stands && end == stands->iova.first ? end - 1 : end }, event);
		if (!stands || stands->iova.first > range.last)
			break;
		at = stands->iova.first;
	}
}

static void
forget(notice_words *self)
{
	static const viommu_iova_range all = { 0, UINT64_MAX };

	viommu_pieces_cut(self->words, all, NULL, NULL);
	viommu_pieces_cut(self->skipped, all, NULL, NULL);
	g_hash_table_remove_all(self->announced);
}

static void
note_announced(notice_words *self, const viommu_qlog_event *event)
{
	announced *a = g_hash_table_lookup(self->announced, &event->iova);

	if (!a) {
		a = g_new0(announced, 1);
		g_hash_table_insert(self->announced, g_memdup2(&event->iova, sizeof(event->iova)), a);
	}
	a->count++;
	a->line = event->line;
}

/* Whose walks the events that follow are about. */
typedef enum { ANYBODYS, ANOTHERS, OURS } whose;

static whose
is_ours(bool ours)
{
	return ours ? OURS : ANOTHERS;
}

static bool
names_device(const notice_words *self, const viommu_qlog_event *event)
{
	return event->has_sid && ((event->sid.v ^ self->device->sid.v) & ~event->mask) == 0;
}

/* What tells whose the walk is that follows. */
static whose
whose_walk(notice_words *self, const viommu_qlog_event *event, whose now, bool *by_table)
{
	const vtd_device *device = self->device;

	switch (event->kind) {
	case VIOMMU_QLOG_WALK:
		if (event->level < device->levels)
			return now;
		*by_table = true;
		return is_ours(event->level == device->levels && event->gpa.v == device->table.v);
	case VIOMMU_QLOG_IOTLB_PAGES:
	case VIOMMU_QLOG_IOTLB_DOMAIN:
		now = is_ours(event->did == device->did);
		break;
	case VIOMMU_QLOG_CONTEXT:
	case VIOMMU_QLOG_SWITCH:
	case VIOMMU_QLOG_REPLAY:
		now = event->has_sid ? is_ours(names_device(self, event)) : ANYBODYS;
		break;
	case VIOMMU_QLOG_IOTLB_GLOBAL:
		now = ANYBODYS;
		break;
	default:
		return now;
	}
	*by_table = false;
	return now;
}

static void
take(notice_words *self, guint i, whose walk, bool by_table)
{
	const viommu_qlog_event *event = event_at(self, i);
	bool our_domain = event->has_did && event->did == self->device->did;

	switch (event->kind) {
	case VIOMMU_QLOG_MAP:
	case VIOMMU_QLOG_UNMAP:
		if (our_domain && !(by_table && walk == ANOTHERS))
			put_word(self, i);
		break;
	case VIOMMU_QLOG_MAP_KNOWN:
	case VIOMMU_QLOG_SKIP_READ:
	case VIOMMU_QLOG_SKIP_RESERVED:
		if (walk == OURS)
			put_word(self, i);
		break;
	case VIOMMU_QLOG_UNMAP_KNOWN:
		if (walk == OURS)
			put_unmap_known(self, i);
		break;
	case VIOMMU_QLOG_UNMAP_ALL:
		if (names_device(self, event))
			put_word(self, i);
		break;
	case VIOMMU_QLOG_CONTEXT:
	case VIOMMU_QLOG_SWITCH:
		if (names_device(self, event))
			forget(self);
		break;
	case VIOMMU_QLOG_NOTICE_MAP:
	case VIOMMU_QLOG_NOTICE_UNMAP:
		if (self->alone && !self->has_walks)
			put_word(self, i);
		break;
	case VIOMMU_QLOG_IOTLB_PAGES:
		if (our_domain)
			note_announced(self, event);
		break;
	default:
		break;
	}
}

notice_words *
notice_words_new(const viommu_qemu_log *log, const vtd_device *device, bool alone)
{
	notice_words *self = g_new0(notice_words, 1);
	whose walk = ANYBODYS;
	bool by_table = false;

	self->events = viommu_qemu_log_events(log);
	self->device = device;
	self->alone = alone;
	self->words = viommu_pieces_new();
	self->skipped = viommu_pieces_new();
	self->announced = g_hash_table_new_full(viommu_range_hash, viommu_range_equal, g_free, g_free);
	for (guint i = 0; i < self->events->len; i++)
		if (is_walk(event_at(self, i)->kind)) {
			if (!self->has_walks)
				self->first_walk = event_at(self, i)->line;
			self->has_walks = true;
			self->last_walk = event_at(self, i)->line;
		}
	for (guint i = 0; i < self->events->len; i++) {
		walk = whose_walk(self, event_at(self, i), walk, &by_table);
		take(self, i, walk, by_table);
	}
	return self;
}

void
notice_words_free(notice_words *self)
{
	if (!self)
		return;
	viommu_pieces_free(self->words);
	viommu_pieces_free(self->skipped);
	g_hash_table_unref(self->announced);
	g_free(self);
}

static notice_word
word_of(viommu_qlog_kind kind)
{
	switch (kind) {
	case VIOMMU_QLOG_MAP:
	case VIOMMU_QLOG_MAP_KNOWN:
	case VIOMMU_QLOG_NOTICE_MAP:
		return WORD_MAP;
	case VIOMMU_QLOG_SKIP_READ:
		return WORD_UNREAD;
	case VIOMMU_QLOG_SKIP_RESERVED:
		return WORD_RESERVED;
	default:
		return WORD_UNMAP;
	}
}

/* The piece that holds iova; else *last is cut to where the next one begins. */
static const viommu_piece *
piece_at(const viommu_pieces *pieces, uint64_t iova, uint64_t *last)
{
	const viommu_piece *piece = viommu_pieces_from(pieces, iova);

	if (piece && piece->iova.first <= iova) {
		*last = MIN(*last, piece->iova.last);
		return piece;
	}
	if (piece && piece->iova.first <= *last)
		*last = piece->iova.first - 1;
	return NULL;
}

notice_word
notice_words_at(const notice_words *self, uint64_t iova, uint64_t *last, viommu_qlog_event *event)
{
	const viommu_piece *word = piece_at(self->words, iova, last);
	const viommu_piece *skipped = piece_at(self->skipped, iova, last);

	if (!word && !skipped)
		return WORD_NONE;
	*event = *event_at(self, (skipped ? skipped : word)->request);
	event->gpa.v += iova - event->iova.first;
	return skipped ? WORD_SKIPPED : word_of(event->kind);
}

bool
notice_words_next_map(const notice_words *self, uint64_t iova, viommu_iova_range *ret)
{
	for (const viommu_piece *piece; (piece = viommu_pieces_from(self->words, iova)); iova = piece->iova.last + 1) {
		if (word_of(event_at(self, piece->request)->kind) == WORD_MAP) {
			*ret = (viommu_iova_range){ MAX(iova, piece->iova.first), piece->iova.last };
			return true;
		}
		if (piece->iova.last == UINT64_MAX)
			break;
	}
	return false;
}

uint64_t
notice_words_announced(const notice_words *self, viommu_iova_range pages, uint64_t *line)
{
	const announced *a = g_hash_table_lookup(self->announced, &pages);

	*line = a ? a->line : 0;
	return a ? a->count : 0;
}

bool
notice_words_walks_around(const notice_words *self, uint64_t line)
{
	return self->first_walk && self->first_walk < line && line < self->last_walk;
}
