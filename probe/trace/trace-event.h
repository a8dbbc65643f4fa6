/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One event of the kernel's trace, as the parts of `trace` hand it on. */
#ifndef PROBE_TRACE_EVENT_H
#define PROBE_TRACE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	TRACE_NAME_MAX = 32, /* longer than a PCI address or the name of an IOMMU */
};

enum trace_kind {
	TRACE_MAP,
	TRACE_UNMAP,
	TRACE_ATTACH,       /* device: now uses another domain, which one is not said */
	TRACE_DETACH,       /* device (up to Linux 6.2) */
	TRACE_GROUP_ADD,    /* device */
	TRACE_GROUP_REMOVE, /* device */
	TRACE_DMA,          /* a driver got this range for its device */
	TRACE_TAG,          /* cache_tag_assign: a device joins a domain, and its attach follows */
	TRACE_FLUSH,        /* cache_tag_flush_range: what is no longer mapped */
	TRACE_FLUSH_NP,     /* cache_tag_flush_range_np: what is newly mapped */
	TRACE_FLUSH_ALL,    /* cache_tag_flush_all: a whole domain (6.10 to 6.12) */
	TRACE_QI,           /* a descriptor for the invalidation queue */
	TRACE_CALL,         /* an ioctl of VFIO or iommufd begins */
	TRACE_RETURN,       /* any ioctl ends */
	TRACE_TASK_NEW,     /* by a process or thread; result is it, and is negative for a thread */
	TRACE_TASK_EXIT,
	TRACE_LOST, /* the kernel dropped events of this CPU before this one */
};

/* VT-d 6.5.2: four quadwords, or two and zeros. */
struct trace_qi {
	uint64_t qw[4];
};

struct trace_flush {
	uint64_t start, end; /* what was asked for, inclusive */
	uint64_t addr, pages;
	uint32_t pasid;
	uint16_t did;
	uint16_t type; /* 0: IOTLB; others are devices' own caches and nested stages */
};

struct trace_event {
	uint64_t ns; /* CLOCK_MONOTONIC */
	int pid;     /* the thread that ran on the CPU */
	uint16_t cpu;
	uint8_t kind;
	uint8_t irq;               /* which interrupt interrupted that thread; 0: none */
	char name[TRACE_NAME_MAX]; /* the device, or for TRACE_FLUSH and TRACE_QI the IOMMU */
	union {
		struct {
			uint64_t iova, paddr, size; /* for TRACE_UNMAP the size that was unmapped */
		} map;
		struct {
			uint64_t addr, size;
			unsigned prot; /* enum dma_prot, 0 when not told */
		} dma;
		struct {
			unsigned fd, cmd;
		} call;
		int64_t result;
		uint64_t lost;            /* how many, 0 when the kernel does not say */
		struct trace_flush flush; /* of TRACE_TAG and TRACE_FLUSH_ALL only type, did and pasid */
		struct trace_qi qi;
	};
};

/* Whether both happened in one thread, or in one interrupt on one CPU, so that
 * they follow each other with nothing of anyone else's between them. */
static inline bool
trace_same_context(const struct trace_event *a, const struct trace_event *b)
{
	return a->pid == b->pid && a->irq == b->irq && ((a->irq == 0 && a->pid != 0) || a->cpu == b->cpu);
}

typedef void trace_event_fn(const struct trace_event *event, void *data);

#endif
