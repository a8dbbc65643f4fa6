/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel VT-d: registers, table entries, and the walk from a device's IOVA to a
 * GPA, as QEMU's emulation (hw/i386/intel_iommu.c) does it.
 *
 * Pages in, leaves out: nothing here does I/O or prints.  Section numbers are
 * those of the "Intel Virtualization Technology for Directed I/O" specification,
 * revision 4.1.  This version reads legacy mode (RTADDR.TTM = 0); a table in
 * another mode is named as such and not interpreted.
 */
#ifndef VIOMMU_VTD_H
#define VIOMMU_VTD_H

#include <viommu/addr.h>
#include <viommu/memory.h>

/* ---- registers ("Register Descriptions") --------------------------------- */

enum vtd_register {
	VTD_REG_VER = 0x00,
	VTD_REG_CAP = 0x08,
	VTD_REG_ECAP = 0x10,
	VTD_REG_GCMD = 0x18,
	VTD_REG_GSTS = 0x1c,
	VTD_REG_RTADDR = 0x20,
	VTD_REG_CCMD = 0x28,
	VTD_REG_FSTS = 0x34,
	VTD_REG_FECTL = 0x38,
	VTD_REG_PMEN = 0x64,
	VTD_REG_IQH = 0x80,
	VTD_REG_IQT = 0x88,
	VTD_REG_IQA = 0x90,
	VTD_REG_ICS = 0x9c,
	VTD_REG_IRTA = 0xb8,
};

/* The register page as it was read: bytes 0 … size-1 of the unit at base. */
typedef struct {
	uint64_t base; /* GPA of the register page */
	uint32_t size; /* bytes, a multiple of 8, at most VTD_REGISTERS_MAX */
	uint8_t bytes[VIOMMU_PAGE_SIZE];
} vtd_registers;

#define VTD_REGISTERS_MAX VIOMMU_PAGE_SIZE
/* The least that this code needs: everything up to the fault recording register
 * that QEMU has at 0x220. */
#define VTD_REGISTERS_MIN 0xc0u

/* 0 when the offset lies outside of what was read. */
uint32_t vtd_reg32(const vtd_registers *regs, unsigned offset);
uint64_t vtd_reg64(const vtd_registers *regs, unsigned offset);

static inline uint64_t
vtd_bits(uint64_t value, unsigned high, unsigned low)
{
	return value >> low & (~0ull >> (63 - (high - low)));
}

/* One field of a register, for tables of fields. */
typedef struct {
	const char *name; /* as in the specification */
	uint8_t high, low;
	const char *meaning; /* a few words */
} vtd_field;

typedef struct {
	const char *name;
	uint16_t offset;
	uint8_t bytes; /* 4 or 8 */
	const vtd_field *fields;
	unsigned n_fields;
} vtd_register_info;

extern const vtd_register_info vtd_register_table[];
extern const unsigned vtd_register_count;

/* CAP */
static inline bool vtd_cap_cm(uint64_t cap) { return cap >> 7 & 1; }
static inline unsigned vtd_cap_sagaw(uint64_t cap) { return (unsigned) vtd_bits(cap, 12, 8); }
static inline unsigned vtd_cap_mgaw(uint64_t cap) { return (unsigned) vtd_bits(cap, 21, 16) + 1; } /* bits */
static inline unsigned vtd_cap_sslps(uint64_t cap) { return (unsigned) vtd_bits(cap, 37, 34); }
/* ECAP */
static inline bool vtd_ecap_c(uint64_t ecap) { return ecap & 1; }
static inline bool vtd_ecap_dt(uint64_t ecap) { return ecap >> 2 & 1; }
static inline bool vtd_ecap_ir(uint64_t ecap) { return ecap >> 3 & 1; }
static inline bool vtd_ecap_pt(uint64_t ecap) { return ecap >> 6 & 1; }
static inline bool vtd_ecap_sc(uint64_t ecap) { return ecap >> 7 & 1; }
static inline bool vtd_ecap_smts(uint64_t ecap) { return ecap >> 43 & 1; }
/* GSTS */
static inline bool vtd_gsts_tes(uint32_t gsts) { return gsts >> 31; }
static inline bool vtd_gsts_qies(uint32_t gsts) { return gsts >> 26 & 1; }
static inline bool vtd_gsts_ires(uint32_t gsts) { return gsts >> 25 & 1; }
/* RTADDR */
static inline unsigned vtd_rtaddr_ttm(uint64_t rtaddr) { return (unsigned) vtd_bits(rtaddr, 11, 10); }

