/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Table entries.  Which bits are reserved depends on the unit; where QEMU's
 * emulation and the specification differ, this follows QEMU (7.2 to 10.0),
 * because QEMU is what decides about the DMA.  tests/judge/NOTES.md has what was
 * read and measured.
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
vtd_decode_sm_root(const vtd_unit *unit, const uint64_t raw[2], vtd_sm_root_entry *ret)
{
	for (unsigned half = 0; half < 2; half++) {
		ret->present[half] = raw[half] & 1;
		ret->context_table[half] = VIOMMU_GPA(raw[half] & VIOMMU_PAGE_MASK);
		ret->reserved[half] = raw[half] & (0xffeull | above_width(unit));
	}
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

void
vtd_decode_sm_context(const vtd_unit *unit, const uint64_t raw[4], vtd_sm_context_entry *ret)
{
	*ret = (vtd_sm_context_entry){
		.present = raw[0] & 1,
		.fpd = raw[0] >> 1 & 1,
		.dte = raw[0] >> 2 & 1,
		.paside = raw[0] >> 3 & 1,
		.pre = raw[0] >> 4 & 1,
		.pdts = (unsigned) vtd_bits(raw[0], 11, 9),
		.pasid_directory = VIOMMU_GPA(raw[0] & VIOMMU_PAGE_MASK),
		.rid_pasid = (uint32_t) vtd_bits(raw[1], 19, 0),
		.rid_priv = raw[1] >> 20 & 1,
		.reserved = { raw[0] & (0x1e0ull | above_width(unit)), raw[1] & 0xffffffffffe00000ull, raw[2], raw[3] },
	};
}

void
vtd_decode_pasid_dir(uint64_t raw, vtd_pasid_dir_entry *ret)
{
	*ret = (vtd_pasid_dir_entry){
		.present = raw & 1,
		.fpd = raw >> 1 & 1,
		.pasid_table = VIOMMU_GPA(raw & VIOMMU_PAGE_MASK),
	};
}

void
vtd_decode_pasid(const uint64_t raw[8], vtd_pasid_entry *ret)
{
	*ret = (vtd_pasid_entry){
		.present = raw[0] & 1,
		.fpd = raw[0] >> 1 & 1,
		.aw = (unsigned) vtd_bits(raw[0], 4, 2),
		.pgtt = (unsigned) vtd_bits(raw[0], 8, 6),
		.slade = raw[0] >> 9 & 1,
		.second_stage = VIOMMU_GPA(raw[0] & VIOMMU_PAGE_MASK),
		.did = (uint16_t) vtd_bits(raw[1], 15, 0),
		.pwsnp = raw[1] >> 23 & 1,
		.pgsnp = raw[1] >> 24 & 1,
		.sre = raw[2] & 1,
		.fspm = (unsigned) vtd_bits(raw[2], 3, 2),
		.wpe = raw[2] >> 4 & 1,
		.nxe = raw[2] >> 5 & 1,
		.eafe = raw[2] >> 7 & 1,
		.first_stage = VIOMMU_GPA(raw[2] & VIOMMU_PAGE_MASK),
	};
}

/* Bits 63 and 61:52 of a second-stage entry are ignored; bit 62 is TM, reserved
 * unless allowed and the entry is a leaf. */
#define SS_IGNORED 0xbff0000000000000ull
#define SS_TM (1ull << 62)
#define SS_SNP (1ull << 11)
#define PS (1ull << 7)

/* Address bits below the size of a large page. */
static uint64_t
below_page(unsigned level)
{
	return ((1ull << vtd_level_shift(level)) - 1) & VIOMMU_PAGE_MASK;
}

static uint64_t
ss_reserved(const vtd_unit *unit, unsigned level, bool leaf)
{
	uint64_t mask = above_width(unit) & ~SS_IGNORED;

	if (leaf && unit->tm_allowed)
		mask &= ~SS_TM;
	if (!leaf || !unit->snoop_allowed)
		mask |= SS_SNP;
	if (leaf)
		mask |= below_page(level);
	if (level >= 4)
		mask |= PS;
	return mask;
}

static bool
is_leaf(uint64_t raw, unsigned level)
{
	return level == 1 || (level <= 3 && (raw & PS));
}

void
vtd_decode_ss(const vtd_unit *unit, uint64_t raw, unsigned level, vtd_ss_entry *ret)
{
	bool leaf = is_leaf(raw, level);

	*ret = (vtd_ss_entry){
		.read = raw & 1,
		.write = raw >> 1 & 1,
		.leaf = leaf,
		.memory_type = (unsigned) vtd_bits(raw, 6, 3),
		.accessed = raw >> 8 & 1,
		.dirty = raw >> 9 & 1,
		.snp = raw & SS_SNP,
		.tm = raw & SS_TM,
		.address = VIOMMU_GPA(raw & VIOMMU_PAGE_MASK & ~above_width(unit) & (leaf ? ~below_page(level) : ~0ull)),
		.reserved = raw & ss_reserved(unit, level, leaf),
	};
}

void
vtd_decode_fs(const vtd_unit *unit, uint64_t raw, unsigned level, vtd_fs_entry *ret)
{
	bool leaf = is_leaf(raw, level);
	uint64_t reserved = above_width(unit) & 0x000fffffffffffffull;

	if (leaf && level > 1)
		reserved |= below_page(level) & ~0x1000ull; /* bit 12 is PAT */
	if (level >= 4)
		reserved |= PS;
	*ret = (vtd_fs_entry){
		.present = raw & 1,
		.write = raw >> 1 & 1,
		.user = raw >> 2 & 1,
		.pwt = raw >> 3 & 1,
		.pcd = raw >> 4 & 1,
		.accessed = raw >> 5 & 1,
		.dirty = raw >> 6 & 1,
		.leaf = leaf,
		.pat = leaf && (level == 1 ? raw >> 7 & 1 : raw >> 12 & 1),
		.global = raw >> 8 & 1,
		.extended_accessed = raw >> 10 & 1,
		.xd = raw >> 63,
		.address = VIOMMU_GPA(raw & VIOMMU_PAGE_MASK & 0x000fffffffffffffull & ~above_width(unit) &
			(leaf ? ~below_page(level) : ~0ull)),
		.reserved = raw & reserved,
	};
}
