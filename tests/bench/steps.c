/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One step of viommu's work, or the bare limit for it, timed alone in a process of its own:
 *
 *   bench-steps STEP key=value…
 *
 * prints "SECONDS BYTES TRIPS COUNT": the time of the step without its preparation (that of
 * the CPU, where it waits for nobody), what it moved, monitor round trips so far, and how
 * many things came out of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "steps.h"

struct bench_given given = { .memory = "auto", .most = UINT64_MAX, .repeat = 1 };

struct bench_result result;

static double started;
/* What only computes is not charged for what else runs on the machine. */
static clockid_t which_clock = CLOCK_PROCESS_CPUTIME_ID;

static double
now(void)
{
	struct timespec t;

	clock_gettime(which_clock, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

void
bench_begin(void)
{
	started = now();
}

void
bench_finish(void)
{
	result.seconds = now() - started;
}

void
bench_again(void (*what)(void *), void *user)
{
	double best = 1e9;

	for (uint64_t i = 0; i < given.repeat; i++) {
		bench_begin();
		what(user);
		bench_finish();
		best = MIN(best, result.seconds);
	}
	result.seconds = best;
}

void
bench_check(gboolean ok, GError *error)
{
	if (!ok)
		g_error("%s", error ? error->message : g_strerror(errno));
}

static const struct {
	const char *name;
	void (*run)(void);
	bool waits; /* for the disk, or for QEMU */
} steps[] = {
	{ "limit-readv", bench_limit_readv, false },
	{ "limit-kept", bench_limit_kept, false },
	{ "limit-mapped", bench_limit_mapped, false },
	{ "open", bench_open, true },
	{ "source", bench_source, false },
	{ "capture", bench_capture, false },
	{ "walk-live", bench_walk_live, false },
	{ "walk", bench_walk, false },
	{ "capture-walk", bench_capture_walk, false },
	{ "write", bench_write, true },
	{ "first-answer", bench_first_answer, false },
	{ "record", bench_record, false },
	{ "join", bench_join, false },
	{ "json", bench_json, false },
	{ "html", bench_html, false },
};

static void
set(const char *key, const char *value)
{
	const struct {
		const char *key;
		const char **text;
		uint64_t *number;
	} keys[] = { { "qmp", &given.qmp, NULL }, { "memory", &given.memory, NULL }, { "snapshot", &given.snapshot, NULL },
		{ "record", &given.record, NULL }, { "pages", &given.pages, NULL }, { "file", &given.file, NULL },
		{ "hva", NULL, &given.hva }, { "pid", NULL, &given.pid }, { "most", NULL, &given.most },
		{ "repeat", NULL, &given.repeat } };

	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		if (strcmp(key, keys[i].key) != 0)
			continue;
		if (keys[i].text)
			*keys[i].text = value;
		else
			*keys[i].number = g_ascii_strtoull(value, NULL, 0);
		return;
	}
	g_error("%s?", key);
}

int
main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			g_error("%s?", argv[i]);
		*value = '\0';
		set(argv[i], value + 1);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(steps) && argc > 1; i++) {
		if (strcmp(argv[1], steps[i].name) != 0)
			continue;
		if (steps[i].waits || strcmp(given.memory, "xp") == 0)
			which_clock = CLOCK_MONOTONIC;
		steps[i].run();
		printf("%.9f %ju %ju %ju\n", result.seconds, (uintmax_t) result.bytes, (uintmax_t) result.trips,
			(uintmax_t) result.count);
		return 0;
	}
	return 2;
}
