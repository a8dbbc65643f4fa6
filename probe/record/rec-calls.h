/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ioctls that `record` stops at: their numbers, and their arguments taken
 * apart.  Pure.  The layouts are the same for 64-bit, x32 and 32-bit callers.
 */
#ifndef PROBE_REC_CALLS_H
#define PROBE_REC_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a file descriptor is open on. */
enum rec_kind {
	REC_OTHER,
	REC_CONTAINER, /* /dev/vfio/vfio */
	REC_GROUP,     /* /dev/vfio/N */
	REC_CDEV,      /* /dev/vfio/devices/vfioN */
	REC_IOMMUFD,   /* /dev/iommu */
};

enum rec_op {
	REC_SET_IOMMU,
	REC_SET_CONTAINER,
	REC_UNSET_CONTAINER,
	REC_GET_DEVICE,
	REC_MAP,
	REC_UNMAP,
	REC_BIND,
	REC_ATTACH,
	REC_DETACH,
	REC_DESTROY,
	REC_IOAS_ALLOC,
	REC_IOAS_COPY,
	REC_IOAS_MAP,
	REC_IOAS_UNMAP,
	REC_IOAS_MAP_FILE,
	REC_HWPT_ALLOC,
};

struct rec_request {
	uint32_t number; /* the ioctl's request */
	enum rec_op op;
	enum rec_kind kind; /* of the descriptor that it is made on */
	uint32_t size;      /* bytes of its argument; 0: the argument is a value */
	const char *name;
};

/* All of them, for the filter. */
extern const struct rec_request rec_requests[];
extern const size_t rec_n_requests;

/* NULL when it is not one of ours.  One number can have two meanings: KIND says
 * which. */
const struct rec_request *rec_request_find(uint32_t number, enum rec_kind kind);

enum {
	REC_ARG_MAX = 64,     /* bytes: the largest argument, and longer than a device's name */
	REC_DEVICE_NAME = 40, /* "0000:00:04.0", or an mdev's UUID */
};

struct rec_call {
	const struct rec_request *request;
	int fd;
	uint64_t arg;
	bool readable;   /* the argument could be read; if not, only the above counts */
	bool all;        /* unmap: everything */
	bool vaddr_only; /* the mapping stays as it is, its vaddr is renewed or given up */
	uint64_t iova, size, vaddr;
	unsigned prot;   /* enum dma_prot */
	int other_fd;    /* of the container, the iommufd, the mapped file */
	uint32_t id;     /* IOAS; destroyed or new object; type of IOMMU */
	uint32_t source; /* copy: IOAS; HWPT: what it is made from */
	uint64_t from;   /* copy: IOVA there */
	char device[REC_DEVICE_NAME];
};

/* Takes apart the SIZE bytes at BYTES, the argument of REQUEST before the call.
 * Returns false when they are too few. */
bool rec_decode(struct rec_call *ret, const struct rec_request *request, int fd, uint64_t arg,
	const void *bytes, size_t size);
/* Adds what the kernel put into the argument when the call succeeded. */
void rec_decode_answer(struct rec_call *call, const void *bytes, size_t size);

/* What an ioctl returned that did not happen: it is made once more. */
bool rec_restarts(int64_t result);

#endif
