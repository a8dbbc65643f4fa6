/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <viommu/correlate.h>

#include "cmd.h"
#include "log-source.h"
#include "record/pieces.h"
#include "report/report-text.h"
#include "stream.h"
#include "watch-sum.h"
#include "watch-suspects.h"

static const char help[] =
	"Usage: viommu watch TARGET STREAM\n\n"
	"Verifies mappings while they come and go: takes a record that is still being\n"
	"written and the vIOMMU side by side, looks whenever the record has come to rest,\n"
	"and reports each page that is not as L1 asked while it can still be looked at.\n"
	"STREAM is a file, followed as it grows, a FIFO, unix:PATH (the socket of a\n"
	"virtio-serial port), or - for standard input. Ends with the record, the stream,\n"
	"or Ctrl-C. It holds the monitor: for other commands give QEMU one more -qmp.\n\n"
	"  viommu watch -q unix:/tmp/qmp unix:/tmp/record.sock\n"
	"  viommu watch -q unix:/tmp/qmp maps.jsonl --seconds 60\n\n"
	"      --interval MS     look at most this often (default 250)\n"
	"      --seconds N       end after this time\n"
	"      --qemu-log FILE   QEMU's log or trace: what does QEMU notice?\n"
	"      --trace           the same from viommu trace, or switched on meanwhile\n"
	"      --all             every fault of each look, however many\n"
	"      --format FORMAT   text (default) or json (one object a line)\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help   -V, --version\n";

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
	viommu_watch_sum *sum;
	viommu_suspects *suspects; /* of a trace, */
	uint64_t proven_faults;    /* and its faulty pages that were no mere suspects, at the last look */
	gboolean all;
} watch;

/* Of the terminal that standard error is. */
static unsigned
columns(void)
{
	const char *text = g_getenv("COLUMNS");
	struct winsize size;
	guint64 said;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return text && g_ascii_string_to_unsigned(text, 10, 1, 10000, &said, NULL) ? (unsigned) said : 80;
}

/* One that goes over the edge would not be taken back by the next, and a character in the
 * last column moves the cursor to the next line on some terminals. */
static void
show_progress(const watch *w)
{
	g_autofree char *text = NULL;

	if (!isatty(STDERR_FILENO))
		return;
	text = viommu_watch_sum_text(w->sum);
	fprintf(stderr, "\r\033[K%.*s", (int) columns() - 1, text);
}

static void
clear_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* Is there anything that could be verified? */
static bool
has_anything(const viommu_record *record)
{
	for (guint i = 0; i < record->spaces->len; i++) {
		const viommu_space *space = g_ptr_array_index(record->spaces, i);

		if (space->devices->len || (!space->attached && viommu_pieces_count(space->live)))
			return true;
	}
	return false;
}

/* What stood in two looks in a row is told, once. */
static void
take(watch *w, const viommu_result *result, viommu_snapshot *snapshot)
{
	viommu_report report = { .result = result, .snapshot = snapshot, .all = w->all };

	clear_progress();
	viommu_watch_sum_take(w->sum, &report, w->cmd.json);
}

/* Of a trace, whose marks speak for the past.  *now: the result, if nothing seems wrong. */
static gboolean
look_back(watch *w, viommu_snapshot *snapshot, const viommu_witnesses *witnesses, viommu_result **now, GError **error)
{
	g_autoptr(viommu_result) whole = NULL;
	g_autoptr(viommu_result) sure = NULL;
	bool proven = viommu_suspects_proven(w->suspects);

	viommu_record_player_assume(w->player, true);
	whole = viommu_verify(w->records, snapshot, witnesses, error);
	sure = whole && proven ? viommu_verify(w->records, snapshot, witnesses, error) : NULL;
	viommu_record_player_settle(w->player, viommu_stream_has_writer(w->stream));
	viommu_record_player_assume(w->player, false);
	if (!whole || (proven && !sure))
		return FALSE;
	if (viommu_result_faults(whole) == 0) {
		w->proven_faults = 0;
		*now = g_steal_pointer(&whole);
		viommu_suspects_clear(w->suspects);
		return TRUE;
	}
	if (sure && viommu_suspects_convict(w->suspects, sure)) {
		if (!viommu_result_add_evidence(sure, snapshot, error))
			return FALSE;
		w->proven_faults = viommu_result_faults(sure);
		take(w, sure, snapshot);
	}
	viommu_suspects_put(w->suspects, g_steal_pointer(&whole));
	return TRUE;
}

