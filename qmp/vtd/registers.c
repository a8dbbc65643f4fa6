/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of the remapping unit and their fields (VT-d, "Register Descriptions"). */
#include <string.h>

#include <viommu/vtd.h>

uint32_t
vtd_reg32(const vtd_registers *regs, unsigned offset)
{
	uint32_t ret;

	if (offset > regs->size || regs->size - offset < sizeof(ret))
		return 0;
	memcpy(&ret, regs->bytes + offset, sizeof(ret));
	return GUINT32_FROM_LE(ret);
}

uint64_t
vtd_reg64(const vtd_registers *regs, unsigned offset)
{
	uint64_t ret;

	if (offset > regs->size || regs->size - offset < sizeof(ret))
		return 0;
	memcpy(&ret, regs->bytes + offset, sizeof(ret));
	return GUINT64_FROM_LE(ret);
}

void
vtd_unit_init(vtd_unit *ret, const vtd_registers *regs)
{
	*ret = (vtd_unit){
		.cap = vtd_reg64(regs, VTD_REG_CAP),
		.ecap = vtd_reg64(regs, VTD_REG_ECAP),
		.rtaddr = vtd_reg64(regs, VTD_REG_RTADDR),
		.gsts = vtd_reg32(regs, VTD_REG_GSTS),
	};
	ret->scalable = (vtd_rtaddr_ttm(ret->rtaddr) & 1) && vtd_ecap_smts(ret->ecap);
	ret->tm_allowed = vtd_ecap_dt(ret->ecap);
	ret->address_bits = MIN(vtd_cap_mgaw(ret->cap), 52);
	/* QEMU 7.2 … 10.0, vtd_init(): bit 11 stays reserved unless snoop-control or
	 * scalable mode is on. */
	ret->snoop_allowed = vtd_ecap_sc(ret->ecap) || vtd_ecap_smts(ret->ecap);
}

static const vtd_field ver_fields[] = {
	{ "MAX", 7, 4, "major version" },
	{ "MIN", 3, 0, "minor version" },
};
static const vtd_field cap_fields[] = {
	{ "ND", 2, 0, "domain ids: 2^(4+2n)" },
	{ "RWBF", 4, 4, "write buffer must be flushed" },
	{ "PLMR", 5, 5, "protected low memory" },
	{ "PHMR", 6, 6, "protected high memory" },
	{ "CM", 7, 7, "caching mode" },
	{ "SAGAW", 12, 8, "widths: bit 1 = 39, bit 2 = 48, bit 3 = 57" },
	{ "MGAW", 21, 16, "highest address bit" },
	{ "ZLR", 22, 22, "zero-length reads" },
	{ "FRO", 33, 24, "fault registers at 16n" },
	{ "SSLPS", 37, 34, "large pages: bit 0 = 2 MiB, bit 1 = 1 GiB" },
	{ "PSI", 39, 39, "page-selective invalidation" },
	{ "NFR", 47, 40, "fault registers, minus 1" },
	{ "MAMV", 53, 48, "largest address mask" },
	{ "DWD", 54, 54, "write draining" },
	{ "DRD", 55, 55, "read draining" },
	{ "FS1GP", 56, 56, "1 GiB pages, first stage" },
	{ "PI", 59, 59, "posted interrupts" },
	{ "FS5LP", 60, 60, "5 levels, first stage" },
};
static const vtd_field ecap_fields[] = {
	{ "C", 0, 0, "table walks are coherent" },
	{ "QI", 1, 1, "queued invalidation" },
	{ "DT", 2, 2, "device-TLB" },
	{ "IR", 3, 3, "interrupt remapping" },
	{ "EIM", 4, 4, "x2APIC interrupts" },
	{ "PT", 6, 6, "pass-through" },
	{ "SC", 7, 7, "snoop control" },
	{ "IRO", 17, 8, "IOTLB registers at 16n" },
	{ "MHMV", 23, 20, "largest handle mask" },
	{ "NEST", 26, 26, "nested translation" },
	{ "PRS", 29, 29, "page requests" },
	{ "SRS", 31, 31, "supervisor requests" },
	{ "EAFS", 34, 34, "extended accessed flag" },
	{ "PSS", 39, 35, "PASID width, minus 1" },
	{ "PASID", 40, 40, "PASIDs" },
	{ "DIT", 41, 41, "device-TLB invalidation throttle" },
	{ "PDS", 42, 42, "page-request draining" },
	{ "SMTS", 43, 43, "scalable mode" },
	{ "VCS", 44, 44, "virtual commands" },
	{ "SLADS", 45, 45, "second-stage accessed/dirty" },
	{ "SSTS", 46, 46, "second stage (scalable mode)" },
	{ "FSTS", 47, 47, "first stage (scalable mode)" },
	{ "SMPWCS", 48, 48, "page-walk snoop (scalable mode)" },
	{ "RPS", 49, 49, "RID-PASID" },
};
static const vtd_field gsts_fields[] = {
	{ "TES", 31, 31, "translation on" },
	{ "RTPS", 30, 30, "root table set" },
	{ "FLS", 29, 29, "fault log set" },
	{ "AFLS", 28, 28, "advanced fault logging on" },
	{ "WBFS", 27, 27, "write buffer flush pending" },
	{ "QIES", 26, 26, "queued invalidation on" },
	{ "IRES", 25, 25, "interrupt remapping on" },
	{ "IRTPS", 24, 24, "interrupt table set" },
	{ "CFIS", 23, 23, "compatibility interrupts pass" },
};
static const vtd_field rtaddr_fields[] = {
	{ "RTA", 63, 12, "root table, page number" },
	{ "TTM", 11, 10, "0 = legacy, 1 = scalable, 3 = abort" },
};
static const vtd_field ccmd_fields[] = {
	{ "ICC", 63, 63, "invalidation under way" },
	{ "CIRG", 62, 61, "granularity asked for" },
	{ "CAIG", 60, 59, "granularity done" },
};
static const vtd_field event_control_fields[] = {
	{ "IM", 31, 31, "interrupt masked" },
	{ "IP", 30, 30, "interrupt pending" },
};
static const vtd_field event_data_fields[] = { { "IMD", 15, 0, "message data" } };
static const vtd_field event_address_fields[] = { { "MA", 31, 2, "message address" } };
static const vtd_field event_upper_fields[] = { { "MUA", 31, 0, "message address, upper half" } };
static const vtd_field pmen_fields[] = {
	{ "EPM", 31, 31, "protected memory asked for" },
	{ "PRS", 0, 0, "protected memory on" },
};
static const vtd_field memory_fields[] = { { "ADDR", 31, 0, "address" } };
static const vtd_field high_memory_fields[] = { { "ADDR", 63, 0, "address" } };
static const vtd_field ics_fields[] = { { "IWC", 0, 0, "a wait descriptor completed" } };
static const vtd_field pqh_fields[] = { { "PQH", 18, 5, "page request queue head" } };
static const vtd_field pqt_fields[] = { { "PQT", 18, 5, "page request queue tail" } };
static const vtd_field pqa_fields[] = {
	{ "PQA", 63, 12, "page request queue, page number" },
	{ "PQS", 2, 0, "pages: 2^n" },
};
static const vtd_field prs_fields[] = {
	{ "PPR", 0, 0, "page request pending" },
	{ "PRO", 1, 1, "page request overflow" },
};
static const vtd_field fsts_fields[] = {
	{ "FRI", 15, 8, "fault record index" },
	{ "ITE", 6, 6, "invalidation time-out" },
	{ "ICE", 5, 5, "invalidation completion error" },
	{ "IQE", 4, 4, "invalidation queue error" },
	{ "APF", 3, 3, "advanced pending fault" },
	{ "AFO", 2, 2, "advanced fault overflow" },
	{ "PPF", 1, 1, "primary pending fault" },
	{ "PFO", 0, 0, "primary fault overflow" },
};
static const vtd_field iqh_fields[] = { { "QH", 18, 4, "head" } };
static const vtd_field iqt_fields[] = { { "QT", 18, 4, "tail" } };
static const vtd_field iqa_fields[] = {
	{ "IQA", 63, 12, "queue, page number" },
	{ "DW", 11, 11, "256-bit descriptors" },
	{ "QS", 2, 0, "pages: 2^n" },
};
static const vtd_field irta_fields[] = {
	{ "IRTA", 63, 12, "interrupt table, page number" },
	{ "EIME", 11, 11, "x2APIC mode" },
	{ "S", 3, 0, "entries: 2^(n+1)" },
};

