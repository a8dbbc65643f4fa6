/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries of the translation tables. Part of <viommu/vtd.h>. */
#ifndef VIOMMU_VTD_ENTRIES_H
#define VIOMMU_VTD_ENTRIES_H

#include <viommu/vtd-registers.h>

G_BEGIN_DECLS

/* Root entry, legacy mode (9.1).  In all entries, reserved holds the reserved bits
 * that are set. */
typedef struct {
	bool present;
	viommu_gpa context_table;
	uint64_t reserved[2];
} vtd_root_entry;

void vtd_decode_root(const vtd_unit *unit, const uint64_t raw[2], vtd_root_entry *ret);

enum vtd_translation_type {
	VTD_TT_MULTI_LEVEL = 0, /* untranslated requests only, second stage */
	VTD_TT_DEV_TLB = 1,     /* and translated / translation requests    */
	VTD_TT_PASS_THROUGH = 2,
	VTD_TT_RESERVED = 3,
};

/* Context entry, legacy mode (9.3). */
typedef struct {
	bool present, fpd;
	enum vtd_translation_type tt;
	viommu_gpa second_stage; /* SSPTPTR */
	unsigned aw;             /* the field: 1 = 39 bits/3 levels, 2 = 48/4, 3 = 57/5 */
	uint16_t did;
	uint64_t reserved[2];
} vtd_context_entry;

void vtd_decode_context(const vtd_unit *unit, const uint64_t raw[2], vtd_context_entry *ret);
static inline unsigned vtd_aw_levels(unsigned aw) { return aw + 2; }
static inline unsigned vtd_aw_bits(unsigned aw) { return 30 + aw * 9; }

/* Root entry, scalable mode (9.2): a context table for devfn 0 … 127, one for the rest. */
typedef struct {
	bool present[2];
	viommu_gpa context_table[2];
	uint64_t reserved[2];
} vtd_sm_root_entry;

void vtd_decode_sm_root(const vtd_unit *unit, const uint64_t raw[2], vtd_sm_root_entry *ret);

/* Context entry, scalable mode (9.4): 256 bits. */
typedef struct {
	bool present, fpd;
	bool dte, paside, pre;
	unsigned pdts; /* the field: the PASID directory has 2^(pdts + 7) entries */
	viommu_gpa pasid_directory;
	uint32_t rid_pasid;
	bool rid_priv;
	uint64_t reserved[4];
} vtd_sm_context_entry;

void vtd_decode_sm_context(const vtd_unit *unit, const uint64_t raw[4], vtd_sm_context_entry *ret);

/* PASID directory entry (9.5). */
typedef struct {
	bool present, fpd;
	viommu_gpa pasid_table;
} vtd_pasid_dir_entry;

void vtd_decode_pasid_dir(uint64_t raw, vtd_pasid_dir_entry *ret);

enum vtd_pgtt {
	VTD_PGTT_FIRST_STAGE = 1,
	VTD_PGTT_SECOND_STAGE = 2,
	VTD_PGTT_NESTED = 3,
	VTD_PGTT_PASS_THROUGH = 4,
};

/* PASID table entry, scalable mode (9.6): 512 bits. */
typedef struct {
	bool present, fpd;
	unsigned aw;   /* as in the context entry of legacy mode */
	unsigned pgtt; /* enum vtd_pgtt; other values are reserved */
	bool slade;    /* SSADE: second-stage accessed/dirty bits */
	viommu_gpa second_stage; /* SSPTPTR */
	uint16_t did;
	bool pwsnp, pgsnp;
	bool sre, wpe, nxe, eafe;
	unsigned fspm; /* 0 = 4 levels, 1 = 5 levels */
	viommu_gpa first_stage; /* FSPTPTR */
} vtd_pasid_entry;

void vtd_decode_pasid(const uint64_t raw[8], vtd_pasid_entry *ret);

/* Second-stage paging entry (9.8). */
typedef struct {
	bool read, write;
	bool leaf; /* translates: level 1, or PS set at level 2 or 3 */
	bool snp, tm;
	bool accessed, dirty;
	unsigned memory_type; /* EMT, with IPAT in bit 3 */
	viommu_gpa address;   /* of the page, or of the next table */
	uint64_t reserved;    /* the reserved bits that are set, as QEMU sees them */
} vtd_ss_entry;

void vtd_decode_ss(const vtd_unit *unit, uint64_t raw, unsigned level, vtd_ss_entry *ret);

/* First-stage paging entry (9.7). */
typedef struct {
	bool present, write, user;
	bool leaf;
	bool pwt, pcd, pat, global;
	bool accessed, dirty, extended_accessed;
	bool xd;
	viommu_gpa address;
	uint64_t reserved;
} vtd_fs_entry;

void vtd_decode_fs(const vtd_unit *unit, uint64_t raw, unsigned level, vtd_fs_entry *ret);

/* log2 of the bytes that one entry at this level covers */
static inline unsigned vtd_level_shift(unsigned level) { return 12 + 9 * (level - 1); }

/* Addresses in this range are interrupts on the way in, and refused on the way out
 * (3.14, 3.15). */
#define VTD_INTERRUPT_FIRST 0xfee00000ull
#define VTD_INTERRUPT_LAST 0xfeefffffull

/* Fault reasons (chapter 7, "Fault Reasons"), those that QEMU gives. */
typedef enum {
	VTD_FAULT_NONE = 0,
	VTD_FAULT_ROOT_NOT_PRESENT = 0x1,
	VTD_FAULT_CONTEXT_NOT_PRESENT = 0x2,
	VTD_FAULT_CONTEXT_INVALID = 0x3,
	VTD_FAULT_BEYOND_WIDTH = 0x4,
	VTD_FAULT_WRITE = 0x5,
	VTD_FAULT_READ = 0x6,
	VTD_FAULT_PAGING_ENTRY_ACCESS = 0x7,
	VTD_FAULT_ROOT_ACCESS = 0x8,
	VTD_FAULT_CONTEXT_ACCESS = 0x9,
	VTD_FAULT_ROOT_RESERVED = 0xa,
	VTD_FAULT_CONTEXT_RESERVED = 0xb,
	VTD_FAULT_PAGING_RESERVED = 0xc,
	VTD_FAULT_BLOCKED = 0xd,
	VTD_FAULT_INTERRUPT = 0xe,
	VTD_FAULT_PASID_DIR_ACCESS = 0x50,
	VTD_FAULT_PASID_DIR_NOT_PRESENT = 0x51,
	VTD_FAULT_PASID_ACCESS = 0x58,
	VTD_FAULT_PASID_NOT_PRESENT = 0x59,
	VTD_FAULT_PASID_INVALID = 0x5b,
	VTD_FAULT_FS_ACCESS = 0x70,
	VTD_FAULT_FS_NOT_PRESENT = 0x71,
	VTD_FAULT_FS_RESERVED = 0x72,
	VTD_FAULT_FSPTPTR_ACCESS = 0x73,
	VTD_FAULT_NON_CANONICAL = 0x80,
	VTD_FAULT_PRIVILEGE = 0x81,
	VTD_FAULT_SM_WRITE = 0x85,
	VTD_FAULT_SM_INTERRUPT = 0x87,
} vtd_fault;

const char *vtd_fault_text(vtd_fault fault);

G_END_DECLS

#endif
