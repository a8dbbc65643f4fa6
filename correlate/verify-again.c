/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to look once more, and what is proven by it.
 *
 * A running guest moves, and a record may come in late, even one of a guest that is stopped: a fault
 * counts when it stands in two looks, and what does not is in flux.  Two looks agree by chance on
 * what L1 does again and again, so where the record is younger than a look it has to tell, too, that
 * nothing came in between.
 */
#include "follow.h"
#include "join/doubt.h"
#include "verify-look.h"

#define MAX_READS 5
#define PAUSE_US (100 * 1000)
#define BATCH_US (1100 * 1000) /* L1's kernel may announce what drivers unmap in batches, within a second */

/* What is looked at. */
typedef struct {
	const viommu_verify_options *options;
	viommu_target *target;
	viommu_shadow_sources *shadows;
	bool reread; /* the records can be read again */
	GArray *silent; /* of bool, by record: a trace that came to no mark, and is not waited for again */
} looker;

static viommu_look *
take(looker *self, const viommu_look *before, bool up_to_now, GError **error)
{
	return viommu_look_take(self->options, self->target, self->shadows, before, up_to_now ? self->silent : NULL, error);
}

/* ---- the host's side ------------------------------------------------------------------------- */

static bool
has_shadow_of_now(const viommu_look *look)
{
	for (guint i = 0; i < look->shadows->len; i++)
		if (((const viommu_shadow *) g_ptr_array_index(look->shadows, i))->now)
			return true;
	return false;
}

/* The host's IOMMU was seen to differ from L1's table, and was read later. */
static bool
is_apart(const viommu_look *look)
{
	return has_shadow_of_now(look) && viommu_result_shadow_differs(look->result);
}

static void
player_free(void *player)
{
	if (player)
		viommu_record_player_free(player);
}

/* L1 did not run when it was looked at. */
static bool
is_still(const viommu_look *look)
{
	return g_strcmp0(viommu_snapshot_machine(look->snapshot)->run_state, "running") != 0;
}

/* What the records say now that everything was looked at: players, NULL for one that does not tell
 * of the time up to now. */
static GPtrArray *
follow_records(looker *self, const viommu_look *look, GError **error)
{
	g_autoptr(GPtrArray) ret = g_ptr_array_new_with_free_func(player_free);

	for (guint i = 0; i < look->records->len; i++) {
		const viommu_record *record = g_ptr_array_index(look->records, i);
		bool *silent = &g_array_index(self->silent, bool, i), told;
		viommu_record_player *player = viommu_record_follow(self->options->cmd.arguments[i], !*silent, &told, error);

		if (!player)
			return NULL;
		if (!told && !viommu_record_player_record(player)->ended) {
			*silent |= viommu_record_is_open_trace(record);
			g_clear_pointer(&player, viommu_record_player_free);
		}
		g_ptr_array_add(ret, player);
	}
	return g_steal_pointer(&ret);
}

/* From one look to the next. */
static void
pause_a_little(const viommu_look *look)
{
	bool late = false;

	for (guint i = 0; is_apart(look) && i < look->records->len; i++)
		late |= viommu_record_is_open_trace(g_ptr_array_index(look->records, i));
	g_usleep(late ? BATCH_US : PAUSE_US);
}

/* Counts the pages whose link 5 is broken in look, and not provenly so; apply: it is unverified then. */
static gboolean
doubt_shadow(looker *self, viommu_look *look, const viommu_look *before, bool apply, uint64_t *doubtful, GError **error)
{
	bool still = self->target->live && is_still(look) && is_still(before);
	bool known = !still && self->reread && self->options->cmd.arguments[0];
	g_autoptr(GPtrArray) players = known ? follow_records(self, look, error) : NULL;
	g_autoptr(GPtrArray) after = players ? g_ptr_array_new() : NULL;
	viommu_record_times times = { .judged = look->records, .before = before->records, .after = after,
		.saved = !self->target->live, .still = still };

	if (!players && known)
		return FALSE;
	for (guint i = 0; players && i < players->len; i++) {
		const viommu_record_player *player = g_ptr_array_index(players, i);

		g_ptr_array_add(after, player ? (void *) viommu_record_player_record(player) : NULL);
	}
	*doubtful += viommu_result_doubt_shadow(look->result, before->result, &times, apply);
	return TRUE;
}

/* A saved snapshot does not move; the host's side that is looked at now may. */
static viommu_look *
look_again_at_shadow(looker *self, viommu_look *first, GError **error)
{
	g_autoptr(viommu_look) before = first;
	g_autoptr(viommu_look) now = NULL;
	uint64_t doubtful = 0;

	pause_a_little(before);
	now = take(self, before, false, error);
	return now && doubt_shadow(self, now, before, true, &doubtful, error) &&
			viommu_result_add_evidence(now->result, now->snapshot, error)
		? g_steal_pointer(&now)
		: NULL;
}

/* ---- L1 --------------------------------------------------------------------------------------- */

/* While L1 does not run, no trace of it comes to a mark; and what counts of a moment that is over is
 * not what it tells of now. */
static bool
can_catch_up(const looker *self, const viommu_look *look)
{
	return self->reread && !self->options->at && !is_still(look);
}

/* Whether a look has to be taken again, what is found wrong aside: a record that is still being
 * written may come to its mark meanwhile. */
static bool
is_late(const looker *self, const viommu_look *look)
{
	return self->reread && (look->result->pages[VIOMMU_UNVERIFIED] || self->options->strict) && !viommu_look_settled(look);
}

/* Counts what of the look is not proven by the one before; last: it is in flux, then, or unverified. */
static gboolean
doubt(looker *self, viommu_look *look, const viommu_look *before, bool last, uint64_t *doubtful, GError **error)
{
	viommu_record_times times = { .judged = look->records, .before = before->records, .after = look->records };

	if (is_apart(look) && !doubt_shadow(self, look, before, last, doubtful, error))
		return FALSE;
	*doubtful += viommu_result_doubt_trace(look->result, &times, last);
	*doubtful += viommu_result_doubt(look->result, before->result, last);
	return viommu_result_add_evidence(look->result, look->snapshot, error);
}

viommu_look *
viommu_look_until_sure(const viommu_verify_options *options, viommu_target *target, viommu_shadow_sources *shadows, const viommu_look *first,
	GError **error)
{
	g_autoptr(GArray) silent = g_array_new(FALSE, TRUE, sizeof(bool));
	looker self = { options, target, shadows, .reread = viommu_look_can_reread(options), .silent = silent };
	g_autoptr(viommu_look) now = take(&self, first, false, error);

	if (now)
		g_array_set_size(silent, now->records->len);
	if (now && !target->live)
		return (!options->replay || options->shadow.what) && is_apart(now) ? look_again_at_shadow(&self, g_steal_pointer(&now), error)
										 : g_steal_pointer(&now);
	for (unsigned reads = 2; now && reads <= MAX_READS; reads++) {
		g_autoptr(viommu_look) next = NULL;
		uint64_t doubtful = 0;
		bool late = is_late(&self, now);

		if (!late && viommu_result_faults(now->result) == 0)
			break;
		pause_a_little(now);
		next = take(&self, self.reread ? NULL : now, can_catch_up(&self, now), error);
		if (!next)
			return NULL;
		next->result->reads = reads;
		if (!doubt(&self, next, now, reads == MAX_READS, &doubtful, error))
			return NULL;
		viommu_look_free(g_steal_pointer(&now));
		now = g_steal_pointer(&next);
		if (doubtful == 0 && !late)
			break;
	}
	return g_steal_pointer(&now);
}
