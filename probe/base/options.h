/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of a subcommand, with the -h and -V that all of them have. */
#ifndef PROBE_OPTIONS_H
#define PROBE_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

struct option_parser {
	const char *command; /* "map" */
	const char *help;
	const char *letters; /* as for getopt_long(), ':' among the first */
	const struct option *options;
	/* Takes one into RET; what is wrong with its argument, or NULL. */
	const char *(*take)(void *ret, int option, const char *arg);
};

/* What follows the options is from optind on.  False when there is nothing to run: help was printed,
 * or a sentence on stderr says what is wrong; *STATUS is the exit status then. */
bool options_parse(const struct option_parser *parser, void *ret, int argc, char **argv, int *status);

#endif
