/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <viommu/correlate.h>

#include "cmd.h"
#include "log-source.h"
#include "report/report.h"
#include "stream.h"

static const char help[] =
	"Usage: viommu watch TARGET STREAM\n\n"
	"Verifies mappings while they come and go: takes a record that is still being\n"
	"written and the vIOMMU side by side, looks whenever the record has come to rest,\n"
	"and reports each page that is not as L1 asked while it can still be looked at.\n"
	"STREAM is a file that grows, a FIFO, unix:PATH (the socket of a virtio-serial\n"
	"port), or - for standard input. Ends with the record, or with Ctrl-C. Until then\n"
	"it holds the monitor: for other commands give QEMU one more -qmp.\n\n"
	"  viommu watch -q unix:/tmp/qmp unix:/tmp/record.sock\n"
	"  viommu watch -q unix:/tmp/qmp maps.jsonl --seconds 60\n\n"
	"      --interval MS     look at most this often (default 250)\n"
	"      --seconds N       end after this time\n"
	"      --qemu-log FILE   QEMU's log or trace: what does QEMU notice?\n"
	"      --trace           the same from viommu trace, or switched on meanwhile\n"
	"      --format FORMAT   text (default) or json (one object a line)\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help            this text\n";

/* Nothing new for so long, and the record is taken for all there is. */
#define REST_MS 60
#define PULSE_S 1 /* tables are looked at this often even when the record rests */

static volatile sig_atomic_t interrupted;

static void
on_signal(G_GNUC_UNUSED int number)
{
	interrupted = 1;
}

typedef struct {
	viommu_cmd cmd;
	int interval_ms, seconds;
	viommu_target *target;
	viommu_stream *stream;
	viommu_record_player *player;
	char *qemu_log;
	gboolean trace;
	viommu_log_source *log;
	GPtrArray *records;        /* the player's record */
	viommu_snapshot *snapshot; /* of the look before, and its result */
	viommu_result *before;
	GHashTable *told;     /* keys of the faults that were reported */
	GHashTable *verified; /* "space/request" of mappings that matched whole or in part */
	uint64_t looks, fault_pages, now_faults;
	uint64_t doubtful; /* faulty pages of the last look that the one before did not have */
} watch;

static uint64_t
mappings_made(const watch *w)
{
	const viommu_record *record = viommu_record_player_record(w->player);
	uint64_t ret = 0;

	for (guint i = 0; i < record->spaces->len; i++)
		ret += ((const viommu_space *) g_ptr_array_index(record->spaces, i))->requests->len;
	return ret;
}

static void
show_summary(const watch *w, bool last)
{
	const viommu_record *record = viommu_record_player_record(w->player);
	g_autofree char *text = g_strdup_printf("%s events, %s mappings made, %s of them verified, %s looks, %s faulty pages at "
						"the last, %s in all",
		viommu_count_text(record->events).text, viommu_count_text(mappings_made(w)).text,
		viommu_count_text(g_hash_table_size(w->verified)).text, viommu_count_text(w->looks).text,
		viommu_count_text(w->now_faults).text, viommu_count_text(w->fault_pages).text);

	if (last && w->cmd.json)
		viommu_cmd_print_json_line(json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "event", "summary", "format",
			"viommu-watch", "version", 1, "events", (json_int_t) record->events, "mappings",
			(json_int_t) mappings_made(w), "verified", (json_int_t) g_hash_table_size(w->verified), "looks",
			(json_int_t) w->looks, "faulty_pages_now", (json_int_t) w->now_faults, "faulty_pages",
			(json_int_t) w->fault_pages));
	else if (last)
		printf("%s\n", text);
	else if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s", text);
}

static void
clear_summary(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void
note_verified(watch *w, const viommu_result *result, const viommu_run *run)
{
	const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, run->target);
	char *key = g_strdup_printf("%" G_GINT64_FORMAT "/%u", target->space->id, run->expected.request);

	g_hash_table_add(w->verified, key);
}

