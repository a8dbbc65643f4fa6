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
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <viommu/capture.h>
#include <viommu/correlate.h>
#include <viommu/finding.h>

#include "report.h"

#define BATCH 512
#define IOVA VIOMMU_IOVA(1ull << 32)

static struct {
	const char *qmp, *memory, *snapshot, *record, *pages, *file;
	uint64_t hva, pid, most, repeat;
} given = { .memory = "auto", .most = UINT64_MAX, .repeat = 1 };

static struct {
	double seconds;
	uint64_t bytes, trips, count;
} result;

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

static void
begin(void)
{
	started = now();
}

static void
finish(void)
{
	result.seconds = now() - started;
}

/* The least of several times: the machine is not ours alone. */
static void
again(void (*what)(void *), void *user)
{
	double best = 1e9;

	for (uint64_t i = 0; i < given.repeat; i++) {
		begin();
		what(user);
		finish();
		best = MIN(best, result.seconds);
	}
	result.seconds = best;
}

static void
check(gboolean ok, GError *error)
{
	if (!ok)
		g_error("%s", error ? error->message : g_strerror(errno));
}

/* ---- the bare limit --------------------------------------------------------------- */

static uint64_t *
page_list(size_t *n)
{
	gsize size;
	char *text;
	GError *error = NULL;

	check(g_file_get_contents(given.pages, &text, &size, &error), error);
	*n = MIN(size / 8, given.most);
	result.bytes = *n * VIOMMU_PAGE_SIZE;
	return (uint64_t *) (void *) text;
}

static uint64_t
present(const uint64_t *words, size_t n)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < n; i++)
		ret += (words[i] & 3) != 0;
	return ret;
}

typedef struct {
	uint64_t *list, *buffer;
	const uint8_t *ram;
	size_t n;
} limit;

static void
read_all(void *user)
{
	const limit *l = user;
	struct iovec remote[BATCH];

	result.count = 0;
	for (size_t done = 0, part; done < l->n; done += part) {
		struct iovec local = { l->buffer, 0 };

		part = MIN(l->n - done, BATCH);
		for (size_t i = 0; i < part; i++)
			remote[i] = (struct iovec){ (void *) (uintptr_t) (given.hva + l->list[done + i]), VIOMMU_PAGE_SIZE };
		local.iov_len = part * VIOMMU_PAGE_SIZE;
		check(process_vm_readv((pid_t) given.pid, &local, 1, remote, part, 0) == (ssize_t) local.iov_len, NULL);
		result.count += present(l->buffer, local.iov_len / 8);
	}
}

static void
limit_readv(void)
{
	limit l = { .buffer = g_malloc0(BATCH * VIOMMU_PAGE_SIZE) };

	l.list = page_list(&l.n);
	again(read_all, &l);
}

static void
look_all(void *user)
{
	const limit *l = user;

	result.count = 0;
	for (size_t i = 0; i < l->n; i++)
		result.count += present((const uint64_t *) (const void *) (l->ram + l->list[i]), VIOMMU_PAGE_SIZE / 8);
}

/* The RAM's file, mapped here, without any copy. */
static void
limit_mapped(void)
{
	int fd = open(given.file, O_RDONLY);
	limit l = { 0 };

	l.list = page_list(&l.n);
	l.ram = mmap(NULL, 2ull << 30, PROT_READ, MAP_SHARED, fd, 0);
	check(l.ram != MAP_FAILED, NULL);
	again(look_all, &l);
}

/* ---- viommu's own ------------------------------------------------------------------- */

static viommu_live *
open_live(void)
{
	viommu_live_options options = { .address = given.qmp, .timeout_ms = 20000 };
	GError *error = NULL;
	viommu_live *ret;

	if (strcmp(given.memory, "xp") == 0)
		options.memory = VIOMMU_MEMORY_XP;
	if (strcmp(given.memory, "process") == 0)
		options.memory = VIOMMU_MEMORY_PROCESS;
	ret = viommu_live_open(&options, &error);
	check(ret != NULL, error);
	return ret;
}

static viommu_snapshot *
capture(viommu_live *live)
{
	viommu_capture_options options = { 0 };
	GError *error = NULL;
	viommu_snapshot *ret = viommu_live_capture(live, &options, &error);

	check(ret != NULL, error);
	result.bytes = viommu_snapshot_pages(ret) * VIOMMU_PAGE_SIZE;
	result.count = viommu_snapshot_pages(ret);
	result.trips = viommu_live_round_trips(live);
	return ret;
}

static void
step_open(void)
{
	begin();
	result.trips = viommu_live_round_trips(open_live());
	finish();
}

static void
read_source(void *user)
{
	uint8_t *buffer = g_malloc0(BATCH * VIOMMU_PAGE_SIZE);
	viommu_live *live = user;
	size_t n;
	uint64_t *list = page_list(&n);
	GError *error = NULL;

	for (size_t done = 0, part; done < n; done += part) {
		viommu_page_read reads[BATCH];

		part = MIN(n - done, BATCH);
		for (size_t i = 0; i < part; i++)
			reads[i] = (viommu_page_read){ .gpa = VIOMMU_GPA(list[done + i]), .buffer = buffer + i * VIOMMU_PAGE_SIZE };
		check(viommu_memory_read_pages(viommu_live_memory(live), reads, part, &error), error);
		for (size_t i = 0; i < part; i++)
			check(reads[i].status == VIOMMU_PAGE_OK, NULL);
	}
	result.count = n;
	g_free(buffer);
	g_free(list);
}

