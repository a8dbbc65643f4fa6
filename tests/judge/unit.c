/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include <string.h>

#define EDU_SRC 0x80
#define EDU_DST 0x88
#define EDU_COUNT 0x90
#define EDU_COMMAND 0x98
#define EDU_RUN 1u
#define EDU_TO_BUS 2u
#define EDU_BUFFER 0x40000u

#define GCMD_TE 0x80000000u
#define GCMD_SRTP 0x40000000u
#define REGISTERS_SIZE 0x230u /* of QEMU's unit */

#define BRIDGE_BUS 0xb5u
#define BRIDGE_DEVFN 0x18u

/* Where guest.c put them. The second is in the upper half of its bus, which has a
 * context table of its own in scalable mode. */
static const struct { uint8_t bus, devfn; uint32_t bar; } places[UNIT_DEVICES] = {
	{ 0, 0x20, 0xfe000000u },
	{ 0, 0xa8, 0xfe100000u },
	{ BRIDGE_BUS, 0x00, 0xfe400000u },
};

viommu_sid
unit_sid(unsigned device)
{
	return (viommu_sid){ (uint16_t) (places[device].bus << 8 | places[device].devfn) };
}

static void
config_write(guest *g, unsigned bus, unsigned devfn, unsigned offset, uint32_t value)
{
	guest_queue(g, "outl 0xcf8 0x%x", 0x80000000u | bus << 16 | devfn << 8 | offset);
	guest_queue(g, "outl 0xcfc 0x%x", value);
}

static void
write_register(unit *self, unsigned offset, uint64_t value)
{
	guest_queue(self->guest, "writeq 0x%llx 0x%llx", UNIT_BASE + offset, (unsigned long long) value);
}

gboolean
unit_init(unit *self, guest *g, GError **error)
{
	const uint64_t *values;

	memset(self, 0, sizeof *self);
	self->guest = g;
	config_write(g, 0, BRIDGE_DEVFN, 0x18, BRIDGE_BUS << 16 | BRIDGE_BUS << 8);
	config_write(g, 0, BRIDGE_DEVFN, 0x20, 0xfe40fe40u); /* forwards 0xfe400000 … 0xfe4fffff */
	config_write(g, 0, BRIDGE_DEVFN, 0x04, 6);
	for (unsigned i = 0; i < UNIT_DEVICES; i++) {
		config_write(g, places[i].bus, places[i].devfn, 0x10, places[i].bar);
		config_write(g, places[i].bus, places[i].devfn, 0x04, 6);
	}
	if (!guest_run(g, error))
		return FALSE;
	for (unsigned i = 0; i < UNIT_DEVICES; i++)
		guest_queue(g, "readl 0x%x", places[i].bar);
	for (unsigned i = 0; i < REGISTERS_SIZE; i += 8)
		guest_queue(g, "readq 0x%llx", UNIT_BASE + i);
	values = guest_run(g, error);
	if (!values)
		return FALSE;
	for (unsigned i = 0; i < UNIT_DEVICES; i++)
		if (values[i] != 0x010000edu) {
			g_set_error(error, GUEST_ERROR, 1, "device %u does not answer as edu does", i);
			return FALSE;
		}
	self->registers.base = UNIT_BASE;
	self->registers.size = REGISTERS_SIZE;
	memcpy(self->registers.bytes, values + UNIT_DEVICES, REGISTERS_SIZE);
	self->cap = vtd_reg64(&self->registers, VTD_REG_CAP);
	self->ecap = vtd_reg64(&self->registers, VTD_REG_ECAP);
	self->iotlb = (unsigned) vtd_bits(self->ecap, 17, 8) * 16 + 8;
	self->faults = (unsigned) vtd_bits(self->cap, 33, 24) * 16;
	return TRUE;
}

/* Does the command, and reads what of the registers can have changed. */
static gboolean
command(unit *self, uint32_t value, GError **error)
{
	static const unsigned offsets[] = { VTD_REG_GCMD, VTD_REG_RTADDR };
	const uint64_t *values;

	guest_queue(self->guest, "writel 0x%llx 0x%x", UNIT_BASE + VTD_REG_GCMD, value);
	if (!guest_run(self->guest, error))
		return FALSE;
	for (unsigned i = 0; i < G_N_ELEMENTS(offsets); i++)
		guest_queue(self->guest, "readq 0x%llx", UNIT_BASE + offsets[i]);
	values = guest_run(self->guest, error);
	if (!values)
		return FALSE;
	for (unsigned i = 0; i < G_N_ELEMENTS(offsets); i++)
		memcpy(self->registers.bytes + offsets[i], &values[i], 8);
	return TRUE;
}

gboolean
unit_root(unit *self, uint64_t rtaddr, GError **error)
{
	write_register(self, VTD_REG_RTADDR, rtaddr);
	return command(self, GCMD_SRTP | (self->on ? GCMD_TE : 0), error);
}

gboolean
unit_translation(unit *self, bool on, GError **error)
{
	self->on = on;
	if (!command(self, on ? GCMD_TE : 0, error))
		return FALSE;
	if (vtd_gsts_tes(vtd_reg32(&self->registers, VTD_REG_GSTS)) != on) {
		g_set_error(error, GUEST_ERROR, 1, "translation cannot be switched");
		return FALSE;
	}
	return TRUE;
}

static void
decode_fault(uint64_t lo, uint64_t hi, unit_fault *ret)
{
	*ret = (unit_fault){ .recorded = hi >> 63, .reason = (uint8_t) (hi >> 32), .read = hi >> 62 & 1,
		.sid = { (uint16_t) hi }, .page = lo, .pasid_present = hi >> 31 & 1, .pasid = (uint16_t) (hi >> 40) };
}

gboolean
unit_dma(unit *self, unsigned device, bool write, uint64_t address, unsigned offset, unsigned n,
	unit_fault *fault, GError **error)
{
	guest *g = self->guest;
	uint32_t bar = places[device].bar;
	const uint64_t *values = NULL;

	write_register(self, self->faults + 8, 1ull << 63); /* clears F */
	write_register(self, VTD_REG_CCMD, 5ull << 61);     /* context cache, globally */
	write_register(self, self->iotlb, 9ull << 60);      /* IOTLB, globally */
	guest_queue(g, "writeq 0x%x 0x%llx", bar + (write ? EDU_DST : EDU_SRC), (unsigned long long) address);
	guest_queue(g, "writeq 0x%x 0x%x", bar + (write ? EDU_SRC : EDU_DST), EDU_BUFFER + offset);
	guest_queue(g, "writeq 0x%x 0x%x", bar + EDU_COUNT, n);
	guest_queue(g, "writeq 0x%x 0x%x", bar + EDU_COMMAND, EDU_RUN | (write ? EDU_TO_BUS : 0));
	if (!guest_run(g, error))
		return FALSE;
	/* QEMU's threads have to hand over to each other, and asking keeps them from it. */
	for (unsigned tries = 0; tries == 0 || values[0] & EDU_RUN; tries++) {
		if (tries)
			g_usleep(MIN(20u << MIN(tries, 8), 2000));
		guest_queue(g, "readq 0x%x", bar + EDU_COMMAND);
		guest_queue(g, "readq 0x%llx", UNIT_BASE + self->faults);
		guest_queue(g, "readq 0x%llx", UNIT_BASE + self->faults + 8);
		values = guest_run(g, error);
		if (!values)
			return FALSE;
	}
	if (fault)
		decode_fault(values[1], values[2], fault);
	return TRUE;
}
