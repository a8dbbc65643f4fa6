/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds VT-d tables: the inverse of the walker, and written from the
 * specification (chapter 9) without a look at it, so that an error of one is not
 * an error of both.  Nothing here uses qmp/vtd/.
 *
 * It plays L1: it has RAM, and puts a root table, context tables and second-stage
 * tables in it.  Addresses are plain numbers here.
 */
#ifndef UNIT_TABLES_H
#define UNIT_TABLES_H

#include <glib.h>
#include <viommu/memory.h>
#include <viommu/snapshot.h>
#include <viommu/vtd.h>

typedef struct {
	viommu_memory base; /* reads the RAM */
	GHashTable *pages;  /* page number -> 4096 bytes; others are zeros */
	GHashTable *status; /* page number -> status of a page that cannot be read */
	uint64_t ram;       /* bytes of RAM, from 0 */
	uint64_t next;      /* where the next table goes */
	uint64_t root;      /* GPA of the root table */
	uint64_t cap, ecap, rtaddr;
	uint32_t gsts;
	uint64_t queue; /* GPA of the invalidation queue, one page of 256 descriptors; 0: off */
	unsigned tail;  /* the next descriptor's place */
	uint16_t second; /* source id of one more such device in QEMU's list; 0: there is none */
	const char *driver; /* of the device 00:04.0; NULL: not known */
	uint64_t reads, calls; /* pages, batches */
	uint64_t dies_after;   /* so many batches, then the source is gone; 0: it stays */
} tables;

/* Bits of entries. */
#define PTE_R 1ull
#define PTE_W 2ull
#define PTE_RW 3ull
#define PTE_PS (1ull << 7)
#define PTE_SNP (1ull << 11)
#define PTE_TM (1ull << 62)
#define PTE_ADDRESS 0x000ffffffffff000ull

enum { KIB_4 = 12, MIB_2 = 21, GIB_1 = 30 };

/* A unit as QEMU makes it with caching mode: bits is aw-bits, 39 or 48 (or 57,
 * which QEMU cannot).  Translation is on, the root table empty. */
tables *tables_new(unsigned bits);
void tables_free(tables *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(tables, tables_free)

uint64_t tables_peek(const tables *self, uint64_t gpa);
void tables_poke(tables *self, uint64_t gpa, uint64_t word);
uint64_t tables_page(tables *self);                                       /* a new page of zeros */
void tables_break(tables *self, uint64_t gpa, viommu_page_status status); /* cannot be read from now on */

/* Writes root and context entry of a device; aw is 1 for 3 levels, 2 for 4. */
void tables_context(tables *self, uint16_t sid, uint64_t low, uint64_t high);
uint64_t tables_context_at(const tables *self, uint16_t sid); /* GPA of the context entry */
/* A device with a new second-stage table of this many levels: GPA of that table. */
uint64_t tables_device(tables *self, uint16_t sid, unsigned levels);

/* Puts one leaf in; shift is KIB_4, MIB_2 or GIB_1. Directories get R and W. */
void tables_map(tables *self, uint64_t top, unsigned levels, uint64_t iova, uint64_t gpa, unsigned shift,
	uint64_t bits);
/* The same for bytes of 4 KiB pages. */
void tables_map_pages(tables *self, uint64_t top, unsigned levels, uint64_t iova, uint64_t gpa,
	uint64_t bytes, uint64_t bits);
/* Where the entry of this level stands that an IOVA leads to; 0: no table there. */
uint64_t tables_entry(const tables *self, uint64_t top, unsigned levels, uint64_t iova, unsigned level);

/* From here on the unit is in scalable mode (QEMU 10's capabilities, and nested translation). */
void tables_scalable(tables *self);
/* A PASID entry (9.6) with all that leads to it; RID_PASID is 0. GPA of the entry. */
uint64_t tables_pasid(tables *self, uint16_t sid, uint32_t pasid, const uint64_t words[8]);
uint64_t tables_sm_context_at(const tables *self, uint16_t sid); /* GPA of the context entry */

/* First-stage entries (9.7). */
#define FPTE_P 1ull
#define FPTE_W 2ull
#define FPTE_U 4ull
#define FPTE_RW 7ull
/* As tables_map, for a first stage.  Its tables' addresses are those of RAM minus offset:
 * with nested translation a second stage adds it again. */
void tables_map_first(tables *self, uint64_t top, unsigned levels, uint64_t iova, uint64_t gpa,
	unsigned shift, uint64_t bits, uint64_t offset);
/* Where an entry of it stands, in RAM. */
uint64_t tables_entry_first(
	const tables *self, uint64_t top, unsigned levels, uint64_t iova, unsigned level, uint64_t offset);

/* Puts a descriptor into the invalidation queue, which is switched on; QEMU takes it at once. */
void tables_submit(tables *self, uint64_t low, uint64_t high);

void tables_registers(const tables *self, vtd_registers *ret);
vtd_unit tables_unit(const tables *self);
/* All of it as a snapshot. */
viommu_snapshot *tables_snapshot(const tables *self);

#endif
