/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_MAP_OPTIONS_H
#define PROBE_MAP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "parse.h"
#include "pattern.h"

struct map_options {
	char bdf[PCI_BDF_LEN];
	bool shaped; /* a shape was asked for; else the default pattern */
	struct pattern_shape shape;
	uint64_t seed;
	bool bind;
	bool unmap_half;
	bool force;
	bool hold_given;
	uint64_t hold_seconds;
	const char *output;
};

enum map_options_result {
	MAP_OPTIONS_RUN,
	MAP_OPTIONS_DONE,  /* help or version was printed */
	MAP_OPTIONS_USAGE, /* a sentence on stderr says what is wrong */
};

enum map_options_result map_options_parse(struct map_options *ret, int argc, char **argv);

#endif
