/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several unit tests need: files, fixtures, errors, memory. */
#ifndef UNIT_HELPERS_H
#define UNIT_HELPERS_H

#include <glib.h>
#include <viommu/error.h>

/* A path in a folder of this program's own, which goes away at its end. */
char *unit_path(const char *name);
/* Writes a file there; its path. len -1: data is a string. */
char *unit_write(const char *name, const void *data, gssize len);
/* How many entries that folder has. */
unsigned unit_files(void);

/* The contents of a file below tests/data/. */
char *unit_fixture(const char *name);

/* The error is this one of ours and its message has this part; clears it. */
void unit_error(GError **error, enum viommu_error_code code, const char *part);

/* The most memory that this process ever had, in bytes. */
guint64 unit_peak_memory(void);

/* A number below n, the same ones in every run. */
guint64 unit_random(GRand *rand, guint64 n);

#endif
