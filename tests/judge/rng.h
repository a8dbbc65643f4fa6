/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers that are the same on every machine for the same seed. */
#ifndef JUDGE_RNG_H
#define JUDGE_RNG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct { uint64_t state; } rng;

/* splitmix64 (public domain, S. Vigna): any seed is a good seed. */
static inline uint64_t
rng_mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline uint64_t
rng_next(rng *self)
{
	self->state += 0x9e3779b97f4a7c15u;
	return rng_mix(self->state);
}

/* One of 0 … n-1. */
static inline uint64_t
rng_below(rng *self, uint64_t n)
{
	return rng_next(self) % n;
}

static inline bool
rng_percent(rng *self, unsigned percent)
{
	return rng_below(self, 100) < percent;
}

#define rng_pick(self, array) ((array)[rng_below((self), G_N_ELEMENTS(array))])

#endif
