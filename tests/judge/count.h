/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many questions of which kind were asked. */
#ifndef JUDGE_COUNT_H
#define JUDGE_COUNT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <viommu/vtd.h>

typedef struct counts counts;

counts *counts_new(void);
void counts_free(counts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(counts, counts_free)

/* mode: "legacy", …; silent: FPD kept the fault from being recorded. */
void counts_add(counts *self, const char *mode, const vtd_translation *t, bool write, bool silent);
/* Something else that is worth counting. */
void counts_fact(counts *self, const char *what);
void counts_print(counts *self, FILE *to);

#endif
