/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/signals.h"
#include "out/output.h"
#include "sys/cap.h"
#include "sys/sysfs.h"
#include "trace/trace-command.h"
#include "trace/trace-engine.h"
#include "trace/trace-rest.h"
#include "trace/trace-source.h"
#include "viommu/record.h"

enum {
	WAIT_MS = 20,
	FEW = 64, /* events; after more than this there is no wait */
	BUFFER_KIB = 16 << 10,
	BUFFER_KIB_MIN = 256,
	MEMORY_SHARE = 32, /* all buffers together take no more than this part of memory */
	IOMMUS_MAX = 32,
	FINISH_ROUNDS = 1000,
};

struct trace_state {
	const struct trace_options *options;
	void (*begin)(struct record_writer *record);
	struct trace_source *source;
	struct trace_queue queue;
	struct trace_engine engine;
	struct trace_command command;
	struct output output;
	uint64_t end_ns;  /* 0: no --seconds */
	uint64_t told_ns; /* what happened up to then is in the record */
	struct trace_rest rest;
};

static uint64_t
now_ns(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static uint64_t
choose_buffer(void)
{
	struct sysinfo info;
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t kib;

	if (sysinfo(&info) < 0 || cpus < 1)
		return BUFFER_KIB_MIN;
	kib = (uint64_t) info.totalram * info.mem_unit / 1024 / MEMORY_SHARE / (uint64_t) cpus;
	return kib < BUFFER_KIB_MIN ? BUFFER_KIB_MIN : kib > BUFFER_KIB ? BUFFER_KIB : kib;
}

static bool
all_cache(void)
{
	struct iommu_facts iommus[IOMMUS_MAX];
	const size_t n = sysfs_iommus(iommus, IOMMUS_MAX);

	for (size_t i = 0; i < n; i++) {
		if (!iommus[i].has_registers || !cap_cm(iommus[i].cap_value))
			return false;
	}
	return n > 0;
}

static void
take_event(const struct trace_event *event, void *data)
{
	struct trace_state *state = data;

	trace_engine_meet(&state->engine, event);
	trace_queue_add(&state->queue, event);
}

/* The events up to UNTIL go into the record. */
static void
work_off(struct trace_state *state, uint64_t until)
{
	const struct trace_event *event;

	trace_queue_sort(&state->queue);
	while ((event = trace_queue_first(&state->queue, until)) != NULL) {
		struct trace_sequel sequel = { 0 };

		if (event->kind == TRACE_MAP || event->kind == TRACE_UNMAP)
			sequel = trace_queue_sequel(&state->queue, state->engine.caching_mode);
		trace_engine_event(&state->engine, event, &sequel);
		trace_queue_pop(&state->queue);
	}
	if (state->queue.dropped > 0) {
		trace_record_lost(&state->engine.record, now_ns(), state->queue.dropped,
			"more events waited than this program has room for", NULL);
		state->engine.n_lost += state->queue.dropped;
		state->queue.dropped = 0;
	}
}

static int
read_some(struct trace_state *state, struct probe_error *error)
{
	uint64_t until;
	const int n = trace_source_read(state->source, take_event, state, &until, error);

	if (n >= 0) {
		state->told_ns = until > TRACE_FOLLOW_NS * 2 ? until - TRACE_FOLLOW_NS * 2 : 0;
		work_off(state, state->told_ns);
	}
	return n;
}

static void
write_mark(struct trace_state *state, const char *name, uint64_t until_ns)
{
	struct record_writer *writer = state->engine.record.writer;

	trace_record_flush(&state->engine.record);
	record_mark_until(writer, name, until_ns);
	trace_rest_marked(&state->rest, writer->seq, writer->last_ns);
}

/* All that the kernel had told of by told_ns is in the record.  Within an ioctl the
 * tables change before that is told, so then there is none. */
static void
mark_at_rest(struct trace_state *state)
{
	const uint64_t now = now_ns();

	if (!trace_rest_due(&state->rest, state->engine.record.writer->seq, now) ||
		trace_tasks_in_call(&state->engine.tasks))
		return;
	if (trace_source_untold(state->source) > 0)
		trace_rest_put_off(&state->rest, now);
	else
		write_mark(state, VIOMMU_MARK_TRACED, state->told_ns);
}

static void
wait_a_little(struct trace_state *state)
{
	struct pollfd fd = { state->output.pipe ? state->output.fd : -1, 0, 0 };

	(void) signals_poll(&fd, 1, WAIT_MS, signals_count());
}

static bool
reader_gone(const struct trace_state *state)
{
	struct pollfd fd = { state->output.pipe ? state->output.fd : -1, 0, 0 };

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLERR | POLLNVAL)) != 0;
}

