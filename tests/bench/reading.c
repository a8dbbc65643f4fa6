/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps from a live QEMU to runs, and of snapshots. */
#include <string.h>

#include "steps.h"

#define IOVA VIOMMU_IOVA(1ull << 32)

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
	bench_check(ret != NULL, error);
	return ret;
}

static viommu_snapshot *
capture(viommu_live *live)
{
	viommu_capture_options options = { 0 };
	GError *error = NULL;
	viommu_snapshot *ret = viommu_live_capture(live, &options, &error);

	bench_check(ret != NULL, error);
	result.bytes = viommu_snapshot_pages(ret) * VIOMMU_PAGE_SIZE;
	result.count = viommu_snapshot_pages(ret);
	result.trips = viommu_live_round_trips(live);
	return ret;
}

void
bench_open(void)
{
	bench_begin();
	result.trips = viommu_live_round_trips(open_live());
	bench_finish();
}

static void
read_source(void *user)
{
	uint8_t *buffer = g_malloc0(BENCH_BATCH * VIOMMU_PAGE_SIZE);
	viommu_live *live = user;
	size_t n;
	uint64_t *list = bench_pages(&n);
	GError *error = NULL;

	for (size_t done = 0, part; done < n; done += part) {
		viommu_page_read reads[BENCH_BATCH];

		part = MIN(n - done, BENCH_BATCH);
		for (size_t i = 0; i < part; i++)
			reads[i] = (viommu_page_read){ .gpa = VIOMMU_GPA(list[done + i]), .buffer = buffer + i * VIOMMU_PAGE_SIZE };
		bench_check(viommu_memory_read_pages(viommu_live_memory(live), reads, part, &error), error);
		for (size_t i = 0; i < part; i++)
			bench_check(reads[i].status == VIOMMU_PAGE_OK, NULL);
	}
	result.count = n;
	g_free(buffer);
	g_free(list);
}

void
bench_source(void)
{
	bench_again(read_source, open_live());
}

/* Several times: memory that was used before is that of a machine which has some, and not
 * that of a virtual one which has to ask its host first. */
static void
capture_once(void *user)
{
	viommu_snapshot_free(capture(user));
}

void
bench_capture(void)
{
	bench_again(capture_once, open_live());
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
		bench_check(vtd_walk_device(w->unit, w->memory, device, &w->budget, count_run, NULL, &error), error);
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
	bench_check(vtd_for_each_device(&unit, memory, walk_device, &w, &error), error);
}

void
bench_walk_live(void)
{
	viommu_live *live = open_live();

	bench_begin();
	walk_all(viommu_live_machine(live), viommu_live_registers(live), viommu_live_memory(live));
	bench_finish();
}

static void
walk_snapshot(const viommu_snapshot *snapshot)
{
	g_autoptr(viommu_memory) memory = viommu_snapshot_memory(snapshot);

	walk_all(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), memory);
}

void
bench_walk(void)
{
	viommu_snapshot *snapshot = capture(open_live());

	bench_begin();
	walk_snapshot(snapshot);
	bench_finish();
}

static void
capture_and_walk(void *user)
{
	g_autoptr(viommu_snapshot) snapshot = capture(user);

	walk_snapshot(snapshot);
}

void
bench_capture_walk(void)
{
	bench_again(capture_and_walk, open_live());
}

void
bench_write(void)
{
	viommu_snapshot *snapshot = capture(open_live());
	GError *error = NULL;

	bench_begin();
	bench_check(viommu_snapshot_write(snapshot, given.snapshot, TRUE, &error), error);
	bench_finish();
}

viommu_snapshot *
bench_read_snapshot(void)
{
	GError *error = NULL;
	viommu_snapshot *ret = viommu_snapshot_read(given.snapshot, &error);

	bench_check(ret != NULL, error);
	return ret;
}

/* From nothing to the answer about one address. */
void
bench_first_answer(void)
{
	g_autoptr(viommu_memory) memory = NULL;
	viommu_snapshot *snapshot;
	vtd_translation answer;
	vtd_unit unit;
	GError *error = NULL;

	bench_begin();
	snapshot = bench_read_snapshot();
	memory = viommu_snapshot_memory(snapshot);
	viommu_machine_unit(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), &unit);
	bench_check(vtd_translate(&unit, memory, viommu_sid_make(0, 0, 0), IOVA, &answer, &error), error);
	bench_finish();
	bench_check(answer.read.allowed, NULL);
}
