/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that is whole or not there at all: written aside, then given its name. */
#ifndef VIOMMU_REPORT_FILE_H
#define VIOMMU_REPORT_FILE_H

#include <stdio.h>
#include <sys/types.h>

#include <glib.h>

typedef struct viommu_report_file viommu_report_file;

/* Errors: FAILED, with path and reason. path "-" is standard output. mode: of a new file,
 * less what umask takes away. */
viommu_report_file *viommu_report_file_open(const char *path, mode_t mode, GError **error);
FILE *viommu_report_file_stream(viommu_report_file *self);
/* What was written has arrived and has its name. A path that exists is refused unless
 * overwrite, also when it came to be meanwhile. */
gboolean viommu_report_file_commit(viommu_report_file *self, gboolean overwrite, GError **error);
/* Without a commit: nothing is left behind. */
void viommu_report_file_free(viommu_report_file *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_report_file, viommu_report_file_free)

#endif
