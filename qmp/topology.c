/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which devices are behind the vIOMMU, and under which source id; and whether what
 * QEMU says of its vIOMMU and what the registers say is the same.
 */
#include <string.h>

#include "machine.h"

bool
viommu_machine_bypassed(const viommu_machine *self, viommu_sid sid)
{
	const viommu_pci_device *device = viommu_machine_pci_at(self, sid);

	for (guint i = 0; device && i < self->bypass->len; i++)
		if (g_array_index(self->bypass, uint8_t, i) == device->root)
			return true;
	return false;
}

/* QEMU's bridges with a conventional PCI bus behind them.  The first is a PCIe device
 * itself: requests from behind it carry its secondary bus and devfn 0. */
static const struct {
	uint16_t vendor, device;
	bool express;
} conventional[] = {
	{ 0x1b36, 0x000e, true },  /* pcie-pci-bridge */
	{ 0x1b36, 0x0001, false }, /* pci-bridge */
	{ 0x1b36, 0x000a, false }, /* pci-bridge-seat */
	{ 0x8086, 0x244e, false }, /* i82801b11-bridge */
	{ 0x1011, 0x0026, false }, /* dec-21154 */
};

viommu_sid
viommu_machine_alias(const viommu_machine *self, viommu_sid sid)
{
	const viommu_pci_device *bridge;
	unsigned bus = viommu_sid_bus(sid);

	/* The bus of a bridge has a lower number than the one behind it, so this ends. */
	while (bus && (bridge = viommu_machine_bridge_to(self, (uint8_t) bus))) {
		for (size_t i = 0; i < G_N_ELEMENTS(conventional); i++)
			if (bridge->vendor == conventional[i].vendor && bridge->device == conventional[i].device)
				sid = conventional[i].express ? viommu_sid_make(bus, 0, 0) : bridge->sid;
		bus = viommu_sid_bus(bridge->sid);
	}
	return sid;
}

/* Properties that a bit or field of a register repeats. Names that QEMU has had. */
static const struct {
	const char *property, *field;
	uint16_t offset;
	uint8_t high, low, add;
} repeated[] = {
	{ "caching-mode", "CAP.CM", VTD_REG_CAP, 7, 7, 0 },
	{ "aw-bits", "CAP.MGAW + 1", VTD_REG_CAP, 21, 16, 1 },
	{ "dma-drain", "CAP.DRD", VTD_REG_CAP, 55, 55, 0 },
	{ "intremap", "ECAP.IR", VTD_REG_ECAP, 3, 3, 0 },
	{ "device-iotlb", "ECAP.DT", VTD_REG_ECAP, 2, 2, 0 },
	{ "eim", "ECAP.EIM", VTD_REG_ECAP, 4, 4, 0 },
	{ "pt", "ECAP.PT", VTD_REG_ECAP, 6, 6, 0 },
	{ "snoop-control", "ECAP.SC", VTD_REG_ECAP, 7, 7, 0 },
	{ "x-scalable-mode", "ECAP.SMTS", VTD_REG_ECAP, 43, 43, 0 },
	{ "scalable-mode", "ECAP.SMTS", VTD_REG_ECAP, 43, 43, 0 },
	{ "x-flts", "ECAP.FSTS", VTD_REG_ECAP, 47, 47, 0 },
	{ "flts", "ECAP.FSTS", VTD_REG_ECAP, 47, 47, 0 },
	{ "fsts", "ECAP.FSTS", VTD_REG_ECAP, 47, 47, 0 },
};

/* A bool, an OnOffAuto or a number; false for "auto" and what is neither. */
static bool
property_number(const json_t *value, uint64_t *ret)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		*ret = json_is_true(value);
	else if (json_is_integer(value))
		*ret = (uint64_t) json_integer_value(value);
	else if (text && (strcmp(text, "on") == 0 || strcmp(text, "off") == 0))
		*ret = strcmp(text, "on") == 0;
	else
		return false;
	return true;
}

unsigned
viommu_machine_contradictions(const viommu_machine *self, const vtd_registers *registers,
	viommu_contradiction ret[VIOMMU_MAX_CONTRADICTIONS])
{
	unsigned n = 0;

	G_STATIC_ASSERT(G_N_ELEMENTS(repeated) <= VIOMMU_MAX_CONTRADICTIONS);
	for (size_t i = 0; i < G_N_ELEMENTS(repeated); i++) {
		const json_t *value = json_object_get(self->iommu_properties, repeated[i].property);
		uint64_t field = vtd_bits(vtd_reg64(registers, repeated[i].offset), repeated[i].high, repeated[i].low) +
			repeated[i].add;
		uint64_t number;

		if (property_number(value, &number) && number != field)
			ret[n++] = (viommu_contradiction){ repeated[i].property, repeated[i].field, number, field };
	}
	return n;
}