static void
tell_fault(watch *w, const viommu_report *report, const viommu_run *run)
{
	w->fault_pages += ((run->iova.last - run->iova.first) >> VIOMMU_PAGE_SHIFT) + 1;
	if (w->cmd.json) {
		json_t *item = viommu_report_json_run(report, run);

		json_object_set_new(item, "event", json_string("fault"));
		viommu_cmd_print_json_line(item);
	} else {
		clear_summary();
		viommu_report_text_run(stdout, report, run);
	}
	fflush(stdout);
}

/* What stood in two looks in a row is told, once. */
static void
go_through(watch *w, viommu_result *result, viommu_snapshot *snapshot)
{
	viommu_report report = { .result = result, .snapshot = snapshot };

	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		char *key;

		if (!viommu_run_is_fault(result, run)) {
			if (run->verdict == VIOMMU_MATCH)
				note_verified(w, result, run);
			continue;
		}
		key = viommu_run_key(result, run);
		if (g_hash_table_add(w->told, key))
			tell_fault(w, &report, run);
	}
}

/* Is there anything that could be verified? */
static bool
has_anything(const viommu_record *record)
{
	for (guint i = 0; i < record->spaces->len; i++) {
		const viommu_space *space = g_ptr_array_index(record->spaces, i);

		if (space->devices->len || !space->attached)
			return true;
	}
	return false;
}

static gboolean
look(watch *w, GError **error)
{
	viommu_capture_options options = { 0 };
	g_autoptr(viommu_snapshot) snapshot = NULL;
	g_autoptr(viommu_result) now = NULL;
	g_autoptr(viommu_result) sure = NULL;
	viommu_witnesses witnesses = { 0 };

	if (!has_anything(viommu_record_player_record(w->player)))
		return TRUE;
	viommu_record_player_settle(w->player);
	snapshot = viommu_live_capture(w->target->live, &options, error);
	if (!snapshot || !viommu_log_source_read(w->log, &witnesses.log, error))
		return FALSE;
	now = viommu_verify(w->records, snapshot, &witnesses, error);
	if (!now)
		return FALSE;
	w->looks++;
	w->doubtful = w->before ? viommu_result_doubt(now, w->before, false) : viommu_result_faults(now);
	if (w->doubtful == 0) {
		go_through(w, now, snapshot);
	} else {
		sure = viommu_verify(w->records, snapshot, &witnesses, error);
		if (!sure)
			return FALSE;
		if (w->before) {
			viommu_result_doubt(sure, w->before, true);
			if (!viommu_result_add_evidence(sure, snapshot, error))
				return FALSE;
			go_through(w, sure, snapshot);
		}
	}
	w->now_faults = viommu_result_faults(now);
	viommu_result_free(w->before);
	viommu_snapshot_free(w->snapshot);
	w->before = g_steal_pointer(&now);
	w->snapshot = g_steal_pointer(&snapshot);
	show_summary(w, false);
	return TRUE;
}

static bool
is_over(const watch *w, gint64 began)
{
	return interrupted || viommu_stream_ended(w->stream) || viommu_record_player_record(w->player)->ended ||
		g_get_monotonic_time() - began > (gint64) w->seconds * G_USEC_PER_SEC;
}

static gboolean
run(watch *w, GError **error)
{
	gint64 began = g_get_monotonic_time(), last_bytes = began, last_look = 0;
	bool fresh = false; /* events that no look has seen, or a fault that wants a second look */

	while (!is_over(w, began)) {
		gssize n = viommu_stream_read(w->stream, w->player, 20, error);
		gint64 now = g_get_monotonic_time();

		if (n < 0)
			return FALSE;
		if (n > 0) {
			last_bytes = now;
			fresh = true;
		}
		if (now - last_bytes < REST_MS * 1000 || now - last_look < (gint64) w->interval_ms * 1000)
			continue;
		if (!fresh && now - last_look < PULSE_S * G_USEC_PER_SEC)
			continue;
		if (!look(w, error))
			return FALSE;
		last_look = g_get_monotonic_time();
		fresh = w->doubtful != 0;
	}
	/* What came last has not been looked at yet, or wants its second look. */
	for (unsigned looks = 0; !interrupted && fresh && looks < 3; looks++) {
		if (looks)
			g_usleep((gulong) w->interval_ms * 1000);
		if (!look(w, error))
			return FALSE;
		fresh = w->doubtful != 0;
	}
	return TRUE;
}