/* Why it is over, or NULL. */
static const char *
why_over(struct trace_state *state)
{
	if (state->engine.record.writer->failed)
		return "failed";
	if (trace_command_ended(&state->command))
		return state->command.child > 0 ? "the command ended" : "the process ended";
	/* The command gets to end on its own; a second signal is for us. */
	if (signals_count() > (state->command.child > 0 ? 1 : 0))
		return signals_first();
	trace_command_pass(&state->command);
	if (state->end_ns != 0 && now_ns() >= state->end_ns)
		return "time over";
	if (reader_gone(state))
		return "the reader of the record went away";
	return NULL;
}

/* What came before tracing stopped is still in the buffers. */
static int
finish(struct trace_state *state, struct probe_error *error)
{
	uint64_t untold;
	int n = 1;

	trace_source_stop(state->source);
	for (int i = 0; n > 0 && i < FINISH_ROUNDS && !state->engine.record.writer->failed; i++)
		n = read_some(state, error);
	work_off(state, UINT64_MAX);
	untold = trace_source_untold(state->source);
	if (untold > 0) {
		trace_record_lost(&state->engine.record, now_ns(), untold,
			"the kernel dropped events and did not say where", NULL);
		state->engine.n_lost += untold;
	}
	trace_record_flush(&state->engine.record);
	return n < 0 ? -1 : 0;
}

static int
trace_until_over(struct trace_state *state, const char **reason, struct probe_error *error)
{
	while ((*reason = why_over(state)) == NULL) {
		const int n = read_some(state, error);

		if (n < 0)
			return -1;
		mark_at_rest(state);
		if (n < FEW)
			wait_a_little(state);
	}
	return finish(state, error);
}

static void
say_result(const struct trace_state *state, const char *reason)
{
	const struct trace_engine *engine = &state->engine;

	probe_say("%s: %" PRIu64 " maps and %" PRIu64 " unmaps seen, %" PRIu64 " events lost", reason,
		engine->n_maps, engine->n_unmaps, engine->n_lost);
	if (engine->n_lost > 0)
		probe_say("the record says where events are missing; a larger --buffer, or "
			  "--no-invalidations, may "
			  "keep up");
}

static int
trace_and_record(struct trace_state *state, struct probe_error *error)
{
	struct record_writer writer;
	const char *reason = "failed", *lacks = trace_source_lacks(state->source);
	uint64_t before;
	int ret;

	record_begin(&writer, &state->output);
	state->engine.record.writer = &writer;
	record_header(&writer, VIOMMU_SOURCE_TRACE);
	if (state->begin != NULL)
		state->begin(&writer);
	if (lacks[0])
		record_note(&writer, "%s", lacks);
	record_note(&writer, "what was mapped before this line is not in the record");
	before = now_ns();
	ret = trace_source_start(state->source, error);
	if (ret == 0) {
		/* Whoever reads it knows that from here on nothing is missed. */
		write_mark(state, VIOMMU_MARK_BEGUN, before);
		ret = trace_command_start(
			&state->command, state->options->command, state->options->pid, error);
	}
	if (ret == 0) {
		if (state->options->seconds_given)
			state->end_ns = now_ns() + state->options->seconds * 1000000000u;
		if (state->options->command == NULL)
			probe_say("tracing; press Ctrl-C to end");
		ret = trace_until_over(state, &reason, error);
	}
	if (ret < 0) {
		probe_say("%s", error->text);
		reason = "failed";
	}
	record_end(&writer, reason);
	say_result(state, reason);
	if (ret < 0 || writer.failed)
		trace_command_wait(&state->command);
	if (writer.failed)
		ret = -1;
	trace_engine_free(&state->engine);
	trace_command_close(&state->command);
	record_free(&writer);
	return ret;
}

static int
open_and_trace(struct trace_state *state, struct probe_error *error)
{
	const struct trace_options *options = state->options;
	const struct trace_source_options source_options = {
		.buffer_kib = options->buffer_kib != 0 ? options->buffer_kib : choose_buffer(),
		.invalidations = options->invalidations,
	};
	int ret = -1;

	if (output_check(options->output, options->force, error) < 0)
		return -1;
	state->source = trace_source_open(&source_options, error);
	if (state->source == NULL)
		return -1;
	if (output_open(&state->output, options->output, options->force, error) == 0) {
		error->text[0] = '\0'; /* what fails from here on is said where it fails */
		ret = trace_and_record(state, error);
		error->text[0] = '\0';
		if (output_close(&state->output) < 0)
			ret = -1;
	}
	trace_queue_free(&state->queue);
	trace_source_close(state->source);
	return ret;
}

int
trace_run(const struct trace_options *options, void (*begin)(struct record_writer *record))
{
	struct trace_state state = { .options = options, .begin = begin };
	struct probe_error error = { 0 };

	state.engine.only = options->pid;
	state.engine.caching_mode = all_cache();
	if (open_and_trace(&state, &error) < 0) {
		if (error.text[0])
			probe_say("%s", error.text);
		return PROBE_EXIT_FAILED;
	}
	return state.command.child > 0 && state.command.ended ? state.command.status : PROBE_EXIT_OK;
}
