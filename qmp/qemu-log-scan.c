/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-log-scan.h"

#include <string.h>

/* At most 64 bits; NULL when there is no number, or it does not fit. */
static const char *
scan_number(const char *text, unsigned base, uint64_t *ret)
{
	bool negative = base == 10 && *text == '-';
	const char *first;
	uint64_t n = 0;

	if (negative)
		text++;
	if (base == 16 && text[0] == '0' && text[1] == 'x')
		text += 2;
	for (first = text; g_ascii_isxdigit(*text) && (base == 16 || g_ascii_isdigit(*text)); text++) {
		unsigned digit = (unsigned) g_ascii_xdigit_value(*text);

		if (n > (UINT64_MAX - digit) / base)
			return NULL;
		n = n * base + digit;
	}
	*ret = negative ? 0 - n : n;
	return text == first ? NULL : text;
}

const char *
log_scan(const char *text, const char *pattern, log_values *ret)
{
	unsigned i = 0;

	for (; *pattern; pattern++) {
		if (*pattern != '%') {
			if (*text++ != *pattern)
				return NULL;
			continue;
		}
		if (*++pattern == 'w') {
			ret->word = text;
			ret->word_len = strcspn(text, " ");
			text += ret->word_len;
		} else {
			text = scan_number(text, *pattern == 'x' ? 16 : 10, &ret->n[i++]);
		}
		if (!text)
			return NULL;
	}
	return text;
}

const char *
log_find(const char *text, const char *pattern, log_values *ret)
{
	size_t fixed = strcspn(pattern, "%");
	g_autofree char *head = g_strndup(pattern, fixed);

	for (; (text = strstr(text, head)); text++) {
		const char *end = log_scan(text, pattern, ret);

		if (end)
			return end;
	}
	return NULL;
}

bool
log_set_masked(viommu_qlog_event *ret, uint64_t first, uint64_t mask)
{
	ret->iova = (viommu_iova_range){ first, first + mask };
	return first <= UINT64_MAX - mask;
}
