/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device in an address space (IOAS) of an iommufd, through its VFIO
 * character device. */
#ifndef PROBE_IOMMUFD_H
#define PROBE_IOMMUFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/report.h"
#include "sys/ranges.h"
#include "sys/sysfs.h"
#include "viommu/addr.h"

struct iommufd {
	int iommu;  /* /dev/iommu, or -1 */
	int device; /* /dev/vfio/devices/vfioN, or -1 */
	uint32_t ioas;
	bool has_ioas, attached;
	struct iova_ranges ranges;
};

/* Opens /dev/iommu.  -1 with ERROR. */
int iommufd_open_context(int *ret, struct probe_error *error);
/* The path of the character device of a device that is bound to vfio-pci.  -1
 * with ERROR when the kernel makes none. */
int iommufd_device_path(const struct pci_facts *facts, char *ret, size_t size, struct probe_error *error);

/* The device must be bound to vfio-pci.  On failure RET is closed. */
int iommufd_open(struct iommufd *ret, const struct pci_facts *facts, struct probe_error *error);
/* Detaches the device and destroys the IOAS first. */
void iommufd_close(struct iommufd *iommufd);

/* Both return 0 or a negative errno.  PROT is enum dma_prot. */
int iommufd_map(struct iommufd *iommufd, viommu_iova iova, uint64_t size, const void *memory, unsigned prot);
/* *GONE is how many bytes the kernel says it unmapped. */
int iommufd_unmap(struct iommufd *iommufd, viommu_iova iova, uint64_t size, uint64_t *gone);

#endif
