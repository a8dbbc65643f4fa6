/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Undamaged tables of each kind; their fields random within (and a little beyond) what is valid. */
#include "tables.h"

#include <string.h>

#define PRESENT 1ull
#define READ 1ull
#define WRITE 2ull
#define FPD 2ull
#define LARGE 0x80ull

/* A few bits of mask, mostly none. */
static uint64_t
noise(rng *r, unsigned percent, uint64_t mask)
{
	return rng_percent(r, percent) ? rng_next(r) & mask : 0;
}

/* ---- paging entries --------------------------------------------------------------- */

static uint64_t
second_stage_directory(rng *r, uint64_t table)
{
	/* Ignored: bits 10 … 2 less 7, which is not for directories, and the top. */
	return table | (rng_percent(r, 96) ? READ : 0) | (rng_percent(r, 93) ? WRITE : 0) |
		noise(r, 20, 0x77c) | noise(r, 20, 0xbff0000000000000ull);
}

static uint64_t
second_stage_leaf(rng *r, uint64_t target, unsigned level)
{
	return target | (level > 1 ? LARGE : noise(r, 20, LARGE)) | (rng_percent(r, 88) ? READ : 0) |
		(rng_percent(r, 82) ? WRITE : 0) | noise(r, 20, 0x77c) | noise(r, 20, 0xbff0000000000000ull) |
		noise(r, 16, 0x800) | noise(r, 8, 1ull << 62);
}

static uint64_t
first_stage_directory(rng *r, uint64_t table)
{
	return table | (rng_percent(r, 98) ? PRESENT : 0) | (rng_percent(r, 94) ? WRITE : 0) |
		(rng_percent(r, 97) ? 4 : 0) | noise(r, 60, 0x60) | noise(r, 20, 0xf18) | noise(r, 20, 0xfff0000000000000ull);
}

static uint64_t
first_stage_leaf(rng *r, uint64_t target, unsigned level)
{
	return target | (rng_percent(r, 96) ? PRESENT : 0) | (rng_percent(r, 80) ? WRITE : 0) |
		(rng_percent(r, 95) ? 4 : 0) | noise(r, 60, 0x60) | noise(r, 20, 0xf18) | noise(r, 20, 0xfff0000000000000ull) |
		(level > 1 ? LARGE | noise(r, 60, 0x1000) : noise(r, 20, LARGE));
}

/* Maps one IOVA, with the directories that are not there yet. */
static void
map(tables *self, bool first, uint64_t table, unsigned levels, uint64_t iova, unsigned leaf)
{
	for (unsigned level = levels;; level--) {
		uint64_t at = table + 8 * (iova >> (12 + 9 * (level - 1)) & 0x1ff), entry = tables_get(self, at);

		tables_note(self, first ? ENTRY_FIRST : ENTRY_SECOND, level, at, 1);
		if (level == leaf) {
			uint64_t target = tables_target(self, level);

			tables_put(self, at, first ? first_stage_leaf(self->rng, target, level) :
				second_stage_leaf(self->rng, target, level));
			return;
		}
		if (!entry) {
			uint64_t next = tables_page(self);

			entry = first ? first_stage_directory(self->rng, next) : second_stage_directory(self->rng, next);
			tables_put(self, at, entry);
		} else if (entry & LARGE) {
			return; /* another mapping lies there */
		}
		table = entry & ((1ull << self->address_bits) - 0x1000);
	}
}

void
tables_fill(tables *self, unsigned device, bool first, uint64_t table, unsigned levels, unsigned width)
{
	rng *r = self->rng;
	tables_mapped *m = &self->mapped[device];

	m->width = MIN(width, 63);
	for (uint64_t n = 1 + rng_below(r, 6); n && m->n < TABLES_MAPPED; n--) {
		static const uint8_t leaf_levels[] = { 1, 1, 1, 2, 2, 3 };
		unsigned pick = rng_pick(r, leaf_levels), leaf = MIN(pick, levels);
		uint64_t iova;

		switch (rng_below(r, 4)) {
		case 0: iova = m->n ? m->iovas[rng_below(r, m->n)] + (0x1000ull << 9 * rng_below(r, 2)) : 0; break;
		case 1: iova = ~rng_below(r, 1ull << 22); break;
		case 2: iova = rng_below(r, 1ull << 32); break;
		default: iova = rng_next(r);
		}
		iova &= ((1ull << m->width) - 1) & ~((0x1000ull << 9 * (leaf - 1)) - 1);
		map(self, first, table, levels, iova, leaf);
		if (first && iova >> (m->width - 1) & 1) /* canonical */
			iova |= ~0ull << m->width;
		m->iovas[m->n] = iova;
		m->levels[m->n++] = leaf;
	}
}

