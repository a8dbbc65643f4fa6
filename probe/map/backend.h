/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways in which `map` asks the kernel for mappings. */
#ifndef PROBE_BACKEND_H
#define PROBE_BACKEND_H

#include <stdint.h>

#include "base/report.h"
#include "map/iommufd.h"
#include "map/vfio.h"
#include "sys/ranges.h"
#include "sys/sysfs.h"
#include "viommu/addr.h"

struct backend;

struct backend_kind {
	const char *name;                  /* of --backend */
	const char *record_name;           /* of the record's "backend" */
	const char *map_call, *unmap_call; /* the ioctls behind map() and unmap(), for people */

	/* Loads its modules, if there are any and there is a modprobe. */
	void (*load)(void);
	/* The device must be bound to vfio-pci.  On failure nothing stays open. */
	int (*open)(struct backend *ret, const struct pci_facts *facts, struct probe_error *error);
	void (*close)(struct backend *backend);
	/* 0 or a negative errno; see vfio.h. */
	int (*map)(
		struct backend *backend, viommu_iova iova, uint64_t size, const void *memory, unsigned prot);
	int (*unmap)(struct backend *backend, viommu_iova iova, uint64_t size, uint64_t *gone);
	/* What ERR means when map() returns it, and what to do. */
	const char *(*map_hint)(int err);
};

/* One device, open, in an address space of its own.  Not to be copied. */
struct backend {
	const struct backend_kind *kind;
	unsigned space;                   /* the address space's number in the record */
	int group;                        /* its VFIO group, or -1 where there are none */
	const struct iova_ranges *ranges; /* IOVAs that the kernel allows */
	union {
		struct vfio vfio;
		struct iommufd iommufd;
	};
};

extern const struct backend_kind backend_vfio, backend_iommufd;

/* The one of that name, or NULL. */
const struct backend_kind *backend_find(const char *name);

#endif
