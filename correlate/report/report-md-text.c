/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-md.h"

#include <stdbool.h>
#include <string.h>

#include <glib.h>

/* The longest run of backticks. */
static int
longest_run(const char *text)
{
	int ret = 0, run = 0;

	for (; *text; text++) {
		run = *text == '`' ? run + 1 : 0;
		ret = MAX(ret, run);
	}
	return ret;
}

static void
put(FILE *out, char c, int n)
{
	while (n-- > 0)
		fputc(c, out);
}

void
viommu_md_code(FILE *out, const char *text)
{
	int fence = longest_run(text) + 1;
	/* A span may neither be empty nor touch its fence with a backtick; a reader takes off
	 * one space at either end. */
	size_t len = strlen(text);
	bool padded = !len || strchr("` ", text[0]) || strchr("` ", text[len - 1]);

	put(out, '`', fence);
	fputs(padded ? " " : "", out);
	for (; *text; text++)
		if (*text == '|')
			fputs("\\x7c", out); /* not even in a span it may stand in a table */
		else
			fputc(*text, out);
	fputs(padded ? " " : "", out);
	put(out, '`', fence);
}

/* Characters that begin a link, HTML, an entity, a mention or a reference somewhere: what
 * was parsed is searched for the last two once more, so a backslash does not help. */
static bool
is_harmless(const char *text)
{
	return !strpbrk(text, "`<>[]&~$%!@#^|{}") && !strstr(text, "://") && !strstr(text, "www.");
}

void
viommu_md_prose(FILE *out, const char *text)
{
	bool first = true;

	if (!is_harmless(text)) {
		viommu_md_code(out, text);
		return;
	}
	for (; *text; text++) {
		/* At the beginning of a line the last ones make lists, rules and commands. */
		if (strchr("\\*_", *text) || (first && strchr("+-/=", *text)))
			fputc('\\', out);
		fputc(*text, out);
		first = false;
	}
}

void
viommu_md_block(FILE *out, const char *lines, int indent)
{
	int fence = MAX(3, longest_run(lines) + 1);
	const char *end;

	put(out, ' ', indent);
	put(out, '`', fence);
	fputs("text\n", out);
	for (; *lines; lines = *end ? end + 1 : end) {
		end = strchr(lines, '\n');
		end = end ? end : lines + strlen(lines);
		if (end != lines)
			put(out, ' ', indent + 2);
		fwrite(lines, 1, (size_t) (end - lines), out);
		fputc('\n', out);
	}
	put(out, ' ', indent);
	put(out, '`', fence);
	fputc('\n', out);
}

void
viommu_md_fold(FILE *out, const char *summary)
{
	fprintf(out, "\n<details>\n<summary>%s</summary>\n\n", summary);
}

void
viommu_md_unfold(FILE *out)
{
	fputs("\n</details>\n", out);
}