/* ---- legacy mode -------------------------------------------------------------------- */

/* A value for AW that the unit supports, mostly. */
static unsigned
random_aw(tables *self)
{
	if (rng_percent(self->rng, 8))
		return (unsigned) rng_below(self->rng, 8);
	return self->address_bits >= 48 ? 1 + (unsigned) rng_below(self->rng, 2) : 1;
}

static unsigned
aw_width(tables *self, unsigned aw)
{
	return MIN(30 + 9 * aw, self->address_bits);
}

uint64_t
tables_legacy(tables *self)
{
	rng *r = self->rng;
	uint64_t root = tables_page(self), rtaddr = root;
	uint64_t shared = 0;

	for (unsigned d = 0; d < UNIT_DEVICES; d++) {
		viommu_sid sid = unit_sid(d);
		uint64_t at = root + 16u * viommu_sid_bus(sid), contexts = tables_get(self, at) & ~0xfffull;
		unsigned aw = random_aw(self), levels = CLAMP(aw + 2, 2, 5);
		uint64_t tt = rng_below(r, 100), lo, hi;

		if (!tables_get(self, at)) {
			contexts = tables_page(self);
			tables_put(self, at, contexts | PRESENT);
			tables_note(self, ENTRY_ROOT, 0, at, 2);
		}
		tt = tt < 76 ? 0 : tt < 84 ? (self->dt || rng_percent(r, 20) ? 1 : 0) : tt < 97 ? (self->pt || rng_percent(r, 20) ? 2 : 0) : 3;
		/* Devices of one domain share their tables. */
		lo = shared && rng_percent(r, 15) ? shared : tables_page(self);
		tables_fill(self, d, false, lo, levels, aw_width(self, aw));
		shared = lo;
		lo |= PRESENT | noise(r, 10, FPD) | tt << 2;
		hi = aw | noise(r, 20, 0x78) | rng_below(r, 0x10000) << 8;
		at = contexts + 16u * viommu_sid_devfn(sid);
		tables_put(self, at, lo);
		tables_put(self, at + 8, hi);
		tables_note(self, ENTRY_CONTEXT, 0, at, 2);
	}
	if (!self->smts)
		rtaddr |= noise(r, 10, 0xc00); /* there is no scalable mode to choose */
	else
		rtaddr |= noise(r, 10, 0x800); /* bit 10 alone chooses */
	return rtaddr;
}

/* ---- scalable mode ------------------------------------------------------------------ */

static void
pasid_entry(tables *self, unsigned device, uint64_t at)
{
	rng *r = self->rng;
	unsigned aw = random_aw(self), roll = (unsigned) rng_below(r, 100);
	uint64_t table = tables_page(self), words[8] = { 0 }, pgtt;
	bool first = self->mode == MODE_FIRST;

	/* What this QEMU takes for its own stage, mostly; then the other kinds, then rubbish. */
	pgtt = roll < 76 ? (first ? 1 : 2) : roll < 86 ? 4 : roll < 90 ? 1 : roll < 93 ? 2 : roll < 96 ? 3 : rng_below(r, 8);
	if (first) {
		unsigned fs_aw = rng_percent(r, 25) ? (unsigned) rng_below(r, 8) : 2;

		words[0] = fs_aw << 2 | noise(r, 30, 0xfffffffffffff000ull);
		words[2] = table | noise(r, 30, 0xff3) | (rng_percent(r, 4) ? rng_below(r, 4) << 2 : 0);
		tables_fill(self, device, true, table, 4, MIN(30 + 9 * fs_aw, 48));
	} else {
		words[0] = aw << 2 | table;
		words[2] = noise(r, 30, ~0ull);
		tables_fill(self, device, false, table, CLAMP(aw + 2, 2, 5), aw_width(self, aw));
	}
	words[0] |= PRESENT | noise(r, 10, FPD) | pgtt << 6 | noise(r, 20, 0xe20);
	words[1] = rng_below(r, 0x10000) | noise(r, 20, ~0xffffull);
	for (unsigned i = 3; i < 8; i++)
		words[i] = noise(r, 20, ~0ull); /* nothing there is looked at */
	for (unsigned i = 0; i < 8; i++)
		tables_put(self, at + 8 * i, words[i]);
	tables_note(self, ENTRY_PASID, 0, at, 8);
}

