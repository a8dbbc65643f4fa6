/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tables.h"

#include <inttypes.h>
#include <string.h>

#define PAGE 0x1000ull

const char *const tables_mode_names[3] = { "legacy", "scalable", "first stage" };

/* Where tables may stand that is worth trying: the ends of each piece of RAM. */
static const uint64_t corners[] = { 0, PAGE, 0x9f000, 0x100000, GUEST_LOW_SIZE - PAGE, GUEST_HIGH_BASE,
	GUEST_HIGH_BASE + GUEST_HIGH_SIZE - PAGE };

void
tables_init(tables *self, guest *g, uint64_t cap, uint64_t ecap)
{
	memset(self, 0, sizeof *self);
	self->guest = g;
	self->address_bits = (unsigned) (cap >> 16 & 0x3f) + 1;
	self->dt = ecap >> 2 & 1;
	self->pt = ecap >> 6 & 1;
	self->smts = ecap >> 43 & 1;
	self->flts = ecap >> 47 & 1;
	self->entries = g_array_new(FALSE, FALSE, sizeof(tables_entry));
}

void
tables_clear(tables *self)
{
	g_array_free(self->entries, TRUE);
}

uint64_t
tables_get(tables *self, uint64_t gpa)
{
	const uint8_t *at = guest_ram(self->guest, gpa, 8);
	uint64_t value = 0;

	if (at)
		memcpy(&value, at, 8);
	return value;
}

void
tables_put(tables *self, uint64_t gpa, uint64_t value)
{
	uint8_t *at = guest_ram(self->guest, gpa, 8);

	if (at)
		memcpy(at, &value, 8);
}

static uint64_t
random_ram(rng *r)
{
	uint64_t page = rng_below(r, (GUEST_LOW_SIZE + GUEST_HIGH_SIZE) / PAGE) * PAGE;

	if (page >= 0xa0000 && page < 0x100000)
		page += 0x100000;
	return page < GUEST_LOW_SIZE ? page : page - GUEST_LOW_SIZE + GUEST_HIGH_BASE;
}

static void
fill_pool(tables *self)
{
	for (unsigned i = 0; i < TABLES_POOL; i++) {
		uint64_t page;
		bool again;

		do {
			page = rng_percent(self->rng, 15) ? rng_pick(self->rng, corners) : random_ram(self->rng);
			again = false;
			for (unsigned k = 0; k < i; k++)
				again |= self->pool[k] == page;
		} while (again);
		self->pool[i] = page;
	}
	self->used = 0;
}

/* When all are used, tables are shared: as good a case as any. */
uint64_t
tables_page(tables *self)
{
	return self->used < TABLES_POOL ? self->pool[self->used++] : tables_any_page(self);
}

uint64_t
tables_any_page(tables *self)
{
	return self->pool[rng_below(self->rng, TABLES_POOL)];
}

void
tables_note(tables *self, enum tables_kind kind, unsigned level, uint64_t gpa, unsigned words)
{
	tables_entry entry = { kind, level, words, gpa };

	for (unsigned i = 0; i < self->entries->len; i++)
		if (g_array_index(self->entries, tables_entry, i).gpa == gpa)
			return;
	g_array_append_val(self->entries, entry);
}

static uint64_t
hole(tables *self)
{
	rng *r = self->rng;

	switch (rng_below(r, 4)) {
	case 0: return GUEST_LOW_SIZE + rng_below(r, 0x40000000 / PAGE) * PAGE;
	case 1: return GUEST_HIGH_BASE + GUEST_HIGH_SIZE + rng_below(r, 0x1000) * PAGE;
	case 2: return (1ull << self->address_bits) - PAGE * (1 + rng_below(r, 4));
	default: return (0x200000000ull + rng_below(r, (1ull << self->address_bits) - 0x200000000ull)) & ~0xfffull;
	}
}

uint64_t
tables_target(tables *self, unsigned level)
{
	rng *r = self->rng;
	uint64_t size = PAGE << 9 * (level - 1), address;
	unsigned roll = (unsigned) rng_below(r, 100);

	if (roll < 76)
		address = random_ram(r);
	else if (roll < 81)
		address = hole(self);
	else if (roll < 90) /* what would be an interrupt, and beside it */
		address = level == 1 ? 0xfee00000u - 2 * PAGE + rng_below(r, 0x104) * PAGE : 0xfec00000u + rng_below(r, 6) / 3 * 0x200000u;
	else if (roll < 95)
		address = tables_any_page(self);
	else
		address = rng_pick(r, corners);
	return address & ~(size - 1);
}

uint64_t
tables_bad_address(tables *self, uint64_t self_gpa)
{
	rng *r = self->rng;

	switch (rng_below(r, 6)) {
	case 0: return self_gpa & ~0xfffull;
	case 1: return tables_any_page(self);
	case 2: return random_ram(r);
	case 3: return 1ull << (self->address_bits + rng_below(r, 52 - self->address_bits));
	default: return hole(self);
	}
}

