/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the steps of the benchmark share (steps.c). */
#ifndef BENCH_STEPS_H
#define BENCH_STEPS_H

#include <viommu/capture.h>
#include <viommu/correlate.h>

#define BENCH_BATCH 512

struct bench_given {
	const char *qmp, *memory, *snapshot, *record, *pages, *file;
	uint64_t hva, pid, most, repeat;
};
extern struct bench_given given;

struct bench_result {
	double seconds;
	uint64_t bytes, trips, count;
};
extern struct bench_result result;

/* The time of what is between them. */
void bench_begin(void);
void bench_finish(void);
/* The least of several times: the machine is not ours alone. */
void bench_again(void (*what)(void *), void *user);

/* Ends the program unless ok; error: why, NULL for errno. */
void bench_check(gboolean ok, GError *error);

/* The GPAs of all tables. */
uint64_t *bench_pages(size_t *n);

/* Each is one step: steps.c has their names. */
void bench_limit_readv(void);
void bench_limit_kept(void);
void bench_limit_mapped(void);
void bench_open(void);
void bench_source(void);
void bench_capture(void);
void bench_walk(void);
void bench_walk_live(void);
void bench_capture_walk(void);
void bench_write(void);
void bench_first_answer(void);
void bench_record(void);
void bench_join(void);
void bench_json(void);
void bench_html(void);

viommu_snapshot *bench_read_snapshot(void);

#endif
