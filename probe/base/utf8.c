/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/utf8.h"

#include <string.h>

static int
continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t
utf8_step(const char *text, size_t len, uint32_t *code)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *) text;
	size_t need;
	uint32_t c;

	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	if ((p[0] & 0xe0) == 0xc0) {
		need = 2;
		c = p[0] & 0x1f;
	} else if ((p[0] & 0xf0) == 0xe0) {
		need = 3;
		c = p[0] & 0x0f;
	} else if ((p[0] & 0xf8) == 0xf0) {
		need = 4;
		c = p[0] & 0x07;
	} else {
		return 0;
	}
	if (len < need)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if (!continuation(p[i]))
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < smallest[need] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return need;
}

void
text_make_printable(char *text, int keep_newline)
{
	size_t len = strlen(text);
	size_t in = 0, out = 0;

	while (in < len) {
		uint32_t code = 0;
		size_t step = utf8_step(text + in, len - in, &code);
		int control = code < 0x20 || (code >= 0x7f && code < 0xa0);

		if (code == '\t' || (code == '\n' && keep_newline))
			control = 0;
		if (step == 0 || control) {
			text[out++] = '?';
			in += step ? step : 1;
			continue;
		}
		memmove(text + out, text + in, step);
		out += step;
		in += step;
	}
	text[out] = '\0';
}