/* What of the unit governs a translation. */
typedef struct {
	uint64_t cap, ecap, rtaddr;
	uint32_t gsts;
	/* Width of the addresses in the tables, in bits.  QEMU uses its aw-bits for
	 * both input and output, and CAP.MGAW says it. */
	unsigned address_bits;
	/* SNP (bit 11) of a second-stage leaf is a valid bit, not a reserved one. */
	bool snoop_allowed;
} vtd_unit;

void vtd_unit_init(vtd_unit *ret, const vtd_registers *regs);

/* ---- entries -------------------------------------------------------------- */

/* Root entry, legacy mode (9.1). */
typedef struct {
	bool present;
	viommu_gpa context_table;
	uint64_t reserved[2]; /* the reserved bits that are set */
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

/* Second-stage paging entry (9.8). */
typedef struct {
	bool read, write;
	bool leaf; /* translates: level 1, or PS set at level 2 or 3 */
	bool snp, tm;
	viommu_gpa address; /* of the page, or of the next table */
	uint64_t reserved;  /* the reserved bits that are set, as QEMU sees them */
} vtd_ss_entry;

void vtd_decode_ss(const vtd_unit *unit, uint64_t raw, unsigned level, vtd_ss_entry *ret);
/* log2 of the bytes that one entry at this level covers */
static inline unsigned vtd_level_shift(unsigned level) { return 12 + 9 * (level - 1); }

/* Fault reasons (chapter 7, "Fault Reasons"), those that second-stage legacy mode can give. */
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
} vtd_fault;

const char *vtd_fault_text(vtd_fault fault);

/* ---- the walk -------------------------------------------------------------- */

typedef enum {
	VTD_STEP_ROOT,
	VTD_STEP_CONTEXT,
	VTD_STEP_SECOND_STAGE,
} vtd_step_kind;

/* One entry that was read on the way. */
typedef struct {
	vtd_step_kind kind;
	unsigned level; /* second stage only: 1 is the last */
	viommu_gpa table, entry;
	unsigned index;
	unsigned words; /* valid words of raw; 0 when the page could not be read */
	uint64_t raw[2];
	viommu_page_status status;
} vtd_step;

#define VTD_MAX_STEPS 8

typedef enum {
	VTD_TRANSLATES,   /* through tables */
	VTD_PASS_THROUGH, /* TT = 10b: the IOVA is the GPA */
	VTD_DISABLED,     /* GSTS.TES = 0: nothing is translated */
	VTD_FAULTS,       /* refused, with a reason */
	VTD_UNREADABLE,   /* we could not read a table, so we do not know */
	VTD_UNSUPPORTED,  /* a mode that this version does not read */
} vtd_outcome;

/* What the root and context entries say of one device. */
typedef struct {
	viommu_sid sid;
	vtd_outcome outcome;
	vtd_fault fault; /* when VTD_FAULTS */
	vtd_step steps[2];
	unsigned n_steps;
	vtd_context_entry context; /* valid when steps holds a readable context entry */
	/* The rest only when VTD_TRANSLATES. */
	viommu_gpa table;
	unsigned levels;
	unsigned input_bits; /* min(AW, MGAW), at most 63: an IOVA above faults with reason 4 */
} vtd_device;

