/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/parse.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Not strtoull: that takes signs and white space, and wraps "-1" round. */
static const char *
scan_uint(const char *text, uint64_t *ret)
{
	uint64_t value = 0;
	unsigned base = 10;
	const char *p = text;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	text = p;
	for (; (unsigned) digit_value(*p) < base; p++) {
		unsigned digit = (unsigned) digit_value(*p);

		if (value > (UINT64_MAX - digit) / base)
			return NULL;
		value = value * base + digit;
	}
	if (p == text)
		return NULL;
	*ret = value;
	return p;
}

bool
parse_uint(const char *text, uint64_t *ret)
{
	uint64_t value;
	const char *end = scan_uint(text, &value);

	if (end == NULL || *end != '\0')
		return false;
	*ret = value;
	return true;
}

bool
parse_size(const char *text, uint64_t *ret)
{
	static const char suffixes[] = "kmgt";
	const char *found;
	unsigned shift = 0;
	uint64_t value;
	const char *end = scan_uint(text, &value);

	if (end == NULL)
		return false;
	if (*end != '\0') {
		found = strchr(suffixes, tolower((unsigned char) *end));
		if (found == NULL || end[1] != '\0')
			return false;
		shift = 10 * (unsigned) (found - suffixes + 1);
	}
	if (value > UINT64_MAX >> shift)
		return false;
	*ret = value << shift;
	return true;
}

bool
parse_page_size(const char *text, uint64_t *ret)
{
	uint64_t value;

	if (!parse_size(text, &value))
		return false;
	if (value != 1ull << 12 && value != 1ull << 21 && value != 1ull << 30)
		return false;
	*ret = value;
	return true;
}

bool
parse_prot(const char *text, unsigned *ret)
{
	for (unsigned prot = 1; prot <= 3; prot++) {
		if (strcmp(text, prot_name(prot)) == 0) {
			*ret = prot;
			return true;
		}
	}
	return false;
}

const char *
prot_name(unsigned prot)
{
	static const char *const names[] = { "", "r", "w", "rw" };

	return names[prot & 3];
}

/* DIGITS hexadecimal digits and then the character END. */
static bool
scan_field(const char **text, unsigned digits, char end, unsigned max, unsigned *ret)
{
	unsigned value = 0;

	for (unsigned i = 0; i < digits; i++) {
		int digit = digit_value(**text);

		if (digit > 15)
			return false;
		value = value << 4 | (unsigned) digit;
		(*text)++;
	}
	if (**text != end || value > max)
		return false;
	if (end != '\0')
		(*text)++;
	*ret = value;
	return true;
}

bool
parse_bdf(const char *text, char ret[PCI_BDF_LEN])
{
	const char *colon = strchr(text, ':');
	unsigned domain = 0, bus, device, function;

	if (colon != NULL && strchr(colon + 1, ':') != NULL && !scan_field(&text, 4, ':', 0xffff, &domain))
		return false;
	if (!scan_field(&text, 2, ':', 0xff, &bus) || !scan_field(&text, 2, '.', 0x1f, &device) ||
		!scan_field(&text, 1, '\0', 7, &function))
		return false;
	snprintf(ret, PCI_BDF_LEN, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, device & 0x1f,
		function & 7);
	return true;
}
