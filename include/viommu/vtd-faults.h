/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fault recording registers. Part of <viommu/vtd.h>. */
#ifndef VIOMMU_VTD_FAULTS_H
#define VIOMMU_VTD_FAULTS_H

#include <viommu/vtd-entries.h>

G_BEGIN_DECLS

/* One fault recording register: 128 bits at CAP.FRO * 16. */
typedef struct {
	unsigned index;
	uint64_t raw[2];
	bool recorded; /* F */
	bool read;     /* T: the request was a read */
	uint8_t reason;
	viommu_sid sid;
	viommu_iova iova; /* FI: page aligned; of an interrupt fault, the index in its top bits */
	bool has_pasid;   /* PP */
	uint32_t pasid;
} vtd_fault_record;

/* How many fault recording registers there are, as far as regs reaches. */
unsigned vtd_fault_records(const vtd_registers *regs);
void vtd_decode_fault_record(const vtd_registers *regs, unsigned index, vtd_fault_record *ret);
/* An interrupt request failed, not a DMA. */
static inline bool vtd_is_interrupt_fault(uint8_t reason) { return reason >= 0x20 && reason <= 0x2f; }

G_END_DECLS

#endif
