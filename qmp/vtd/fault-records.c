/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <viommu/vtd.h>

/* CAP.FRO and CAP.NFR. */
static unsigned
records_at(const vtd_registers *regs)
{
	return (unsigned) vtd_bits(vtd_reg64(regs, VTD_REG_CAP), 33, 24) * 16;
}

unsigned
vtd_fault_records(const vtd_registers *regs)
{
	unsigned n = (unsigned) vtd_bits(vtd_reg64(regs, VTD_REG_CAP), 47, 40) + 1, at = records_at(regs);

	return at >= regs->size ? 0 : MIN(n, (regs->size - at) / 16);
}

void
vtd_decode_fault_record(const vtd_registers *regs, unsigned index, vtd_fault_record *ret)
{
	uint64_t low = vtd_reg64(regs, records_at(regs) + index * 16);
	uint64_t high = vtd_reg64(regs, records_at(regs) + index * 16 + 8);

	*ret = (vtd_fault_record){
		.index = index,
		.raw = { low, high },
		.iova = VIOMMU_IOVA(low & VIOMMU_PAGE_MASK),
		.sid = { (uint16_t) vtd_bits(high, 15, 0) },
		.has_pasid = high >> 31 & 1,
		.reason = (uint8_t) vtd_bits(high, 39, 32),
		.pasid = (uint32_t) vtd_bits(high, 59, 40),
		.read = high >> 62 & 1,
		.recorded = high >> 63,
	};
}
