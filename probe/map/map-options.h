/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_MAP_OPTIONS_H
#define PROBE_MAP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/parse.h"
#include "map/pattern.h"

struct backend_kind;

struct map_options {
	char bdf[PCI_BDF_LEN];
	bool shaped; /* a shape was asked for; else the default pattern */
	struct pattern_shape shape;
	uint64_t seed;
	const struct backend_kind *backend;
	bool bind;
	bool unmap_half;
	bool invalidations;
	bool force;
	bool doctor; /* what it finds goes into the record */
	bool hold_given;
	uint64_t hold_seconds;
	const char *output;
};

/* False when there is nothing to run: help was printed, or a sentence on stderr
 * says what is wrong; *STATUS is the exit status then. */
bool map_options_parse(struct map_options *ret, int argc, char **argv, int *status);

#endif
