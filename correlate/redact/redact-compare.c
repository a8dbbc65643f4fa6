/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether two texts may have been the same before private parts were replaced. */
#include <string.h>

#include "redact/redact.h"

/* Each placeholder as one byte that no text has; NULL: there is none. */
static char *
with_gaps(const char *text)
{
	GString *ret = g_string_new(NULL);
	size_t len = strlen(text), at = 0;
	bool any = false;

	while (at < len) {
		size_t n = viommu_redact_placeholder_at(text, len, at);

		any |= n > 0;
		g_string_append_c(ret, n ? '\1' : text[at] == '\1' ? '\2' : text[at]);
		at += MAX(n, 1);
	}
	return g_string_free(ret, !any);
}

/* Everything between the gaps stands in the text, in order, and its two ends at the text's ends. */
static bool
fits(const char *gapped, const char *text)
{
	const char *end = strchr(gapped, '\1'), *last = strrchr(gapped, '\1') + 1;
	size_t len = strlen(text), head = (size_t) (end - gapped), tail = strlen(last);
	g_autofree char *middle = NULL;
	g_auto(GStrv) parts = NULL;
	const char *at;

	if (len < head + tail || strncmp(text, gapped, head) != 0 || strcmp(text + len - tail, last) != 0)
		return false;
	middle = g_strndup(text + head, len - head - tail);
	parts = g_strsplit(end + 1, "\1", -1);
	at = middle;
	for (char **part = parts; *part && part[1]; part++) {
		at = strstr(at, *part);
		if (!at)
			return false;
		at += strlen(*part);
	}
	return true;
}

bool
viommu_redact_may_be_same(const char *a, const char *b)
{
	g_autofree char *x = a && b ? with_gaps(a) : NULL, *y = a && b ? with_gaps(b) : NULL;

	if (x && y)
		return strcmp(x, y) == 0;
	return x ? fits(x, b) : y ? fits(y, a) : false;
}
