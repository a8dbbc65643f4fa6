/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splitmix64: small, and the same numbers from the same seed everywhere. */
#ifndef PROBE_PRNG_H
#define PROBE_PRNG_H

#include <stdint.h>

struct prng {
	uint64_t state;
};

static inline uint64_t
prng_next(struct prng *prng)
{
	uint64_t z = prng->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* A number in [0, bound); bound must not be 0.  The bias is of no matter here. */
static inline uint64_t
prng_below(struct prng *prng, uint64_t bound)
{
	return prng_next(prng) % bound;
}

#endif
