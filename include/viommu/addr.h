/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses as types.
 *
 * Four address spaces meet in this project and mixing two of them up is the
 * classic way to be wrong, so each is a one-field struct and the compiler
 * keeps them apart:
 *
 *   IOVA  what a device puts on the bus (input of the vIOMMU)
 *   GPA   L1 "physical" memory (output of the vIOMMU)
 *   HVA   the same memory inside the QEMU process
 *   HPA   the same memory in L0's RAM
 *
 * All are in bytes.  Ranges are inclusive, [first, last], so that the top of
 * a 64-bit space needs no special case.
 *
 * This header needs nothing but <stdint.h>: viommu-probe uses it too.
 */
#ifndef VIOMMU_ADDR_H
#define VIOMMU_ADDR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct { uint64_t v; } viommu_iova;
typedef struct { uint64_t v; } viommu_gpa;
typedef struct { uint64_t v; } viommu_hva;
typedef struct { uint64_t v; } viommu_hpa;

typedef struct { uint64_t first, last; } viommu_iova_range;
typedef struct { uint64_t first, last; } viommu_gpa_range;

/* C++ has no compound literals. */
#ifdef __cplusplus
#define VIOMMU_LITERAL(type, ...) (type{ __VA_ARGS__ })
#else
#define VIOMMU_LITERAL(type, ...) ((type){ __VA_ARGS__ })
#endif

#define VIOMMU_IOVA(x) VIOMMU_LITERAL(viommu_iova, (x))
#define VIOMMU_GPA(x) VIOMMU_LITERAL(viommu_gpa, (x))
#define VIOMMU_HVA(x) VIOMMU_LITERAL(viommu_hva, (x))
#define VIOMMU_HPA(x) VIOMMU_LITERAL(viommu_hpa, (x))

#define VIOMMU_PAGE_SHIFT 12
#define VIOMMU_PAGE_SIZE 4096u
#define VIOMMU_PAGE_MASK (~(uint64_t) (VIOMMU_PAGE_SIZE - 1))

/* A PCI requester id as VT-d sees it: bus << 8 | device << 3 | function
 * (VT-d 3.4.1).  QEMU's q35 has one PCI segment, so there is no segment here. */
typedef struct { uint16_t v; } viommu_sid;

static inline viommu_sid
viommu_sid_make(unsigned bus, unsigned device, unsigned function)
{
	return VIOMMU_LITERAL(viommu_sid, (uint16_t) ((bus & 0xff) << 8 | (device & 0x1f) << 3 | (function & 7)));
}

static inline unsigned viommu_sid_bus(viommu_sid sid) { return sid.v >> 8; }
static inline unsigned viommu_sid_device(viommu_sid sid) { return sid.v >> 3 & 0x1f; }
static inline unsigned viommu_sid_function(viommu_sid sid) { return sid.v & 7; }
static inline unsigned viommu_sid_devfn(viommu_sid sid) { return sid.v & 0xff; }

/* Turns (first, size) into an inclusive range; false when size is 0 or the
 * range would run past 2^64 - 1. */
static inline bool
viommu_range_ok(uint64_t first, uint64_t size)
{
	return size != 0 && size - 1 <= UINT64_MAX - first;
}

#endif
