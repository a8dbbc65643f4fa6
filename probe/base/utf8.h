/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text that we did not write (sysfs, the kernel command line, paths) may hold
 * anything.  These two functions are what stands between it and a JSON reader
 * or a terminal.
 */
#ifndef PROBE_UTF8_H
#define PROBE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed UTF-8 character at TEXT (1 to 4), with its code
 * point in *CODE; 0 when the bytes there are not UTF-8 (overlong forms,
 * surrogates and cut-off characters included).  LEN must be at least 1. */
size_t utf8_step(const char *text, size_t len, uint32_t *code);

/* Makes TEXT, a string, safe for a terminal in place: control characters and
 * bytes that are not UTF-8 become '?'.  Tab stays; so does '\n' with
 * KEEP_NEWLINE. */
void text_make_printable(char *text, int keep_newline);

#endif
