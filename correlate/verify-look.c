/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verify-look.h"

#include <string.h>
#include <sys/stat.h>

#include "bundle/bundle-replay.h"
#include "follow.h"
#include "join/doubt.h"

/* A mismatch counts when two reads in a row agree on it. */
#define MAX_READS 5
#define PAUSE_US (100 * 1000)

void
viommu_look_free(viommu_look *self)
{
	if (!self)
		return;
	viommu_result_free(self->result);
	if (self->owns_snapshot)
		viommu_snapshot_free(self->snapshot);
	viommu_qemu_log_free(self->own_log);
	g_clear_pointer(&self->shadows, g_ptr_array_unref);
	g_clear_pointer(&self->records, g_ptr_array_unref);
	g_clear_pointer(&self->parts, g_ptr_array_unref);
	g_free(self);
}

static void
record_free(void *record)
{
	viommu_record_free(record);
}

static void
part_free(void *part)
{
	viommu_part_free(part);
}

GPtrArray *
viommu_parts_new(void)
{
	return g_ptr_array_new_with_free_func(part_free);
}

/* A session twice is one thing counted twice. */
static gboolean
add_record(GPtrArray *records, viommu_record *record, GError **error)
{
	g_ptr_array_add(records, record);
	for (guint i = 0; record->session && *record->session && i + 1 < records->len; i++) {
		const viommu_record *before = g_ptr_array_index(records, i);

		if (g_strcmp0(before->session, record->session) == 0) {
			g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
				"%s and %s are records of one session (%s), whose mappings would count twice; give it once", before->path,
				record->path, record->session);
			return FALSE;
		}
	}
	return TRUE;
}

/* Those of the bundle, when none is named. */
static gboolean
replay_records(viommu_look *self, const viommu_verify_options *options, GError **error)
{
	const viommu_part *part = NULL;

	while ((part = viommu_bundle_next(options->replay, VIOMMU_PART_RECORD, part))) {
		viommu_record *record = viommu_replay_record(part, options->cmd.target.snapshot, options->at, error);

		/* It is the bundle that names the moment, not the command line. */
		if (!record && error && g_error_matches(*error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE) &&
			g_strcmp0(options->at, viommu_replay_at(options->replay)) == 0)
			(*error)->code = VIOMMU_ERROR_INPUT;
		if (!record || !add_record(self->records, record, error))
			return FALSE;
		g_ptr_array_add(self->parts, viommu_part_new(part->name, part->kind, record->path, part->bytes));
	}
	if (self->records->len)
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT, "%s has no record in it; name one", options->cmd.target.snapshot);
	return FALSE;
}

gboolean
viommu_look_read_records(viommu_look *self, const viommu_verify_options *options, GError **error)
{
	self->records = g_ptr_array_new_with_free_func(record_free);
	self->parts = viommu_parts_new();
	if (!options->cmd.arguments[0])
		return replay_records(self, options, error);
	for (char **path = options->cmd.arguments; *path; path++) {
		g_autoptr(GBytes) bytes = NULL;
		viommu_record *record = viommu_record_read_whole(*path, options->at, options->keep ? &bytes : NULL, error);
		g_autofree char *name = g_strdup_printf("records/%u.jsonl", self->parts->len + 1);

		if (!record || !add_record(self->records, record, error))
			return FALSE;
		if (bytes)
			g_ptr_array_add(self->parts, viommu_part_new(name, VIOMMU_PART_RECORD, *path, bytes));
	}
	return TRUE;
}

/* QEMU's log and the shadows. */
static gboolean
read_witnesses(viommu_look *self, const viommu_verify_options *options, viommu_shadow_sources *shadows, GError **error)
{
	if (options->replay && !options->qemu_log)
		self->log = self->own_log = viommu_replay_log(options->replay);
	else if (!viommu_log_source_read(options->log, &self->log, error))
		return FALSE;
	self->shadows = options->replay && !options->shadow.what
		? viommu_replay_shadows(options->replay, options->cmd.target.snapshot, error)
		: viommu_shadow_sources_read(shadows, error);
	self->witnesses.log = self->log;
	self->witnesses.shadows = self->shadows;
	return self->shadows != NULL;
}