static void
step_source(void)
{
	again(read_source, open_live());
}

static void
step_capture(void)
{
	viommu_live *live = open_live();

	begin();
	capture(live);
	finish();
}

static void
count_run(const vtd_run *run, void *user)
{
	(void) user;
	result.count += run->kind == VTD_RUN_MAPPED;
}

typedef struct {
	const vtd_unit *unit;
	viommu_memory *memory;
	vtd_budget budget;
} walking;

static void
walk_device(const vtd_device *device, void *user)
{
	walking *w = user;
	GError *error = NULL;

	if (device->outcome == VTD_TRANSLATES)
		check(vtd_walk_device(w->unit, w->memory, device, &w->budget, count_run, NULL, &error), error);
}

static void
walk_all(const viommu_machine *machine, const vtd_registers *registers, viommu_memory *memory)
{
	vtd_unit unit;
	walking w = { &unit, memory, VTD_DEFAULT_BUDGET };
	GError *error = NULL;

	w.budget.runs = UINT64_MAX;
	result.count = 0;
	viommu_machine_unit(machine, registers, &unit);
	check(vtd_for_each_device(&unit, memory, walk_device, &w, &error), error);
}

static void
step_walk_live(void)
{
	viommu_live *live = open_live();

	begin();
	walk_all(viommu_live_machine(live), viommu_live_registers(live), viommu_live_memory(live));
	finish();
}

static void
walk_snapshot(const viommu_snapshot *snapshot)
{
	g_autoptr(viommu_memory) memory = viommu_snapshot_memory(snapshot);

	walk_all(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), memory);
}

static void
step_walk(void)
{
	viommu_snapshot *snapshot = capture(open_live());

	begin();
	walk_snapshot(snapshot);
	finish();
}

static void
step_capture_walk(void)
{
	viommu_live *live = open_live();

	begin();
	walk_snapshot(capture(live));
	finish();
}

static void
step_write(void)
{
	viommu_snapshot *snapshot = capture(open_live());
	GError *error = NULL;

	begin();
	check(viommu_snapshot_write(snapshot, given.snapshot, TRUE, &error), error);
	finish();
}

static viommu_snapshot *
read_snapshot(void)
{
	GError *error = NULL;
	viommu_snapshot *ret = viommu_snapshot_read(given.snapshot, &error);

	check(ret != NULL, error);
	return ret;
}

/* From nothing to the answer about one address. */
static void
step_first_answer(void)
{
	g_autoptr(viommu_memory) memory = NULL;
	viommu_snapshot *snapshot;
	vtd_translation answer;
	vtd_unit unit;
	GError *error = NULL;

	begin();
	snapshot = read_snapshot();
	memory = viommu_snapshot_memory(snapshot);
	viommu_machine_unit(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), &unit);
	check(vtd_translate(&unit, memory, viommu_sid_make(0, 0, 0), IOVA, &answer, &error), error);
	finish();
	check(answer.read.allowed, NULL);
}

static GPtrArray *
read_record(void)
{
	GPtrArray *ret = g_ptr_array_new();
	GError *error = NULL;
	viommu_record *record = viommu_record_read(given.record, NULL, &error);

	check(record != NULL, error);
	result.count = record->events;
	g_ptr_array_add(ret, record);
	return ret;
}

static void
step_record(void)
{
	begin();
	read_record();
	finish();
}

static viommu_result *
verify(const GPtrArray *records, viommu_snapshot *snapshot)
{
	GError *error = NULL;
	viommu_result *ret = viommu_verify(records, snapshot, NULL, &error);

	check(ret != NULL, error);
	check(ret->pages[VIOMMU_MATCH] && viommu_result_faults(ret) == 0, NULL);
	result.count = ret->runs->len;
	return ret;
}

/* Without reading the record and the snapshot. */
static void
step_join(void)
{
	GPtrArray *records = read_record();
	viommu_snapshot *snapshot = read_snapshot();

	begin();
	verify(records, snapshot);
	finish();
}

static void
step_report(void (*render)(FILE *, const viommu_report *))
{
	viommu_snapshot *snapshot = read_snapshot();
	viommu_report report = { .result = verify(read_record(), snapshot), .snapshot = snapshot };
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	begin();
	render(out, &report);
	fclose(out);
	finish();
	result.bytes = size;
}

static void
step_json(void)
{
	step_report(viommu_report_json);
}

static const struct {
	const char *name;
	void (*run)(void);
	bool waits; /* for the disk, or for QEMU */
} steps[] = {
	{ "limit-readv", limit_readv, false },
	{ "limit-mapped", limit_mapped, false },
	{ "open", step_open, true },
	{ "source", step_source, false },
	{ "capture", step_capture, false },
	{ "walk-live", step_walk_live, false },
	{ "walk", step_walk, false },
	{ "capture-walk", step_capture_walk, false },
	{ "write", step_write, true },
	{ "first-answer", step_first_answer, false },
	{ "record", step_record, false },
	{ "join", step_join, false },
	{ "json", step_json, false },
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
