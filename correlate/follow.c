/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "follow.h"

#include <string.h>

#include <viommu/json.h>
#include <viommu/record.h>

#include "cmd.h"
#include "stream.h"
#include "text/text.h"

#define STEP_MS 20
#define QUIET_MS 100                  /* what is on its way comes within this */
#define PATIENCE_US (6 * 1000 * 1000) /* a trace has a mark every two seconds */
#define DRAIN_US (60 * 1000 * 1000)
#define UNSAID_US (500 * 1000)        /* what takes no longer is not worth a word */

/* To the end that the file has now; a writer who is faster than we are does not hold us for ever. */
static gboolean
drain(viommu_stream *stream, viommu_record_player *player, int timeout_ms, GError **error)
{
	gint64 end = g_get_monotonic_time() + DRAIN_US;
	gssize n;

	do
		n = viommu_stream_read(stream, player, timeout_ms, error);
	while (n >= VIOMMU_STREAM_BURST && g_get_monotonic_time() < end);
	return n >= 0;
}

/* Until a mark speaks for a moment that is later than now. */
static gboolean
await_mark(viommu_stream *stream, viommu_record_player *player, bool *told, GError **error)
{
	const viommu_record *record = viommu_record_player_record(player);
	gint64 drained = g_get_monotonic_time(), now = drained;
	g_autofree char *what = NULL;
	uint64_t rests = record->rests;

	for (; !*told && !record->ended && now - drained < PATIENCE_US; now = g_get_monotonic_time()) {
		if (!drain(stream, player, STEP_MS, error))
			return FALSE;
		if (!what && now - drained > UNSAID_US) {
			g_autofree char *name = viommu_escape(record->path);

			what = g_strdup_printf("a mark of the trace %s that is younger than the look", name);
			viommu_cmd_progress_wait(what);
		}
		if (record->rests == rests)
			continue;
		rests = record->rests;
		*told = g_get_monotonic_time() - (gint64) (record->lag_ns / 1000) - drained >= VIOMMU_ON_ITS_WAY_US;
	}
	if (what)
		viommu_cmd_progress_done();
	*told = *told && !record->ended;
	return TRUE;
}

viommu_record_player *
viommu_record_follow(const char *path, bool wait, bool *told, GError **error)
{
	g_autofree char *name = g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(".", path, NULL);
	g_autoptr(viommu_record_player) player = viommu_record_player_new(path, NULL);
	g_autoptr(viommu_stream) stream = viommu_stream_open(name, error);
	const viommu_record *record = viommu_record_player_record(player);

	*told = false;
	if (!stream || !drain(stream, player, 0, error))
		return NULL;
	if (!(record->looks_back ? !wait || await_mark(stream, player, told, error) : drain(stream, player, QUIET_MS, error)))
		return NULL;
	if (!viommu_record_player_finish(player, error))
		return NULL;
	if (!record->looks_back)
		*told = record->settled;
	return g_steal_pointer(&player);
}

static bool
is_mark(const char *line, gsize len)
{
	json_t *json = memmem(line, len, "\"" VIOMMU_EVENT_MARK "\"", strlen(VIOMMU_EVENT_MARK) + 2) ? viommu_json_load(line, len, 0, NULL) : NULL;
	bool ret = g_strcmp0(json_string_value(json_object_get(json, "event")), VIOMMU_EVENT_MARK) == 0;

	json_decref(json);
	return ret;
}

/* How much of a trace stands up to its last mark, that line included. */
static gsize
up_to_mark(const char *text, gsize len)
{
	const char *end = memrchr(text, '\n', len), *before;

	for (; end; end = before) {
		gsize begin;

		before = memrchr(text, '\n', (gsize) (end - text));
		begin = before ? (gsize) (before + 1 - text) : 0;
		if (is_mark(text + begin, (gsize) (end - text) - begin))
			return (gsize) (end + 1 - text);
	}
	return len;
}

viommu_record *
viommu_record_read_told(const char *path, bool wait, GBytes **bytes, GError **error)
{
	bool told, trace;
	g_autoptr(viommu_record_player) now = viommu_record_follow(path, wait, &told, error);
	g_autoptr(GBytes) all = NULL;
	g_autoptr(GError) local = NULL;
	g_autoptr(viommu_record) ret = NULL;
	char *text;
	gsize len;

	trace = now && told && viommu_record_player_record(now)->looks_back;
	if (!now || (!trace && !bytes))
		return now ? viommu_record_player_take(now) : NULL;
	if (!g_file_get_contents(path, &text, &len, &local)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read the record again: %s", local->message);
		return NULL;
	}
	all = g_bytes_new_take(text, trace ? up_to_mark(text, len) : len);
	ret = viommu_record_parse(all, path, NULL, error);
	/* Somebody may have put another file there. */
	if (ret && trace && g_strcmp0(ret->session, viommu_record_player_record(now)->session) == 0)
		viommu_record_catch_up(ret);
	if (ret && bytes)
		*bytes = g_steal_pointer(&all);
	return g_steal_pointer(&ret);
}