/* FALSE with error only when the source is gone. */
gboolean vtd_find_device(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, vtd_device *ret,
	GError **error);

/* Whether one kind of access would be let through. */
typedef struct {
	bool allowed;
	vtd_fault fault; /* when not allowed (NONE when unknown) */
	int blame;       /* index into steps of the entry that refuses, -1: none */
} vtd_answer;

typedef struct {
	vtd_device device;
	viommu_iova iova;
	vtd_outcome outcome;
	vtd_step steps[VTD_MAX_STEPS];
	unsigned n_steps;
	vtd_answer read, write;
	viommu_gpa gpa;      /* when read or write is allowed */
	unsigned page_shift; /* 12, 21 or 30; 0 when no table was used */
} vtd_translation;

/* Translates one IOVA of one device. */
gboolean vtd_translate(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, viommu_iova iova,
	vtd_translation *ret, GError **error);
/* The same with the root and context entries already read. */
gboolean vtd_translate_in(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device,
	viommu_iova iova, vtd_translation *ret, GError **error);

/* What a walk over a range finds.  Entries that are not present are not reported. */
typedef enum {
	VTD_RUN_MAPPED,
	VTD_RUN_RESERVED,   /* an entry with reserved bits set: QEMU refuses all of it */
	VTD_RUN_UNREADABLE, /* the table at gpa could not be read; status says why.  level is
	                     * that of the entry which names it, levels + 1 for the top table */
	VTD_RUN_LOOP,       /* a table that is its own ancestor: not followed */
	VTD_RUN_UNVISITED,  /* the budget ran out here: nothing is known of it */
} vtd_run_kind;

/* A run of pages that translate alike: consecutive IOVAs to consecutive GPAs. */
typedef struct {
	vtd_run_kind kind;
	viommu_iova_range iova;
	viommu_gpa gpa; /* of iova.first */
	bool read, write;
	unsigned page_shift;
	viommu_page_status status;
	viommu_gpa entry; /* where the first entry of the run stands */
	uint64_t raw;     /* and what it is */
	unsigned level;
} vtd_run;

typedef void (*vtd_run_visitor)(const vtd_run *run, void *user);

/* One field of an entry that was read, for people and programs. */
typedef struct {
	const char *name; /* as in the specification; "reserved" for the reserved bits that are set */
	uint64_t value;
	bool wide;           /* an address or a mask: shown in hexadecimal */
	const char *meaning; /* a few words, or NULL */
} vtd_field_value;

#define VTD_MAX_FIELDS 12

/* Decodes a step into fields; returns how many. None when it could not be read. */
unsigned vtd_step_fields(const vtd_unit *unit, const vtd_step *step, vtd_field_value ret[VTD_MAX_FIELDS]);
const char *vtd_step_name(const vtd_step *step); /* "root", "context", "level 3" */
const char *vtd_outcome_text(vtd_outcome outcome);

/* What walks may still do, so that a hostile table ends them and not us.  Used up
 * as they go; several walks may share one. */
typedef struct {
	uint64_t tables; /* table pages to visit, counted as often as they are visited */
} vtd_budget;

/* A million tables hold 2 TiB of 4 KiB pages, and are 4 GiB of memory themselves. */
#define VTD_DEFAULT_BUDGET ((vtd_budget){ .tables = 1u << 20 })

/* Calls visit for every run in IOVA order. Runs never overlap. */
gboolean vtd_walk(const vtd_unit *unit, viommu_memory *memory, viommu_gpa table, unsigned levels,
	vtd_budget *budget, vtd_run_visitor visit, void *user, GError **error);

/* Calls visit for every source id that has a present context entry, and for every
 * bus whose root entry is present but unusable (devfn 0, n_steps 1 or a fault). */
typedef void (*vtd_device_visitor)(const vtd_device *device, void *user);
gboolean vtd_for_each_device(const vtd_unit *unit, viommu_memory *memory, vtd_device_visitor visit, void *user,
	GError **error);

#endif
