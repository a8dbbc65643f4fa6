/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mappings of one `viommu-probe map`: made, recorded, held, undone. */
#ifndef PROBE_MAP_RUN_H
#define PROBE_MAP_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "map/backend.h"
#include "map/buffer.h"
#include "map/map-options.h"
#include "map/pattern.h"
#include "out/record-writer.h"
#include "trace/witness.h"

struct doctor;

struct held_mapping {
	struct buffer buffer;
	viommu_iova iova;
	bool mapped;
};

struct map_run {
	const struct map_options *options;
	struct backend *backend;
	struct record_writer *record;
	const struct doctor *doctor; /* NULL: nothing was checked */
	struct witness *witness; /* NULL: invalidations are not recorded */
	uint64_t open_ns;        /* CLOCK_MONOTONIC: just before the device was opened */
	struct pattern pattern;
	struct held_mapping *held; /* one for each item of the pattern */
	size_t n_failed;           /* maps and unmaps that the kernel refused */
	bool full;                 /* the address space takes no more mappings */
	bool told_unknown;
};

/* Chooses the mappings.  -1 with ERROR when they cannot be had. */
int map_run_prepare(struct map_run *run, struct probe_error *error);
/* Makes and records them.  -1 when it gave up: a signal, or no memory for what
 * was asked; ERROR says it. */
int map_run_make(struct map_run *run, struct probe_error *error);
void map_run_unmap_half(struct map_run *run);
/* Unmaps what is left, recording it. */
void map_run_undo(struct map_run *run);
void map_run_free(struct map_run *run);

/* How many mappings are made and not undone, and their bytes. */
size_t map_run_count(const struct map_run *run, uint64_t *bytes);

#endif
