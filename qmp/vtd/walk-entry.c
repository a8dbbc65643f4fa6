/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One entry of a table that is walked over, of either stage. */
#include "walk-inside.h"

#define PAGE_SIZE_BIT (1ull << 7)

static gboolean
is_ancestor(const vtd_walker *w, const vtd_walk_table *at, viommu_gpa table)
{
	for (unsigned level = at->level; level <= w->request->levels; level++)
		if (w->path[level].v == table.v)
			return TRUE;
	return FALSE;
}

gboolean
vtd_walk_counts(const vtd_walker *w, const vtd_walk_table *at, uint64_t raw)
{
	if (w->request->first_stage)
		return raw & 1;
	return ((raw & 1) && at->read) || ((raw & 2) && at->write);
}

/* The bits of one entry that the walk goes by, of either stage. */
typedef struct {
	bool leaf, refused_privilege;
	uint64_t reserved;
	viommu_gpa address, tested;
} entry_facts;

static void
decode(const vtd_walker *w, const vtd_walk_table *at, uint64_t raw, entry_facts *facts, vtd_run *run)
{
	if (w->request->first_stage) {
		vtd_fs_entry entry;

		vtd_decode_fs(w->unit, raw, at->level, &entry);
		*facts = (entry_facts){ entry.leaf, !entry.user, entry.reserved, entry.address, entry.address };
		if (entry.leaf && at->level > 1 && entry.pat)
			facts->tested.v |= 0x1000; /* as QEMU 10.0 does: translate.c */
		run->read = at->read;
		run->write = at->write && entry.write;
	} else {
		vtd_ss_entry entry;

		vtd_decode_ss(w->unit, raw, at->level, &entry);
		*facts = (entry_facts){ entry.leaf, false, entry.reserved, entry.address, entry.address };
		run->read = at->read && entry.read;
		run->write = at->write && entry.write;
	}
}

uint64_t
vtd_walk_sign_extend(const vtd_walker *w, uint64_t iova)
{
	unsigned bits = vtd_level_shift(w->request->levels) + 9;

	if (!w->request->first_stage || bits >= 64 || !(iova >> (bits - 1) & 1))
		return iova;
	return iova | ~0ull << bits;
}

viommu_iova_range
vtd_walk_covered(const vtd_walker *w, const vtd_walk_table *at, unsigned index)
{
	unsigned shift = vtd_level_shift(at->level);
	uint64_t first = vtd_walk_sign_extend(w, at->iova + ((uint64_t) index << shift));

	return (viommu_iova_range){ first, first + ((1ull << shift) - 1) };
}

gboolean
vtd_walk_classify(const vtd_walker *w, const vtd_walk_table *at, unsigned index, uint64_t raw, vtd_run *run)
{
	unsigned shift = vtd_level_shift(at->level);
	entry_facts facts;

	*run = (vtd_run){ .kind = VTD_RUN_MAPPED, .iova = vtd_walk_covered(w, at, index), .page_shift = shift,
		.first_stage = w->request->first_stage, .entry = VIOMMU_GPA(at->table.v + index * 8), .raw = raw,
		.level = at->level };
	decode(w, at, raw, &facts, run);
	run->gpa = facts.address;
	if (facts.refused_privilege)
		run->kind = VTD_RUN_PRIVILEGE;
	else if (facts.reserved)
		run->kind = VTD_RUN_RESERVED;
	else if (facts.leaf && facts.tested.v <= VTD_INTERRUPT_LAST &&
		facts.tested.v + ((1ull << shift) - 1) >= VTD_INTERRUPT_FIRST)
		run->kind = VTD_RUN_INTERRUPT;
	else if (!facts.leaf && is_ancestor(w, at, facts.address))
		run->kind = VTD_RUN_LOOP;
	else
		return !facts.leaf;
	return FALSE;
}

void
vtd_walk_set_bounds(const vtd_walker *w, vtd_walk_table *at)
{
	const viommu_iova_range *range = &w->request->range;
	unsigned shift = vtd_level_shift(at->level);
	uint64_t last = (range->last - at->iova) >> shift;

	at->first = 0;
	at->last = VTD_ENTRIES - 1;
	if (w->request->first_stage)
		return;
	if (range->first > at->iova)
		at->first = (unsigned) MIN((range->first - at->iova) >> shift, VTD_ENTRIES);
	/* Six levels reach beyond 64 bits: UINT64_MAX is where the range ends. */
	at->last = (unsigned) MIN(last, VTD_ENTRIES - 1);
}

uint64_t
vtd_walk_address_bits(const vtd_walker *w, unsigned level)
{
	uint64_t all = VIOMMU_PAGE_MASK & ~((1ull << vtd_level_shift(level)) - 1);
	vtd_fs_entry fs;
	vtd_ss_entry ss;

	if (w->request->first_stage) {
		vtd_decode_fs(w->unit, all | PAGE_SIZE_BIT, level, &fs);
		return fs.address.v;
	}
	vtd_decode_ss(w->unit, all | PAGE_SIZE_BIT, level, &ss);
	return ss.address.v;
}
