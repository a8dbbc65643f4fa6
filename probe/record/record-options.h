/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_RECORD_OPTIONS_H
#define PROBE_RECORD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct record_options {
	const char *output;
	bool force;
	bool doctor; /* what it finds goes into the record */
	size_t buffer; /* bytes that may wait for a slow reader */
	pid_t pid;     /* of the program to attach to; 0: run argv */
	char **argv;
};

/* False when there is nothing to run: help was printed, or a sentence on stderr
 * says what is wrong; *STATUS is the exit status then. */
bool record_options_parse(struct record_options *ret, int argc, char **argv, int *status);

#endif
