/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VT-d unit of the guest and its `edu` devices, driven over qtest. */
#ifndef JUDGE_UNIT_H
#define JUDGE_UNIT_H

#include "guest.h"

#include <viommu/vtd.h>

#define UNIT_BASE 0xfed90000ull
#define UNIT_DEVICES 3

typedef struct {
	guest *guest;
	uint64_t cap, ecap;
	unsigned iotlb;  /* offset of the IOTLB register, ECAP.IRO */
	unsigned faults; /* offset of the fault recording register, CAP.FRO */
	bool on;
	vtd_registers registers; /* as of the last of these: unit_root, unit_translation */
} unit;

/* What was found in the fault recording register. */
typedef struct {
	bool recorded;
	uint8_t reason;
	bool read; /* T1 */
	viommu_sid sid;
	uint64_t page; /* FI */
	bool pasid_present;
	uint16_t pasid;
} unit_fault;

/* The device's requester id, as the root port was programmed. */
viommu_sid unit_sid(unsigned device);

/* Gives the devices BARs and lets them be bus masters. */
gboolean unit_init(unit *self, guest *guest, GError **error);

/* Sets the root table address register, and has it taken over. Translation stays on or off. */
gboolean unit_root(unit *self, uint64_t rtaddr, GError **error);
/* Slow: QEMU rebuilds the address space of every device. */
gboolean unit_translation(unit *self, bool on, GError **error);

/* Lets the device copy n bytes between bus address and offset in its buffer (of 4 KiB less
 * 16), having invalidated every cache of the unit. fault may be NULL. */
gboolean unit_dma(unit *self, unsigned device, bool write, uint64_t address, unsigned offset, unsigned n,
	unit_fault *fault, GError **error);

#endif
