/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Table entries of legacy mode.  Which bits are reserved depends on the unit;
 * where QEMU's emulation and the specification differ, this follows QEMU (7.2 to
 * 10.0: VTD_SPTE_*_RSVD_MASK, VTD_ROOT_ENTRY_RSVD, VTD_CONTEXT_ENTRY_RSVD_*),
 * because QEMU is what decides about the DMA.
 */
#include <viommu/vtd.h>

/* Bits that an address of this unit cannot have. */
static uint64_t
above_width(const vtd_unit *unit)
{
	return ~0ull << unit->address_bits;
}

void
vtd_decode_root(const vtd_unit *unit, const uint64_t raw[2], vtd_root_entry *ret)
{
	*ret = (vtd_root_entry){
		.present = raw[0] & 1,
		.context_table = VIOMMU_GPA(raw[0] & VIOMMU_PAGE_MASK),
		.reserved = { raw[0] & (0xffeull | above_width(unit)), raw[1] },
	};
}

void
vtd_decode_context(const vtd_unit *unit, const uint64_t raw[2], vtd_context_entry *ret)
{
	*ret = (vtd_context_entry){
		.present = raw[0] & 1,
		.fpd = raw[0] >> 1 & 1,
		.tt = (enum vtd_translation_type) vtd_bits(raw[0], 3, 2),
		.second_stage = VIOMMU_GPA(raw[0] & VIOMMU_PAGE_MASK),
		.aw = (unsigned) vtd_bits(raw[1], 2, 0),
		.did = (uint16_t) vtd_bits(raw[1], 23, 8),
		/* Bits 6:3 of the high half are for software; Linux keeps copied entries there. */
		.reserved = { raw[0] & (0xff0ull | above_width(unit)), raw[1] & 0xffffffffff000080ull },
	};
}

/* Bits 63 and 61:52 of an entry are ignored; bit 62 is TM, reserved unless the
 * unit has device-TLBs and the entry is a leaf. */
#define SS_IGNORED 0xbff0000000000000ull
#define SS_TM (1ull << 62)
#define SS_SNP (1ull << 11)
#define SS_PS (1ull << 7)

static uint64_t
ss_reserved(const vtd_unit *unit, unsigned level, bool leaf)
{
	uint64_t mask = above_width(unit) & ~SS_IGNORED;

	if (leaf && vtd_ecap_dt(unit->ecap))
		mask &= ~SS_TM;
	if (!leaf || !unit->snoop_allowed)
		mask |= SS_SNP;
	if (leaf)
		mask |= ((1ull << vtd_level_shift(level)) - 1) & VIOMMU_PAGE_MASK;
	if (level >= 4)
		mask |= SS_PS;
	return mask;
}

void
vtd_decode_ss(const vtd_unit *unit, uint64_t raw, unsigned level, vtd_ss_entry *ret)
{
	bool leaf = level == 1 || (level <= 3 && (raw & SS_PS));

	*ret = (vtd_ss_entry){
		.read = raw & 1,
		.write = raw >> 1 & 1,
		.leaf = leaf,
		.snp = raw & SS_SNP,
		.tm = raw & SS_TM,
		.address = VIOMMU_GPA(raw & VIOMMU_PAGE_MASK & ~above_width(unit)),
		.reserved = raw & ss_reserved(unit, level, leaf),
	};
}

const char *
vtd_fault_text(vtd_fault fault)
{
	switch (fault) {
	case VTD_FAULT_NONE:
		return "no fault";
	case VTD_FAULT_ROOT_NOT_PRESENT:
		return "the root entry is not present";
	case VTD_FAULT_CONTEXT_NOT_PRESENT:
		return "the context entry is not present";
	case VTD_FAULT_CONTEXT_INVALID:
		return "the context entry is programmed wrongly";
	case VTD_FAULT_BEYOND_WIDTH:
		return "the address is beyond the address width";
	case VTD_FAULT_WRITE:
		return "no write permission";
	case VTD_FAULT_READ:
		return "no read permission";
	case VTD_FAULT_PAGING_ENTRY_ACCESS:
		return "a paging entry cannot be read";
	case VTD_FAULT_ROOT_ACCESS:
		return "the root entry cannot be read";
	case VTD_FAULT_CONTEXT_ACCESS:
		return "the context entry cannot be read";
	case VTD_FAULT_ROOT_RESERVED:
		return "a reserved bit is set in the root entry";
	case VTD_FAULT_CONTEXT_RESERVED:
		return "a reserved bit is set in the context entry";
	case VTD_FAULT_PAGING_RESERVED:
		return "a reserved bit is set in a paging entry";
	case VTD_FAULT_BLOCKED:
		return "the translation type blocks the request";
	}
	return "unknown";
}
