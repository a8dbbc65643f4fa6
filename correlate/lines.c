/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lines.h"

#include <string.h>

viommu_line_kind
viommu_next_line(FILE *file, GByteArray *line, size_t limit)
{
	char chunk[4096];

	g_byte_array_set_size(line, 0);
	flockfile(file);
	for (;;) {
		size_t n = 0;
		int c = 0;

		while (n < sizeof(chunk) && (c = getc_unlocked(file)) != EOF && c != '\n')
			chunk[n++] = (char) c;
		g_byte_array_append(line, (const guint8 *) chunk, (guint) n);
		if (n == sizeof(chunk) && line->len <= limit)
			continue;
		funlockfile(file);
		if (line->len > limit)
			return VIOMMU_LINE_TOO_LONG;
		if (c == '\n')
			return VIOMMU_LINE;
		return line->len ? VIOMMU_LINE_CUT : VIOMMU_LINE_END;
	}
}
