/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random translation tables in the guest's RAM.
 *
 * Written from the VT-d specification and from what QEMU does (NOTES.md), never
 * from the walker under test: what one of them gets wrong, the other shall not get
 * wrong in the same way.
 */
#ifndef JUDGE_TABLES_H
#define JUDGE_TABLES_H

#include "rng.h"
#include "unit.h"

#include <stdio.h>

#define TABLES_POOL 96
#define TABLES_MAPPED 16 /* IOVAs that are remembered for each device */

typedef enum { MODE_LEGACY, MODE_SCALABLE, MODE_FIRST } tables_mode;
extern const char *const tables_mode_names[3];

/* An entry that was written: what damage can be done to, and what a report shows. */
typedef struct {
	enum tables_kind { ENTRY_ROOT, ENTRY_CONTEXT, ENTRY_DIRECTORY, ENTRY_PASID, ENTRY_SECOND, ENTRY_FIRST } kind;
	unsigned level; /* of paging entries */
	unsigned words; /* 64-bit ones */
	uint64_t gpa;
} tables_entry;

typedef struct {
	uint64_t iovas[TABLES_MAPPED]; /* start of a leaf's range */
	unsigned levels[TABLES_MAPPED]; /* of that leaf */
	unsigned n;
	unsigned width; /* bits of the IOVAs that the tables are for */
} tables_mapped;

typedef struct {
	guest *guest;
	rng *rng;
	/* What the unit can do. */
	unsigned address_bits;
	bool dt, pt, smts, flts;
	tables_mode mode;
	uint64_t rtaddr;
	uint64_t pool[TABLES_POOL]; /* pages for tables */
	unsigned used;
	GArray *entries; /* of tables_entry */
	tables_mapped mapped[UNIT_DEVICES];
} tables;

/* cap, ecap: the unit's registers. */
void tables_init(tables *self, guest *guest, uint64_t cap, uint64_t ecap);
void tables_clear(tables *self);

/* Builds a set of tables, with some damage, into RAM that is all zero. Everything follows from r. */
void tables_build(tables *self, rng *r, tables_mode mode);
/* An IOVA worth asking for. Its last 12 bits leave room for 8 bytes. */
uint64_t tables_iova(tables *self, unsigned device);
void tables_print(tables *self, FILE *to);

/* Whether a fault of this device would be silenced by FPD, from the tables as they stand
 * now. late: the fault is one of the page walk, not of the structures that lead to it. */
bool tables_fpd(tables *self, unsigned device, bool late);

/* Tables through which every device reaches page as its IOVA 0; returns the value for
 * RTADDR. Legacy mode, whatever the unit can do. */
uint64_t tables_plain(tables *self, uint64_t page);

/* ---- for the files of the builder ----------------------------------------- */

uint64_t tables_get(tables *self, uint64_t gpa);
void tables_put(tables *self, uint64_t gpa, uint64_t value); /* nothing when not RAM */
uint64_t tables_page(tables *self);                          /* the next free page of the pool */
uint64_t tables_any_page(tables *self);                      /* any of the pool, used or not */
void tables_note(tables *self, enum tables_kind kind, unsigned level, uint64_t gpa, unsigned words);
/* Where a leaf of this level might point; aligned. */
uint64_t tables_target(tables *self, unsigned level);
/* An address for a table that is not there or not a table. */
uint64_t tables_bad_address(tables *self, uint64_t self_gpa);
/* Fills a paging tree: some leaves for device, below table, of levels. */
void tables_fill(tables *self, unsigned device, bool first, uint64_t table, unsigned levels, unsigned width);
uint64_t tables_legacy(tables *self);
uint64_t tables_scalable(tables *self);
void tables_damage(tables *self); /* one entry */
void tables_touch(tables *self);  /* one bit here and there */

#endif
