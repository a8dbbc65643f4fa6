/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address spaces that a trace has shown.  iommu:map names neither a device
 * nor a domain, so which space a mapping is in is concluded from what stands
 * around it; what is not sure is left open, as a space of which no device is
 * known.
 */
#ifndef PROBE_TRACE_SPACES_H
#define PROBE_TRACE_SPACES_H

#include <stddef.h>

#include "trace/trace-event.h"
#include "trace/trace-live.h"

enum { SPACE_DOMAINS_MAX = 4 };

enum trace_space_kind {
	SPACE_CONTAINER, /* an open VFIO container: process and file descriptor */
	SPACE_DEVICE,    /* what a driver maps for its device */
	SPACE_DOMAIN,    /* a VT-d domain id of one IOMMU */
	SPACE_ANY,       /* nothing is known of it */
};

struct trace_domain {
	char iommu[TRACE_NAME_MAX];
	uint16_t did;
};

struct trace_space {
	unsigned id; /* in the record */
	enum trace_space_kind kind;
	int tgid; /* SPACE_CONTAINER */
	unsigned fd;
	/* The domains seen in use for it: one for each IOMMU, and more when the
	 * kernel could not put all the groups of a container into one. */
	struct trace_domain domain[SPACE_DOMAINS_MAX];
	size_t n_domains;
	char (*device)[TRACE_NAME_MAX];
	size_t n_devices;
	bool from_start; /* it was seen being made: the trace has all of its mappings */
	bool ended; /* its last device left: nothing is mapped in it again */
	struct trace_live live;
};

struct trace_spaces {
	struct trace_space **space;
	size_t n, capacity;
	unsigned last_id;
};

/* The functions that return a space return NULL when there is none. */
struct trace_space *trace_spaces_new(struct trace_spaces *spaces, enum trace_space_kind kind);
struct trace_space *trace_spaces_container(const struct trace_spaces *spaces, int tgid, unsigned fd);
/* The one that drivers' mappings for DEVICE are in. */
struct trace_space *trace_spaces_device(const struct trace_spaces *spaces, const char *device);
struct trace_space *trace_spaces_domain(const struct trace_spaces *spaces, const char *iommu, uint16_t did);
struct trace_space *trace_spaces_by_id(const struct trace_spaces *spaces, unsigned id);
/* A space of which nothing is known and where the range is free, or mapped to
 * PADDR already. */
struct trace_space *trace_spaces_any(
	const struct trace_spaces *spaces, uint64_t first, uint64_t last, uint64_t paddr);
/* The one container of a process, when the trace has shown just one. */
struct trace_space *trace_spaces_sole_container(const struct trace_spaces *spaces, int tgid);

bool trace_space_has_domain(const struct trace_space *space, const char *iommu, uint16_t did);
/* The number is this space's now, and no other's: the kernel uses numbers again. */
void trace_spaces_set_domain(
	struct trace_spaces *spaces, struct trace_space *space, const char *iommu, uint16_t did);
/* False when it was there already, or memory ran out. */
bool trace_space_add_device(struct trace_space *space, const char *device);
/* False when it was not there.  With the last one the space ends. */
bool trace_space_remove_device(struct trace_space *space, const char *device);

/* Frees the ended ones in which nothing is mapped any more. */
void trace_spaces_sweep(struct trace_spaces *spaces);
void trace_spaces_free(struct trace_spaces *spaces);

#endif