static gboolean
look(watch *w, GError **error)
{
	viommu_capture_options options = { 0 };
	g_autoptr(viommu_snapshot) snapshot = NULL;
	g_autoptr(viommu_result) now = NULL;
	g_autoptr(viommu_result) sure = NULL;
	viommu_witnesses witnesses = { .now = true };

	if (!has_anything(viommu_record_player_record(w->player)))
		return TRUE;
	viommu_record_player_settle(w->player, viommu_stream_has_writer(w->stream));
	snapshot = viommu_live_capture(w->target->live, &options, error);
	if (!snapshot || !viommu_log_source_read(w->log, &witnesses.log, error))
		return FALSE;
	if (viommu_record_player_record(w->player)->looks_back && !look_back(w, snapshot, &witnesses, &now, error))
		return FALSE;
	if (!now)
		now = viommu_verify(w->records, snapshot, &witnesses, error);
	if (!now)
		return FALSE;
	w->sum->looks++;
	w->sum->doubtful = w->before ? viommu_result_doubt(now, w->before, false) : viommu_result_faults(now);
	if (w->sum->doubtful == 0) {
		take(w, now, snapshot);
	} else {
		sure = viommu_verify(w->records, snapshot, &witnesses, error);
		if (!sure)
			return FALSE;
		if (w->before) {
			viommu_result_doubt(sure, w->before, true);
			if (!viommu_result_add_evidence(sure, snapshot, error))
				return FALSE;
			take(w, sure, snapshot);
		}
	}
	w->sum->now_faults = MAX(viommu_result_faults(now), w->proven_faults);
	viommu_result_free(w->before);
	viommu_snapshot_free(w->snapshot);
	w->before = g_steal_pointer(&now);
	w->snapshot = g_steal_pointer(&snapshot);
	show_progress(w);
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
		if (n < VIOMMU_STREAM_BURST)
			viommu_suspects_heard(w->suspects, viommu_record_player_record(w->player), now);
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
		fresh = w->sum->doubtful != 0;
	}
	if (viommu_stream_ended(w->stream) && !viommu_record_player_finish(w->player, error))
		return FALSE;
	/* What came last has not been looked at yet, or wants its second look. */
	for (unsigned looks = 0; !interrupted && fresh && looks < 3; looks++) {
		if (looks)
			g_usleep((gulong) w->interval_ms * 1000);
		if (!look(w, error))
			return FALSE;
		fresh = w->sum->doubtful != 0;
	}
	return TRUE;
}

/* What all looks came to. */
static void
show_end(const watch *w)
{
	const viommu_record *record = viommu_record_player_record(w->player);
	g_autofree char *text = viommu_watch_sum_text(w->sum);
	g_auto(viommu_headline) line = { 0 };

	viommu_watch_sum_headline(w->sum, has_anything(record) ? w->before : NULL, &line);
	if (w->cmd.json) {
		viommu_cmd_print_json_line(viommu_watch_sum_json(w->sum, &line));
		return;
	}
	printf("%s%s\n", w->sum->fault_pages ? "\n" : "", text);
	if (record->cut)
		printf("the last line of the record is not whole and was left out\n");
	viommu_report_text_headline(stdout, &line);
	putchar('\n');
}

/* What there is of it when viommu fails. */
static void
show_rest(const watch *w)
{
	g_autofree char *text = viommu_watch_sum_text(w->sum);

	if (w->cmd.json)
		viommu_cmd_print_json_line(viommu_watch_sum_json(w->sum, NULL));
	else
		printf("%s\n", text);
}

static gboolean
fail_unseen(GError **error)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
		"the record ended, and its mappings with it, before they could be looked at; nothing is proven (hold them "
		"longer, or verify a record and a snapshot of one moment)");
	return FALSE;
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
	w->suspects = viommu_suspects_new();
	w->sum = viommu_watch_sum_new(viommu_record_player_record(w->player));
	ok = run(w, &error);
	clear_progress();
	if (ok && w->sum->looks == 0 && viommu_watch_sum_made(w->sum))
		ok = fail_unseen(&error);
	if (!ok) {
		show_rest(w);
		return viommu_cmd_fail("watch", error);
	}
	show_end(w);
	return w->sum->fault_pages ? VIOMMU_EXIT_FAULT : VIOMMU_EXIT_CLEAN;
}

int
viommu_cmd_watch(int argc, char **argv)
{
	watch w = { .cmd = VIOMMU_CMD_LIVE, .interval_ms = 250, .seconds = VIOMMU_CMD_NO_END };
	const GOptionEntry own[] = {
		{ "interval", 0, 0, G_OPTION_ARG_INT, &w.interval_ms, NULL, NULL },
		{ "qemu-log", 0, 0, G_OPTION_ARG_FILENAME, &w.qemu_log, NULL, NULL },
		{ "all", 0, 0, G_OPTION_ARG_NONE, &w.all, NULL, NULL },
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
		w.records = g_ptr_array_new();
		status = open_and_run(&w);
		viommu_result_free(w.before);
		viommu_snapshot_free(w.snapshot);
		viommu_watch_sum_free(w.sum);
		viommu_suspects_free(w.suspects);
		viommu_record_player_free(w.player);
		viommu_stream_free(w.stream);
		viommu_log_source_free(w.log);
		viommu_target_free(w.target);
		g_ptr_array_unref(w.records);
	}
	g_free(w.qemu_log);
	viommu_cmd_clear(&w.cmd);
	return status;
}