uint64_t
tables_scalable(tables *self)
{
	rng *r = self->rng;
	uint64_t root = tables_page(self);

	for (unsigned d = 0; d < UNIT_DEVICES; d++) {
		viommu_sid sid = unit_sid(d);
		unsigned devfn = viommu_sid_devfn(sid);
		unsigned pasid = rng_percent(r, 40) ? 0 : (unsigned) rng_below(r, 1u << (rng_percent(r, 50) ? 20 : 8));
		uint64_t at = root + 16u * viommu_sid_bus(sid), half = at + (devfn >= 128 ? 8 : 0);
		uint64_t contexts = tables_get(self, half) & ~0xfffull, directory, entry, table;

		if (!tables_get(self, half)) {
			contexts = tables_page(self);
			tables_put(self, half, contexts | PRESENT);
			tables_note(self, ENTRY_ROOT, 0, at, 2);
		}
		/* The directory is contiguous and may be 32 pages; only one of them is needed.
		 * So it starts where that one falls on a page of the pool. */
		do
			directory = tables_page(self);
		while (directory < (pasid >> 6) * 8 && self->used < TABLES_POOL);
		directory -= (pasid >> 6) * 8 & ~0xfffull;
		at = contexts + 32u * (devfn & 127);
		tables_put(self, at, directory | PRESENT | noise(r, 10, FPD) | noise(r, 30, 0xe1c));
		tables_put(self, at + 8, pasid | noise(r, 20, 1u << 20));
		tables_note(self, ENTRY_CONTEXT, 0, at, 4);

		at = directory + 8u * (pasid >> 6);
		entry = tables_get(self, at);
		if (!entry) {
			entry = tables_page(self) | PRESENT | noise(r, 10, FPD) | noise(r, 20, 0xffc);
			tables_put(self, at, entry);
			tables_note(self, ENTRY_DIRECTORY, 0, at, 1);
		}
		table = entry & ~0xfffull;
		pasid_entry(self, d, table + 64u * (pasid & 63));
	}
	return root | 0x400 | noise(r, 10, 0x800);
}

/* ---- the plain one ------------------------------------------------------------------- */

uint64_t
tables_plain(tables *self, uint64_t page)
{
	/* Out of the way of most random tables; written anew each time, so no harm if not. */
	const uint64_t root = 0x7fe00000, contexts = root + 0x1000, paging = root + 0x2000;
	unsigned levels = self->address_bits >= 48 ? 4 : 3;
	uint64_t table = paging;

	for (uint64_t at = root; at < paging + 4 * 0x1000; at += 0x1000)
		memset(guest_ram(self->guest, at, 0x1000), 0, 0x1000);
	for (unsigned d = 0; d < UNIT_DEVICES; d++) {
		viommu_sid sid = unit_sid(d);
		uint64_t at = contexts + 16u * viommu_sid_devfn(sid);

		tables_put(self, root + 16u * viommu_sid_bus(sid), contexts | PRESENT);
		tables_put(self, at, paging | PRESENT);
		tables_put(self, at + 8, levels - 2);
	}
	for (unsigned level = levels; level > 1; level--, table += 0x1000)
		tables_put(self, table, (table + 0x1000) | READ | WRITE);
	tables_put(self, table, page | READ | WRITE);
	return root;
}
