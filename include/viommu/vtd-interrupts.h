/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interrupt remapping table (5.1, 9.10, 9.11). Part of <viommu/vtd.h>. */
#ifndef VIOMMU_VTD_INTERRUPTS_H
#define VIOMMU_VTD_INTERRUPTS_H

#include <viommu/vtd-walk.h>

G_BEGIN_DECLS

typedef struct {
	bool enabled; /* GSTS.IRES */
	viommu_gpa base;
	uint32_t entries;
	bool x2apic; /* IRTA.EIME: destinations have 32 bits */
} vtd_irt;

void vtd_irt_init(const vtd_unit *unit, const vtd_registers *regs, vtd_irt *ret);

typedef struct {
	uint32_t index;
	viommu_gpa entry;
	uint64_t raw[2];
	bool present, fpd, posted;
	uint8_t vector;
	/* Remapped format. */
	uint32_t destination; /* APIC id; in xAPIC mode its bits 15:8 are shifted down */
	bool logical;         /* DM */
	bool redirection_hint, level_triggered;
	unsigned delivery_mode; /* DLM: 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 7 ExtINT */
	/* Posted format. */
	viommu_gpa posted_descriptor;
	bool urgent;
	/* Which requesters may use it (SVT, SQ, SID). */
	unsigned svt, sq;
	uint16_t sid;
} vtd_irte;

void vtd_decode_irte(const vtd_irt *irt, const uint64_t raw[2], vtd_irte *ret);
/* May a device with this source id use the entry? */
bool vtd_irte_admits(const vtd_irte *irte, viommu_sid sid);
const char *vtd_delivery_mode_text(unsigned delivery_mode);

/* Calls visit for every present entry. *unreadable: entries in pages that could not
 * be read. */
typedef void (*vtd_irte_visitor)(const vtd_irte *irte, void *user);
gboolean vtd_walk_irt(const vtd_irt *irt, viommu_memory *memory, uint32_t *unreadable, vtd_irte_visitor visit,
	void *user, GError **error);

G_END_DECLS

#endif
