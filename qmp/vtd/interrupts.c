/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <viommu/vtd.h>

void
vtd_irt_init(const vtd_unit *unit, const vtd_registers *regs, vtd_irt *ret)
{
	uint64_t irta = vtd_reg64(regs, VTD_REG_IRTA);

	*ret = (vtd_irt){
		.enabled = vtd_gsts_ires(unit->gsts),
		.base = VIOMMU_GPA(irta & VIOMMU_PAGE_MASK & ~(~0ull << unit->address_bits)),
		.entries = 1u << ((irta & 0xf) + 1),
		.x2apic = irta >> 11 & 1,
	};
}

void
vtd_decode_irte(const vtd_irt *irt, const uint64_t raw[2], vtd_irte *ret)
{
	ret->raw[0] = raw[0];
	ret->raw[1] = raw[1];
	ret->present = raw[0] & 1;
	ret->fpd = raw[0] >> 1 & 1;
	ret->posted = raw[0] >> 15 & 1;
	ret->vector = (uint8_t) vtd_bits(raw[0], 23, 16);
	ret->sid = (uint16_t) vtd_bits(raw[1], 15, 0);
	ret->sq = (unsigned) vtd_bits(raw[1], 17, 16);
	ret->svt = (unsigned) vtd_bits(raw[1], 19, 18);
	if (ret->posted) {
		ret->urgent = raw[0] >> 14 & 1;
		ret->posted_descriptor = VIOMMU_GPA(vtd_bits(raw[0], 63, 38) << 6 | vtd_bits(raw[1], 63, 32) << 32);
		return;
	}
	ret->logical = raw[0] >> 2 & 1;
	ret->redirection_hint = raw[0] >> 3 & 1;
	ret->level_triggered = raw[0] >> 4 & 1;
	ret->delivery_mode = (unsigned) vtd_bits(raw[0], 7, 5);
	ret->destination = (uint32_t) (irt->x2apic ? vtd_bits(raw[0], 63, 32) : vtd_bits(raw[0], 47, 40));
}

bool
vtd_irte_admits(const vtd_irte *irte, viommu_sid sid)
{
	/* SQ: which of the function bits do not have to match. */
	static const uint16_t ignored[4] = { 0, 4, 6, 7 };

	switch (irte->svt) {
	case 0:
		return true; /* not verified */
	case 1:
		return ((irte->sid ^ sid.v) & ~ignored[irte->sq] & 0xffff) == 0;
	case 2: /* QEMU takes the high half for the last bus; the specification, for the first */
		return viommu_sid_bus(sid) <= irte->sid >> 8 && viommu_sid_bus(sid) >= (irte->sid & 0xff);
	default:
		return false; /* reserved */
	}
}

const char *
vtd_delivery_mode_text(unsigned delivery_mode)
{
	static const char *const texts[8] = { "fixed", "lowest priority", "SMI", "reserved", "NMI", "INIT", "reserved",
		"ExtINT" };

	return texts[delivery_mode & 7];
}

#define BATCH 64
#define PER_PAGE (VIOMMU_PAGE_SIZE / 16)

static void
visit_page(const vtd_irt *irt, const viommu_page_read *page, uint32_t first, uint32_t n, vtd_irte_visitor visit,
	void *user)
{
	for (uint32_t i = 0; i < n; i++) {
		vtd_irte irte = { .index = first + i, .entry = VIOMMU_GPA(page->gpa.v + i * 16) };
		uint64_t raw[2];

		memcpy(raw, page->data + i * 16, 16);
		raw[0] = GUINT64_FROM_LE(raw[0]);
		raw[1] = GUINT64_FROM_LE(raw[1]);
		vtd_decode_irte(irt, raw, &irte);
		if (irte.present)
			visit(&irte, user);
	}
}

gboolean
vtd_walk_irt(const vtd_irt *irt, viommu_memory *memory, uint32_t *unreadable, vtd_irte_visitor visit, void *user,
	GError **error)
{
	g_autofree uint8_t *buffer = g_malloc(BATCH * VIOMMU_PAGE_SIZE);

	*unreadable = 0;
	for (uint32_t first = 0; first < irt->entries; first += BATCH * PER_PAGE) {
		uint32_t entries = MIN(irt->entries - first, BATCH * PER_PAGE);
		uint32_t pages = (entries + PER_PAGE - 1) / PER_PAGE;
		viommu_page_read reads[BATCH];

		for (uint32_t i = 0; i < pages; i++)
			reads[i] = (viommu_page_read){ .gpa = VIOMMU_GPA(irt->base.v + (uint64_t) first * 16 + i * VIOMMU_PAGE_SIZE),
				.buffer = buffer + i * VIOMMU_PAGE_SIZE };
		if (!viommu_memory_read_pages(memory, reads, pages, error))
			return FALSE;
		for (uint32_t i = 0; i < pages; i++) {
			uint32_t n = MIN(entries - i * PER_PAGE, PER_PAGE);

			if (reads[i].status == VIOMMU_PAGE_OK)
				visit_page(irt, &reads[i], first + i * PER_PAGE, n, visit, user);
			else
				*unreadable += n;
		}
	}
	return TRUE;
}
