/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The invalidation queue (6.5.2). Part of <viommu/vtd.h>. */
#ifndef VIOMMU_VTD_QUEUE_H
#define VIOMMU_VTD_QUEUE_H

#include <viommu/vtd-walk.h>

G_BEGIN_DECLS

/* The ring, as the registers describe it. */
typedef struct {
	bool enabled; /* GSTS.QIES */
	viommu_gpa base;
	unsigned width;      /* bytes of a descriptor: 16 or 32 */
	bool width_inferred; /* IQA.DW reads 0 although the unit is in scalable mode: QEMU before 9.1
	                      * drops the bit when it is read, and Linux sets it then */
	uint32_t entries;    /* descriptors in the ring */
	uint32_t head, tail; /* descriptors, not bytes: head is what QEMU takes next */
	bool error;          /* FSTS.IQE: QEMU refused the descriptor at head */
} vtd_queue;

void vtd_queue_init(const vtd_unit *unit, const vtd_registers *regs, vtd_queue *ret);

typedef enum {
	VTD_INV_CONTEXT = 1,
	VTD_INV_IOTLB = 2,
	VTD_INV_DEVICE_TLB = 3,
	VTD_INV_INTERRUPT = 4,
	VTD_INV_WAIT = 5,
	VTD_INV_PASID_IOTLB = 6,
	VTD_INV_PASID_CACHE = 7,
	VTD_INV_PASID_DEVICE_TLB = 8,
	VTD_INV_PAGE_RESPONSE = 9,
} vtd_descriptor_type;

typedef enum {
	VTD_DESCRIPTOR_DONE,    /* behind the head: QEMU has taken it */
	VTD_DESCRIPTOR_PENDING, /* between head and tail */
} vtd_descriptor_state;

typedef struct {
	uint32_t index; /* in the ring */
	viommu_gpa entry;
	vtd_descriptor_state state;
	unsigned words; /* 2 or 4 */
	uint64_t raw[4];
	unsigned type;       /* vtd_descriptor_type, or a value that is none */
	const char *name;    /* "IOTLB invalidate" */
	const char *granularity; /* "global", "page-selective", …; NULL where there is none */
	bool has_did, has_sid, has_pasid, has_range;
	uint16_t did;
	viommu_sid sid;
	uint32_t pasid;
	viommu_iova_range range; /* of a page-selective invalidation */
	/* Of an index-selective interrupt-entry-cache invalidation: the first of 2^IM, aligned to them. */
	bool has_index;
	uint32_t first_index, indexes;
	/* Of a wait: what happens when all before it is done (section 6.5.2.8). */
	bool status_write, interrupt, fence;
	uint32_t status;
	viommu_gpa status_address; /* where it is written, as a DWORD */
} vtd_descriptor;

void vtd_decode_descriptor(const uint64_t *raw, unsigned words, vtd_descriptor *ret);

/* What a walk over the ring found besides descriptors. */
typedef struct {
	bool wrapped;              /* it went round at least once: older descriptors are gone */
	uint32_t unreadable;       /* descriptors in pages that could not be read */
	viommu_page_status status; /* of the last such page */
} vtd_queue_facts;

/* Calls visit for every descriptor that was ever written, oldest first. */
typedef void (*vtd_descriptor_visitor)(const vtd_descriptor *descriptor, void *user);
gboolean vtd_walk_queue(const vtd_queue *queue, viommu_memory *memory, vtd_queue_facts *facts,
	vtd_descriptor_visitor visit, void *user, GError **error);

G_END_DECLS

#endif
