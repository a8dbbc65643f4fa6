/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only place that reads the text of QEMU's human monitor, whose form QEMU
 * does not promise to keep.  Text in, facts out; no I/O.  tests/data/hmp/ has
 * what real QEMUs print.
 */
#ifndef VIOMMU_HMP_H
#define VIOMMU_HMP_H

#include <viommu/snapshot.h>

/* "xp /Ngx 0xGPA": fills words[0 … n-1].  Returns how many leading words were
 * there; fewer than n means that QEMU said "Cannot access memory" (or that the
 * text is not what we asked for, which *garbled tells). */
size_t viommu_hmp_parse_xp(const char *text, viommu_gpa gpa, uint64_t *words, size_t n, bool *garbled);

/* "info mtree -f": appends the RAM and ROM of the system address space to ram
 * (of viommu_ram_region) in ascending order, and finds the register page of
 * intel-iommu: *base is its GPA, *size its bytes, 0 if there is none.
 * Returns false when the text has no such address space. */
bool viommu_hmp_parse_mtree(const char *text, GArray *ram, uint64_t *base, uint32_t *size);

/* "gpa2hva 0xGPA": the address in the QEMU process. */
bool viommu_hmp_parse_gpa2hva(const char *text, viommu_hva *hva);

/* "info qtree": calls visit for each PCI device with its source id (buses are numbered as
 * the guest did), its QOM type, and for vfio-pci the device of the host ("" for others).
 * Returns false when the text is no such tree. */
typedef void (*viommu_hmp_device_visitor)(viommu_sid sid, const char *driver, const char *host, void *user);
bool viommu_hmp_parse_qtree(const char *text, viommu_hmp_device_visitor visit, void *user);

/* "info qtree": the properties of the first device of this QOM type that are a truth value,
 * a number or text, by name.  An object, empty when there is no such device. */
json_t *viommu_hmp_qtree_properties(const char *text, const char *driver);

#endif
