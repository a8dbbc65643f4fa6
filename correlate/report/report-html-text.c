/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How text and JSON stand in HTML. */
#include <string.h>

#include "report/report-html-data.h"

void
viommu_html_text(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(*text, out);
		}
}

/* A script element ends at "</script" and JSON has other words for '<'. */
void
viommu_html_flush(GString *text, FILE *out)
{
	const char *at = text->str, *next;

	for (; (next = strchr(at, '<')); at = next + 1) {
		fwrite(at, 1, (size_t) (next - at), out);
		fputs("\\u003c", out);
	}
	fputs(at, out);
	g_string_truncate(text, 0);
}