static int
open_and_run(watch *w)
{
	g_autoptr(GError) error = NULL;
	struct sigaction action = { .sa_handler = on_signal };
	bool ok;

	w->stream = viommu_stream_open(w->cmd.arguments[0], &error);
	if (!w->stream)
		return viommu_cmd_fail("watch", error);
	w->target = viommu_target_open(&w->cmd.target, &error);
	if (!w->target)
		return viommu_cmd_fail("watch", error);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (w->trace) { /* it has to be switched off */
		sigaction(SIGHUP, &action, NULL);
		sigaction(SIGQUIT, &action, NULL);
	}
	w->log = viommu_log_source_open(w->qemu_log, w->trace, w->target->live, w->cmd.target.qmp, w->cmd.target.pid, &error);
	if (!w->log)
		return viommu_cmd_fail("watch", error);
	w->player = viommu_record_player_new(w->cmd.arguments[0], NULL);
	g_ptr_array_add(w->records, (void *) viommu_record_player_record(w->player));
	ok = run(w, &error);
	clear_summary();
	show_summary(w, true);
	if (!ok)
		return viommu_cmd_fail("watch", error);
	if (w->looks == 0 && mappings_made(w)) {
		g_set_error(&error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
			"the record ended, and its mappings with it, before they could be looked at; nothing is proven (hold them "
			"longer, or verify a record and a snapshot of one moment)");
		return viommu_cmd_fail("watch", error);
	}
	return w->fault_pages ? VIOMMU_EXIT_FAULT : VIOMMU_EXIT_CLEAN;
}

int
viommu_cmd_watch(int argc, char **argv)
{
	watch w = { .cmd = VIOMMU_CMD_LIVE, .interval_ms = 250, .seconds = VIOMMU_CMD_NO_END };
	const GOptionEntry own[] = {
		{ "interval", 0, 0, G_OPTION_ARG_INT, &w.interval_ms, NULL, NULL },
		{ "qemu-log", 0, 0, G_OPTION_ARG_FILENAME, &w.qemu_log, NULL, NULL },
		{ "trace", 0, 0, G_OPTION_ARG_NONE, &w.trace, NULL, NULL },
		{ "seconds", 0, 0, G_OPTION_ARG_INT, &w.seconds, NULL, NULL },
		{ 0 },
	};
	int status = viommu_cmd_parse(&w.cmd, argc, argv, own, TRUE, help);

	if (status < 0 && (!w.cmd.arguments[0] || w.cmd.arguments[1]))
		status = viommu_cmd_usage("watch", "name one stream: a file, a FIFO, unix:PATH or -");
	if (status < 0 && w.trace && w.qemu_log)
		status = viommu_cmd_usage("watch", "--trace stands in place of --qemu-log");
	if (status < 0 && w.interval_ms < 1)
		status = viommu_cmd_usage("watch", "--interval takes whole milliseconds, from 1 on");
	if (status < 0 && w.seconds < 1)
		status = viommu_cmd_usage("watch", "--seconds takes whole seconds, from 1 on");
	if (status < 0) {
		w.told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		w.verified = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		w.records = g_ptr_array_new();
		status = open_and_run(&w);
		viommu_result_free(w.before);
		viommu_snapshot_free(w.snapshot);
		viommu_record_player_free(w.player);
		viommu_stream_free(w.stream);
		viommu_log_source_free(w.log);
		viommu_target_free(w.target);
		g_hash_table_unref(w.told);
		g_hash_table_unref(w.verified);
		g_ptr_array_unref(w.records);
	}
	g_free(w.qemu_log);
	viommu_cmd_clear(&w.cmd);
	return status;
}
