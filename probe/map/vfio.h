/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device in a VFIO type1v2 container, through its group. */
#ifndef PROBE_VFIO_H
#define PROBE_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/report.h"
#include "sys/sysfs.h"
#include "sys/vfio-info.h"
#include "viommu/addr.h"

struct vfio {
	int container; /* file descriptors, or -1 */
	int group;
	int device;
	struct vfio_info info;
};

/* What vfio_open() did before it failed, for the doctor. */
enum vfio_step {
	VFIO_STEP_CONTAINER, /* /dev/vfio/vfio opened, its version and extension are right */
	VFIO_STEP_GROUP,     /* the group opened and is viable */
	VFIO_STEP_ATTACH,    /* the group is in the container, the container is type1v2 */
	VFIO_STEP_DEVICE,    /* the device is open */
};

/* Does the four steps up to and with LAST.  The device must be bound to
 * vfio-pci.  On failure RET is closed. */
int vfio_open(
	struct vfio *ret, const struct pci_facts *facts, enum vfio_step last, struct probe_error *error);
void vfio_close(struct vfio *vfio);

/* Both return 0 or a negative errno.  PROT is enum dma_prot. */
int vfio_map(struct vfio *vfio, viommu_iova iova, uint64_t size, const void *memory, unsigned prot);
/* *GONE is how many bytes the kernel says it unmapped. */
int vfio_unmap(struct vfio *vfio, viommu_iova iova, uint64_t size, uint64_t *gone);

/* The devices of a group that keep it from being viable, as text:
 * "0000:00:05.0 (e1000e), …"; "" when none is found. */
void vfio_group_strangers(int group, const char *bdf, char *text, size_t size);

#endif
