/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of a file of any kind, with a bound on their length. */
#ifndef VIOMMU_LINES_H
#define VIOMMU_LINES_H

#include <stdbool.h>
#include <stdio.h>

#include <glib.h>

typedef enum {
	VIOMMU_LINE,          /* a whole line, without its newline        */
	VIOMMU_LINE_CUT,      /* the file ends in the middle of this line */
	VIOMMU_LINE_TOO_LONG, /* longer than limit bytes: reading stopped */
	VIOMMU_LINE_END,      /* nothing is left, or reading failed       */
} viommu_line_kind;

viommu_line_kind viommu_next_line(FILE *file, GByteArray *line, size_t limit);

#endif