/* before: a look whose records are used again; NULL: they are read now. */
static viommu_look *
take_look(const viommu_verify_options *options, viommu_target *target, viommu_shadow_sources *shadows, const viommu_look *before,
	GError **error)
{
	g_autoptr(viommu_look) self = g_new0(viommu_look, 1);

	if (before) {
		self->records = g_ptr_array_ref(before->records);
		self->parts = g_ptr_array_ref(before->parts);
	} else if (!viommu_look_read_records(self, options, error)) {
		return NULL;
	}
	self->snapshot = target->snapshot;
	if (target->live) {
		self->snapshot = viommu_live_capture(target->live, &options->capture, error);
		self->owns_snapshot = TRUE;
	}
	self->witnesses.now = target->live || (options->replay && !options->cmd.arguments[0] && viommu_replay_now(options->replay));
	if (!self->snapshot || !read_witnesses(self, options, shadows, error))
		return NULL;
	self->result = viommu_verify(self->records, self->snapshot, &self->witnesses, error);
	/* What only the live looks could tell is told of the same records. */
	if (self->result && options->replay && !options->cmd.arguments[0] &&
		(!viommu_replay_looks(options->replay, self->result, self->records, error) ||
			!viommu_result_add_evidence(self->result, self->snapshot, error)))
		return NULL;
	return self->result && viommu_result_has_pages(self->result, self->records, error) ? g_steal_pointer(&self) : NULL;
}

/* Can a record be read again, to see what L1 did since? */
static gboolean
can_reread(const viommu_verify_options *options)
{
	for (char **path = options->cmd.arguments; *path; path++) {
		struct stat st;

		if (strcmp(*path, "-") == 0 || stat(*path, &st) != 0 || !S_ISREG(st.st_mode))
			return FALSE;
	}
	return TRUE;
}

gboolean
viommu_look_settled(const viommu_look *self)
{
	for (guint i = 0; i < self->records->len; i++) {
		const viommu_record *record = g_ptr_array_index(self->records, i);

		if (!record->settled || (self->witnesses.now && record->looks_back))
			return FALSE;
	}
	return TRUE;
}

gboolean
viommu_look_whole(const viommu_look *self)
{
	for (guint i = 0; i < self->records->len; i++)
		if (((const viommu_record *) g_ptr_array_index(self->records, i))->lost_reason)
			return FALSE;
	return viommu_look_settled(self);
}

/* ---- again ----------------------------------------------------------------------------------- */

static bool
has_shadow_of_now(const viommu_look *self)
{
	for (guint i = 0; i < self->shadows->len; i++)
		if (((const viommu_shadow *) g_ptr_array_index(self->shadows, i))->now)
			return true;
	return false;
}

/* The host's IOMMU was seen to differ from L1's table, and was read later. */
static bool
is_apart(const viommu_look *self)
{
	return has_shadow_of_now(self) && viommu_result_shadow_differs(self->result);
}

static void
player_free(void *player)
{
	if (player)
		viommu_record_player_free(player);
}

/* What the records say now that everything was looked at: players, NULL for one that does not tell
 * of the time up to now. */
static GPtrArray *
follow_records(const viommu_verify_options *options, GError **error)
{
	g_autoptr(GPtrArray) ret = g_ptr_array_new_with_free_func(player_free);

	for (char **path = options->cmd.arguments; *path; path++) {
		bool told;
		viommu_record_player *player = viommu_record_follow(*path, &told, error);

		if (!player)
			return NULL;
		if (!told && !viommu_record_player_record(player)->ended)
			g_clear_pointer(&player, viommu_record_player_free);
		g_ptr_array_add(ret, player);
	}
	return g_steal_pointer(&ret);
}

