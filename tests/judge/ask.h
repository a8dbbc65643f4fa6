/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same question to QEMU and to our walker, and what they say. */
#ifndef JUDGE_ASK_H
#define JUDGE_ASK_H

#include "count.h"
#include "tables.h"

#include <viommu/snapshot.h>

typedef struct {
	/* What a command line to ask this again has to say. */
	uint64_t seed;
	const char *qemu, *props;
	unit unit;
	viommu_machine *machine;
	vtd_unit walker_unit;
	viommu_memory *memory;
	tables tables;
	counts *counts;
	FILE *out;
	unsigned disagreements;
} judge;

/* What follows is one configuration of one QEMU.  version: as QEMU gives it; stale_tm: 1 or
 * 0 as the property was set, -1 when this QEMU has none. */
gboolean judge_start(judge *self, const char *qemu, const char *props, const char *version, int stale_tm,
	GError **error);
void judge_stop(judge *self);

/* Builds the set of tables with this number and asks about it.  Adds the number of questions
 * to asked.  mode: leave out sets of another mode, or NULL.  FALSE when QEMU is gone. */
gboolean judge_set(judge *self, uint64_t number, const char *mode, uint64_t *asked, GError **error);

#endif
