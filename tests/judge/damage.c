/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Damage to one entry of the tables. */
#include "tables.h"

#define ADDRESS 0x000ffffffffff000ull

/* Bits that mean something, or must not be set, in each kind of entry and word. */
static uint64_t
telling_bit(tables *self, const tables_entry *e, unsigned word)
{
	rng *r = self->rng;
	uint64_t beyond = 1ull << (self->address_bits + rng_below(r, 64 - self->address_bits));

	switch (e->kind) {
	case ENTRY_ROOT:
		return rng_percent(r, 50) ? beyond : 1ull << rng_below(r, 12);
	case ENTRY_CONTEXT:
		if (word == 0)
			return rng_percent(r, 25) ? beyond : 1ull << (rng_percent(r, 50) ? 4 + rng_below(r, 8) : rng_below(r, 12));
		if (word == 1) /* AW and DID, or RID_PASID; and beyond */
			return 1ull << (rng_percent(r, 40) ? rng_below(r, 3) : 6 + rng_below(r, 22));
		return 1ull << rng_below(r, 64);
	case ENTRY_DIRECTORY:
		return rng_percent(r, 50) ? 1ull << rng_below(r, 12) : beyond;
	case ENTRY_PASID:
		return 1ull << (word == 0 && rng_percent(r, 40) ? 2 + rng_below(r, 3) : rng_below(r, 12));
	case ENTRY_SECOND:
	case ENTRY_FIRST:
		break;
	}
	switch (rng_below(r, 7)) {
	case 0: return beyond;
	case 5: return 1ull << 62; /* TM */
	case 6: return 1ull << (self->address_bits + rng_below(r, 52 - self->address_bits));
	case 1: return 1ull << 7;
	case 2: return 1ull << 11;
	case 3: return 1ull << (12 + rng_below(r, e->level > 1 && e->level < 4 ? 9 * (e->level - 1) : 4));
	default: return 1ull << rng_below(r, 12);
	}
}

/* Any entry, but the few that are not for paging as often as the many that are. */
static const tables_entry *
victim(tables *self)
{
	bool paging = rng_percent(self->rng, 50);
	const tables_entry *e = NULL;

	for (unsigned tries = 0; tries < 64; tries++) {
		e = &g_array_index(self->entries, tables_entry, rng_below(self->rng, self->entries->len));
		if ((e->kind == ENTRY_SECOND || e->kind == ENTRY_FIRST) == paging)
			break;
	}
	return e;
}

void
tables_damage(tables *self)
{
	rng *r = self->rng;
	const tables_entry *e = victim(self);
	unsigned word = (unsigned) rng_below(r, e->words);
	uint64_t at, value;

	if (e->kind == ENTRY_CONTEXT && rng_percent(r, 50))
		word = 0;
	/* The words of a PASID entry that matter are 0 and 2. */
	if (e->kind == ENTRY_PASID)
		word = rng_percent(r, 70) ? 0 : rng_percent(r, 70) ? 2 : word;
	at = e->gpa + 8 * word;
	value = tables_get(self, at);
	switch (rng_below(r, 12)) {
	case 0:
		value ^= 1ull << rng_below(r, 64);
		break;
	case 1:
	case 2:
	case 3:
		value ^= telling_bit(self, e, word);
		break;
	case 4:
		value = 0;
		break;
	case 5:
		value = ~0ull;
		break;
	case 6:
	case 7:
	case 8:
		value = (value & ~ADDRESS) | tables_bad_address(self, at);
		break;
	case 9: /* not present, not readable, … */
		value &= ~(1ull << rng_below(r, e->kind == ENTRY_SECOND || e->kind == ENTRY_FIRST ? 3 : 1));
		break;
	case 10:
		value |= telling_bit(self, e, word) | telling_bit(self, e, word);
		break;
	default:
		value = rng_next(r) & (rng_percent(r, 50) ? ~0ull : (1ull << self->address_bits) - 1);
		break;
	}
	tables_put(self, at, value);
}

void
tables_touch(tables *self)
{
	for (unsigned i = 0; i < self->entries->len; i++) {
		const tables_entry *e = &g_array_index(self->entries, tables_entry, i);
		unsigned word = rng_percent(self->rng, 60) ? 0 : (unsigned) rng_below(self->rng, e->words);

		if (rng_percent(self->rng, e->kind == ENTRY_ROOT ? 4 : 12))
			tables_put(self, e->gpa + 8 * word, tables_get(self, e->gpa + 8 * word) ^ telling_bit(self, e, word));
	}
}
