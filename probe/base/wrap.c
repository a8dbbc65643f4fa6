/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/wrap.h"

#include <string.h>

enum { WIDTH = 80 };

void
print_wrapped(FILE *out, const char *text, unsigned indent, unsigned column)
{
	while (*text) {
		const size_t word = strcspn(text, " \n");

		if (*text == '\n') {
			fprintf(out, "\n%*s", (int) indent, "");
			column = indent;
			text++;
			if (strncmp(text, "  ", 2) == 0) {
				const size_t line = strcspn(text, "\n");

				fprintf(out, "%.*s", (int) line, text);
				text += line;
			}
			continue;
		}
		if (*text == ' ') {
			const size_t next = strcspn(text + 1, " \n");

			if (column + 1 + next > WIDTH && next > 0) {
				fprintf(out, "\n%*s", (int) indent, "");
				column = indent;
			} else {
				fputc(' ', out);
				column++;
			}
			text++;
			continue;
		}
		fprintf(out, "%.*s", (int) word, text);
		column += (unsigned) word;
		text += word;
	}
	fputc('\n', out);
}
