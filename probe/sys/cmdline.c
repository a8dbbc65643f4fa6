/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/cmdline.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The length of the option at TEXT; a space inside double quotes does not end
 * it (Linux, lib/cmdline.c:next_arg). */
static size_t
option_length(const char *text)
{
	bool quoted = false;
	size_t len;

	for (len = 0; text[len] && (quoted || (text[len] != ' ' && text[len] != '\t' && text[len] != '\n'));
		len++) {
		if (text[len] == '"')
			quoted = !quoted;
	}
	return len;
}

static bool
is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

static void
look_at_words(const char *text, size_t len, const char *on, const char *off, int *ret)
{
	for (size_t at = 0; at < len;) {
		const char *comma = memchr(text + at, ',', len - at);
		const size_t word = comma != NULL ? (size_t) (comma - text) - at : len - at;

		if (is_word(text + at, word, on))
			*ret = 1;
		else if (is_word(text + at, word, off))
			*ret = 0;
		at += word + 1;
	}
}

int
cmdline_switch(const char *cmdline, const char *key, const char *on, const char *off)
{
	const size_t key_len = strlen(key);
	int ret = -1;

	while (*cmdline) {
		const size_t len = option_length(cmdline);

		if (len > key_len && memcmp(cmdline, key, key_len) == 0 && cmdline[key_len] == '=')
			look_at_words(cmdline + key_len + 1, len - key_len - 1, on, off, &ret);
		/* "--" ends the kernel's own options; the rest is init's. */
		if (is_word(cmdline, len, "--"))
			break;
		cmdline += len > 0 ? len : 1;
	}
	return ret;
}
