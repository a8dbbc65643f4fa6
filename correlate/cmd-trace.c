/* SPDX-License-Identifier: GPL-2.0-or-later */
/* viommu trace: QEMU's trace events, on until Ctrl-C. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <viommu/trace.h>

#include "cmd.h"

static const char help[] =
	"Usage: viommu trace TARGET -o FILE\n"
	"       viommu trace TARGET --undo\n\n"
	"Switches on the trace events of QEMU's vIOMMU and of vfio, into FILE, until\n"
	"Ctrl-C; then puts back what was there. Map and unmap in L1 meanwhile. viommu\n"
	"verify then says whether QEMU noticed.\n\n"
	"  viommu trace -q unix:/tmp/qmp -o trace.log\n\n"
	"  -o, --output FILE     QEMU writes here, so its user has to be able to\n"
	"      --force           replace FILE if it exists\n"
	"      --seconds N       end after this time\n"
	"      --log-was PATH    what QEMU's log goes back to, where that cannot be told\n"
	"      --undo            switch off what a viommu that was killed left on\n"
	"      --format FORMAT   text (default) or json, at the end\n"
	"      --debug           say more\n"
	"  -h, --help   -V, --version\n";

/* The monitor is let go meanwhile, for viommu verify; somebody may hold it at the end. */
#define TRIES 60
#define PAUSE_US (100 * 1000)

typedef struct {
	viommu_cmd cmd;
	char *output, *log_was;
	gboolean force, undo;
	int seconds;
} trace_options;

static volatile sig_atomic_t interrupted;

static void
on_signal(G_GNUC_UNUSED int number)
{
	interrupted = 1;
}

static void
catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
		sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static viommu_monitor *
open_monitor(const trace_options *options, GError **error)
{
	const viommu_target_options *target = &options->cmd.target;
	g_autoptr(viommu_monitor) monitor = viommu_monitor_open(target->qmp, (unsigned) (target->timeout * 1000), error);

	if (!monitor || !viommu_target_agrees(target, monitor, error) ||
		!viommu_monitor_check_process(monitor, NULL, target->qmp, target->pid, target->claim, error))
		return NULL;
	return g_steal_pointer(&monitor);
}

static viommu_monitor *
open_monitor_again(const trace_options *options, GError **error)
{
	viommu_monitor *monitor = NULL;

	for (unsigned i = 0; !monitor && i < TRIES; i++) {
		g_clear_error(error);
		monitor = open_monitor(options, error);
		if (!monitor && !g_error_matches(*error, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT))
			break;
	}
	return monitor;
}

static pid_t
qemu_of(const trace_options *options, const viommu_monitor *monitor)
{
	return viommu_target_process(options->cmd.target.qmp, options->cmd.target.pid, monitor);
}

static viommu_trace *
begin(const trace_options *options, GError **error)
{
	g_autoptr(viommu_monitor) monitor = open_monitor(options, error);
	g_autofree char *file = g_canonicalize_filename(options->output, NULL);
	viommu_trace_options what = { .address = options->cmd.target.qmp, .file = file, .log_was = options->log_was };

	if (!monitor)
		return NULL;
	what.pid = qemu_of(options, monitor);
	return viommu_trace_begin(monitor, &what, error);
}

/* Until a signal, or its time is over. QEMU may have ended: then nothing is left to undo. */
static gboolean
hold(const trace_options *options, viommu_trace *trace, GError **error)
{
	gint64 end = g_get_monotonic_time() + (gint64) options->seconds * G_USEC_PER_SEC;

	while (!interrupted && g_get_monotonic_time() < end) {
		if (!viommu_trace_copy(trace, error))
			return FALSE;
		if (viommu_trace_qemu_ended(trace))
			return TRUE;
		g_usleep(PAUSE_US);
	}
	return TRUE;
}