#define REG(name, offset, bytes, fields) { name, offset, bytes, fields, G_N_ELEMENTS(fields) }

const vtd_register_info vtd_register_table[] = {
	REG("VER", VTD_REG_VER, 4, ver_fields),
	REG("CAP", VTD_REG_CAP, 8, cap_fields),
	REG("ECAP", VTD_REG_ECAP, 8, ecap_fields),
	REG("GSTS", VTD_REG_GSTS, 4, gsts_fields),
	REG("RTADDR", VTD_REG_RTADDR, 8, rtaddr_fields),
	REG("CCMD", VTD_REG_CCMD, 8, ccmd_fields),
	REG("FSTS", VTD_REG_FSTS, 4, fsts_fields),
	REG("FECTL", VTD_REG_FECTL, 4, event_control_fields),
	REG("FEDATA", VTD_REG_FEDATA, 4, event_data_fields),
	REG("FEADDR", VTD_REG_FEADDR, 4, event_address_fields),
	REG("FEUADDR", VTD_REG_FEUADDR, 4, event_upper_fields),
	REG("PMEN", VTD_REG_PMEN, 4, pmen_fields),
	REG("PLMBASE", VTD_REG_PLMBASE, 4, memory_fields),
	REG("PLMLIMIT", VTD_REG_PLMLIMIT, 4, memory_fields),
	REG("PHMBASE", VTD_REG_PHMBASE, 8, high_memory_fields),
	REG("PHMLIMIT", VTD_REG_PHMLIMIT, 8, high_memory_fields),
	REG("IQH", VTD_REG_IQH, 8, iqh_fields),
	REG("IQT", VTD_REG_IQT, 8, iqt_fields),
	REG("IQA", VTD_REG_IQA, 8, iqa_fields),
	REG("ICS", VTD_REG_ICS, 4, ics_fields),
	REG("IECTL", VTD_REG_IECTL, 4, event_control_fields),
	REG("IEDATA", VTD_REG_IEDATA, 4, event_data_fields),
	REG("IEADDR", VTD_REG_IEADDR, 4, event_address_fields),
	REG("IEUADDR", VTD_REG_IEUADDR, 4, event_upper_fields),
	REG("IRTA", VTD_REG_IRTA, 8, irta_fields),
	REG("PQH", VTD_REG_PQH, 8, pqh_fields),
	REG("PQT", VTD_REG_PQT, 8, pqt_fields),
	REG("PQA", VTD_REG_PQA, 8, pqa_fields),
	REG("PRS", VTD_REG_PRS, 4, prs_fields),
};
const unsigned vtd_register_count = G_N_ELEMENTS(vtd_register_table);
