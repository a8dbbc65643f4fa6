/* SPDX-License-Identifier: GPL-2.0-or-later */
/* viommu-probe record: see record-options.c for what it offers, and
 * docs/recording.md for how it works. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/signals.h"
#include "doctor/doctor.h"
#include "out/output.h"
#include "out/record-writer.h"
#include "probe.h"
#include "record/rec-asks.h"
#include "record/rec-fd.h"
#include "record/rec-start.h"
#include "record/record-options.h"
#include "viommu/record.h"

/* All that a recording consists of. */
struct recording {
	const struct record_options *options;
	struct output output;
	struct queue queue;
	struct record_writer record;
	struct rec_watch watch;
	struct rec_asks asks;
	struct recorder recorder;
	struct rec_loop loop;
};

static void
begin(struct recording *recording)
{
	output_unblock(&recording->output);
	queue_begin(&recording->queue, &recording->output, recording->options->buffer);
	record_begin(&recording->record, &recording->output);
	recording->record.queue = &recording->queue;
	rec_watch_begin(&recording->watch);
	rec_asks_begin(&recording->asks, &recording->watch);
	recorder_begin(&recording->recorder, &recording->asks, &recording->record);
	recording->recorder.watching = recording->watch.fd >= 0;
	recording->loop = (struct rec_loop){
		.recorder = &recording->recorder,
		.watch = &recording->watch,
		.queue = &recording->queue,
		.attached = recording->options->pid != 0,
	};
	rec_loop_begin(&recording->loop);
	record_header(&recording->record, VIOMMU_SOURCE_RECORD);
	if (recording->options->doctor)
		doctor_record(&recording->record);
}

static const char *
ending(const struct rec_loop *loop, char *text, size_t size)
{
	char name[32];

	if (loop->reason != NULL)
		return loop->reason;
	if (!loop->child_ended)
		return "the program ended";
	if (WIFSIGNALED(loop->status))
		snprintf(text, size, "the program was killed by %s",
			rec_signal_name(WTERMSIG(loop->status), name, sizeof name));
	else
		snprintf(text, size, "the program ended with status %d", WEXITSTATUS(loop->status));
	return text;
}

/* From here on the program needs nothing of us; only the reader is waited for,
 * and a signal ends that. */
static void
finish(struct recording *recording, const char *reason)
{
	signals_install();
	rec_loop_end(&recording->loop); /* lets the signals through */
	record_drain(&recording->record);
	record_end(&recording->record, reason);
	record_drain(&recording->record);
	recorder_free(&recording->recorder);
	rec_watch_end(&recording->watch);
	record_free(&recording->record);
	queue_free(&recording->queue);
}

static int
run_program(struct recording *recording, struct rec_child *child, struct probe_error *error)
{
	struct rec_loop *loop = &recording->loop;
	char text[64];
	int status;

	if (rec_child_go(child, loop, error) < 0) {
		rec_child_close(child);
		finish(recording, "failed");
		return PROBE_EXIT_FAILED;
	}
	rec_loop_run(loop);
	status = loop->child_ran ? 0 : rec_child_failure(child, recording->options->argv[0], error);
	rec_child_close(child);
	finish(recording, status != 0 ? "failed" : ending(loop, text, sizeof text));
	if (status != 0)
		return status;
	return WIFSIGNALED(loop->status) ? 128 + WTERMSIG(loop->status) : WEXITSTATUS(loop->status);
}

static int
follow_process(struct recording *recording, struct probe_error *error)
{
	char text[64];

	if (rec_attach(&recording->loop, recording->options->pid, error) < 0) {
		finish(recording, "failed");
		return PROBE_EXIT_FAILED;
	}
	probe_say("recording process %d; press Ctrl-C to end the recording (the program runs on)",
		(int) recording->options->pid);
	rec_loop_run(&recording->loop);
	finish(recording, ending(&recording->loop, text, sizeof text));
	return recording->record.failed ? PROBE_EXIT_FAILED : PROBE_EXIT_OK;
}

static int
record(struct recording *recording, struct probe_error *error)
{
	const struct record_options *options = recording->options;
	struct rec_child child = { .go = -1, .failed = -1 };
	int status;

	if (rec_kernel_check(error) < 0 || output_check(options->output, options->force, error) < 0)
		return PROBE_EXIT_FAILED;
	/* Before anything of ours is open, or set, that it would inherit. */
	if (options->pid == 0 && rec_child_fork(&child, options->argv, error) < 0)
		return PROBE_EXIT_FAILED;
	if (output_open(&recording->output, options->output, options->force, error) < 0) {
		rec_child_close(&child);
		return PROBE_EXIT_FAILED;
	}
	begin(recording);
	status = options->pid == 0 ? run_program(recording, &child, error) : follow_process(recording, error);
	if (error->text[0])
		output_remove(&recording->output);
	(void) output_close(&recording->output);
	return status;
}

int
cmd_record(int argc, char **argv)
{
	struct record_options options;
	struct recording recording = { .options = &options };
	struct probe_error error = { 0 };
	int status;

	if (!record_options_parse(&options, argc, argv, &status))
		return status;
	status = record(&recording, &error);
	if (error.text[0])
		probe_say("%s", error.text);
	return status;
}