/* Puts back what was there, and says so. */
static gboolean
finish(const trace_options *options, viommu_trace *trace, GError **error)
{
	g_autoptr(viommu_monitor) monitor = viommu_trace_qemu_ended(trace) ? NULL : open_monitor_again(options, error);
	gboolean ended = !monitor && viommu_trace_qemu_ended(trace);

	if (monitor && !viommu_trace_end(trace, monitor, error))
		return FALSE;
	if (!monitor)
		viommu_trace_abandon(trace);
	if (!monitor && !ended)
		return FALSE;
	g_clear_error(error);
	fprintf(stderr, ended ? "viommu: QEMU has ended, and its trace events with it\n" : "viommu: trace events as they were before\n");
	return TRUE;
}

static int
run(const trace_options *options)
{
	g_autoptr(GError) error = NULL, later = NULL;
	unsigned events;
	viommu_trace *trace;

	if (!viommu_cmd_may_write(options->output, options->force, &error))
		return viommu_cmd_fail("trace", error);
	catch_signals();
	trace = begin(options, &error);
	if (!trace)
		return viommu_cmd_fail("trace", error);
	fprintf(stderr, "viommu: %u of QEMU's trace events on (%u were on), into %s; press Ctrl-C to end\n",
		viommu_trace_events_on(trace), viommu_trace_events_before(trace), viommu_trace_file(trace));
	if (viommu_trace_source(trace))
		fprintf(stderr, "viommu: QEMU's log stays %s, and is copied\n", viommu_trace_source(trace));
	events = viommu_trace_events_on(trace);
	hold(options, trace, &error);
	if (!finish(options, trace, &later)) {
		g_prefix_error(&later, "the trace events are still on (viommu trace -q %s --undo tries again): ", options->cmd.target.qmp);
		return viommu_cmd_fail("trace", later);
	}
	if (error)
		return viommu_cmd_fail("trace", error);
	if (options->cmd.json)
		viommu_cmd_print_json(json_pack("{s:s, s:i, s:o, s:i}", "format", "viommu-trace-done", "version", 1, "file",
			viommu_json_path(options->output), "events", (int) events));
	return VIOMMU_EXIT_CLEAN;
}

static int
undo(const trace_options *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_monitor) monitor = NULL;

	catch_signals();
	monitor = open_monitor(options, &error);
	if (monitor && viommu_trace_undo(monitor, options->cmd.target.qmp, qemu_of(options, monitor), &error))
		fprintf(stderr, "viommu: trace events as they were before\n");
	else if (!error)
		fprintf(stderr, "viommu: nothing was left on\n");
	return error ? viommu_cmd_fail("trace", error) : VIOMMU_EXIT_CLEAN;
}

int
viommu_cmd_trace(int argc, char **argv)
{
	trace_options options = { .cmd = VIOMMU_CMD_LIVE, .seconds = VIOMMU_CMD_NO_END };
	const GOptionEntry own[] = {
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, NULL, NULL },
		{ "force", 0, 0, G_OPTION_ARG_NONE, &options.force, NULL, NULL },
		{ "seconds", 0, 0, G_OPTION_ARG_INT, &options.seconds, NULL, NULL },
		{ "log-was", 0, 0, G_OPTION_ARG_FILENAME, &options.log_was, NULL, NULL },
		{ "undo", 0, 0, G_OPTION_ARG_NONE, &options.undo, NULL, NULL },
		{ 0 },
	};
	int status = viommu_cmd_parse(&options.cmd, argc, argv, own, TRUE, help);

	if (status < 0 && options.cmd.arguments[0])
		status = viommu_cmd_usage("trace", "it takes no argument, but got \"%s\"", options.cmd.arguments[0]);
	if (status < 0 && !options.output == !options.undo)
		status = viommu_cmd_usage("trace", "name the file for the trace (-o FILE), or --undo");
	if (status < 0 && options.seconds < 1)
		status = viommu_cmd_usage("trace", "--seconds takes whole seconds, from 1 on");
	if (status < 0 && options.log_was && *options.log_was != '/')
		status = viommu_cmd_usage("trace", "--log-was takes an absolute path");
	if (status < 0)
		status = options.undo ? undo(&options) : run(&options);
	viommu_cmd_clear(&options.cmd);
	g_free(options.output);
	g_free(options.log_was);
	return status;
}
