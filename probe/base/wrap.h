/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_WRAP_H
#define PROBE_WRAP_H

#include <stdio.h>

/* Words of TEXT in lines of at most 80 columns; those after the first begin
 * with INDENT blanks, the first one goes on at COLUMN.  A line that begins with
 * two blanks is a command and is left whole.  Ends with a newline. */
void print_wrapped(FILE *out, const char *text, unsigned indent, unsigned column);

#endif