/* ---- the whole ---------------------------------------------------------------- */

void
tables_build(tables *self, rng *r, tables_mode mode)
{
	self->rng = r;
	self->mode = mode;
	g_array_set_size(self->entries, 0);
	memset(self->mapped, 0, sizeof self->mapped);
	fill_pool(self);
	self->rtaddr = mode == MODE_LEGACY ? tables_legacy(self) : tables_scalable(self);
	if (rng_percent(r, 50))
		tables_touch(self);
	for (uint64_t n = rng_percent(r, 50) ? 0 : 1 + rng_below(r, 5); n; n--)
		tables_damage(self);
	if (rng_percent(r, 2))
		self->rtaddr = tables_bad_address(self, self->rtaddr) | (self->rtaddr & 0xc00);
	if (rng_percent(r, 2)) /* QEMU takes no bits above the width from RTADDR */
		self->rtaddr |= 1ull << (self->address_bits + rng_below(r, 64 - self->address_bits));
}

uint64_t
tables_iova(tables *self, unsigned device)
{
	rng *r = self->rng;
	const tables_mapped *m = &self->mapped[device];
	unsigned roll = (unsigned) rng_below(r, 100), pick = m->n ? (unsigned) rng_below(r, m->n) : 0;
	uint64_t iova = m->n ? m->iovas[pick] : 0;
	uint64_t inside = m->n ? rng_next(r) & ((PAGE << 9 * (m->levels[pick] - 1)) - 1) : 0;
	uint64_t edges[] = { 0, 1ull << 29, 1ull << 30, 1ull << 38, 1ull << 39, 1ull << 47, 1ull << 48, 1ull << 57,
		1ull << 63, 0, ~0ull << 29, ~0ull << 38, ~0ull << 47 };

	if (roll < 66)
		iova |= inside;
	else if (roll < 74)
		iova = (iova | inside) ^ 1ull << (12 + rng_below(r, 52));
	else if (roll < 82)
		iova = rng_pick(r, edges) + (rng_percent(r, 50) ? -PAGE : 0);
	else if (roll < 90)
		iova = rng_next(r) & ((1ull << m->width) - 1);
	else if (roll < 93)
		iova = rng_next(r);
	else if (roll < 97)
		iova = rng_below(r, 16) * PAGE;
	else
		iova = 0xfedff000u + rng_below(r, 0x102) * PAGE;
	return (iova & ~0xfffull) | (rng_below(r, 0xff0 / 8) * 8);
}

void
tables_print(tables *self, FILE *to)
{
	static const char *const names[] = { "root", "context", "PASID directory", "PASID entry", "second stage", "first stage" };

	fprintf(to, "#   RTADDR %#" PRIx64 ", %s mode; entries as they stand now:\n", self->rtaddr,
		tables_mode_names[self->mode]);
	for (unsigned i = 0; i < self->entries->len; i++) {
		const tables_entry *e = &g_array_index(self->entries, tables_entry, i);

		fprintf(to, "#     %-15s", names[e->kind]);
		if (e->level)
			fprintf(to, " level %u", e->level);
		fprintf(to, " at %#" PRIx64 ":", e->gpa);
		for (unsigned w = 0; w < e->words; w++)
			fprintf(to, " %016" PRIx64, tables_get(self, e->gpa + 8 * w));
		fputc('\n', to);
	}
}

/* ---- fault processing disable --------------------------------------------------- */

bool
tables_fpd(tables *self, unsigned device, bool late)
{
	viommu_sid sid = unit_sid(device);
	uint64_t mask = (1ull << self->address_bits) - PAGE;
	uint64_t root = (self->rtaddr & mask) + 16u * viommu_sid_bus(sid), context, directory, table, entry;
	bool scalable = self->smts && (self->rtaddr >> 10 & 1);
	unsigned devfn = viommu_sid_devfn(sid), pasid;

	if (!scalable)
		return tables_get(self, (tables_get(self, root) & ~0xfffull) + 16u * devfn) & 2;
	context = (tables_get(self, root + (devfn >= 128 ? 8 : 0)) & ~0xfffull) + 32u * (devfn & 127);
	if (tables_get(self, context) & 2)
		return true;
	if (!late)
		return false;
	pasid = (unsigned) tables_get(self, context + 8) & 0xfffff;
	directory = (tables_get(self, context) & ~0xfffull) + 8u * (pasid >> 6);
	entry = tables_get(self, directory);
	if (entry & 2)
		return true;
	table = entry & ~0xfffull;
	return tables_get(self, table + 64u * (pasid & 63)) & 2;
}