/* Counts the pages whose link 5 is broken in self, and not provenly so; apply: it is unverified then. */
static gboolean
doubt_shadow(viommu_look *self, const viommu_look *before, const viommu_verify_options *options, bool apply, uint64_t *doubtful,
	GError **error)
{
	g_autoptr(GPtrArray) players = can_reread(options) ? follow_records(options, error) : NULL;
	g_autoptr(GPtrArray) after = players ? g_ptr_array_new() : NULL;
	viommu_record_times times = { .judged = self->records, .before = before->records, .after = after };

	if (!players && can_reread(options))
		return FALSE;
	for (guint i = 0; players && i < players->len; i++) {
		const viommu_record_player *player = g_ptr_array_index(players, i);

		g_ptr_array_add(after, player ? (void *) viommu_record_player_record(player) : NULL);
	}
	*doubtful += viommu_result_doubt_shadow(self->result, before->result, &times, apply);
	return TRUE;
}

/* A saved snapshot does not move; the host's side that is looked at now may. */
static viommu_look *
look_again_at_shadow(const viommu_verify_options *options, viommu_target *target, viommu_shadow_sources *shadows, viommu_look *first,
	GError **error)
{
	g_autoptr(viommu_look) before = first;
	g_autoptr(viommu_look) now = NULL;
	uint64_t doubtful = 0;

	g_usleep(PAUSE_US);
	now = take_look(options, target, shadows, before, error);
	return now && doubt_shadow(now, before, options, true, &doubtful, error) &&
			viommu_result_add_evidence(now->result, now->snapshot, error)
		? g_steal_pointer(&now)
		: NULL;
}

/* Whether a look at a live QEMU has to be taken again, what is found wrong aside. */
static gboolean
is_late(const viommu_look *self, gboolean reread)
{
	return reread && self->result->pages[VIOMMU_UNVERIFIED] && !viommu_look_settled(self);
}

/* A running guest moves, and a record may come in late, even one of a guest that is
 * stopped: looks again until a fault stands in two looks, and calls what does not in
 * flux.  A record that is still being written may come to its mark meanwhile. */
viommu_look *
viommu_look_until_sure(const viommu_verify_options *options, viommu_target *target, viommu_shadow_sources *shadows, const viommu_look *first,
	GError **error)
{
	gboolean reread = can_reread(options);
	g_autoptr(viommu_look) now = take_look(options, target, shadows, first, error);

	if (now && !target->live)
		return (!options->replay || options->shadow.what) && is_apart(now) ? look_again_at_shadow(options, target, shadows, g_steal_pointer(&now), error)
							: g_steal_pointer(&now);
	for (unsigned reads = 2; now && reads <= MAX_READS; reads++) {
		g_autoptr(viommu_look) next = NULL;
		uint64_t doubtful = 0;
		gboolean late = is_late(now, reread);
		bool last = reads == MAX_READS;

		if (!late && viommu_result_faults(now->result) == 0)
			break;
		g_usleep(PAUSE_US);
		next = take_look(options, target, shadows, reread ? NULL : now, error);
		if (!next)
			return NULL;
		next->result->reads = reads;
		if (is_apart(next) && !doubt_shadow(next, now, options, last, &doubtful, error))
			return NULL;
		doubtful += viommu_result_doubt(next->result, now->result, last);
		if (!viommu_result_add_evidence(next->result, next->snapshot, error))
			return NULL;
		viommu_look_free(g_steal_pointer(&now));
		now = g_steal_pointer(&next);
		if (doubtful == 0 && !late)
			break;
	}
	return g_steal_pointer(&now);
}

viommu_look *
viommu_look_into(const viommu_verify_options *options, viommu_bundle *bundle, viommu_snapshot *snapshot, GError **error)
{
	static char *no_arguments[] = { NULL };
	char name[] = "what was made of it for the report";
	viommu_verify_options again = { .cmd.target.snapshot = name, .cmd.arguments = no_arguments,
		.at = (char *) viommu_replay_at(bundle), .strict = options->strict, .replay = bundle };
	viommu_target target = { .snapshot = snapshot };

	return take_look(&again, &target, NULL, NULL, error);
}
