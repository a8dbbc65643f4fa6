/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of the remapping unit. Part of <viommu/vtd.h>. */
#ifndef VIOMMU_VTD_REGISTERS_H
#define VIOMMU_VTD_REGISTERS_H

#include <glib.h>
#include <viommu/addr.h>

G_BEGIN_DECLS

enum vtd_register {
	VTD_REG_VER = 0x00,
	VTD_REG_CAP = 0x08,
	VTD_REG_ECAP = 0x10,
	VTD_REG_GCMD = 0x18, /* write only; reads are of no use */
	VTD_REG_GSTS = 0x1c,
	VTD_REG_RTADDR = 0x20,
	VTD_REG_CCMD = 0x28,
	VTD_REG_FSTS = 0x34,
	VTD_REG_FECTL = 0x38,
	VTD_REG_FEDATA = 0x3c,
	VTD_REG_FEADDR = 0x40,
	VTD_REG_FEUADDR = 0x44,
	VTD_REG_PMEN = 0x64,
	VTD_REG_PLMBASE = 0x68,
	VTD_REG_PLMLIMIT = 0x6c,
	VTD_REG_PHMBASE = 0x70,
	VTD_REG_PHMLIMIT = 0x78,
	VTD_REG_IQH = 0x80,
	VTD_REG_IQT = 0x88,
	VTD_REG_IQA = 0x90,
	VTD_REG_ICS = 0x9c,
	VTD_REG_IECTL = 0xa0,
	VTD_REG_IEDATA = 0xa4,
	VTD_REG_IEADDR = 0xa8,
	VTD_REG_IEUADDR = 0xac,
	VTD_REG_IRTA = 0xb8,
	VTD_REG_PQH = 0xc0,
	VTD_REG_PQT = 0xc8,
	VTD_REG_PQA = 0xd0,
	VTD_REG_PRS = 0xdc,
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
static inline bool vtd_cap_fs5lp(uint64_t cap) { return cap >> 60 & 1; }
static inline unsigned vtd_cap_sslps(uint64_t cap) { return (unsigned) vtd_bits(cap, 37, 34); }
/* ECAP */
static inline bool vtd_ecap_c(uint64_t ecap) { return ecap & 1; }
static inline bool vtd_ecap_dt(uint64_t ecap) { return ecap >> 2 & 1; }
static inline bool vtd_ecap_ir(uint64_t ecap) { return ecap >> 3 & 1; }
static inline bool vtd_ecap_pt(uint64_t ecap) { return ecap >> 6 & 1; }
static inline bool vtd_ecap_sc(uint64_t ecap) { return ecap >> 7 & 1; }
static inline bool vtd_ecap_smts(uint64_t ecap) { return ecap >> 43 & 1; }
static inline bool vtd_ecap_nest(uint64_t ecap) { return ecap >> 26 & 1; }
static inline bool vtd_ecap_ssts(uint64_t ecap) { return ecap >> 46 & 1; }
static inline bool vtd_ecap_fsts(uint64_t ecap) { return ecap >> 47 & 1; }
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
	/* TM (bit 62) of a second-stage leaf is a valid bit: with device-iotlb=on; from QEMU
	 * 10.0 on only with its property stale-tm as well, which no register shows. */
	bool tm_allowed;
	/* Tables are in scalable mode: RTADDR bit 10, and ECAP.SMTS; QEMU ignores bit 11. */
	bool scalable;
	/* QEMU before 10.0: every trouble with a PASID entry is fault reason 0x58, and a
	 * first-stage or nested entry is walked as a second-stage one. */
	bool before_qemu_10;
} vtd_unit;

/* As a current QEMU would see it; clear or set before_qemu_10 afterwards. */
void vtd_unit_init(vtd_unit *ret, const vtd_registers *regs);

G_END_DECLS

#endif
