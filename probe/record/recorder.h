/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From ioctls of a program to events of a record.  Knows nothing of how the
 * program is stopped (rec-loop.c does that), and asks the system through
 * struct rec_asks, which tests answer instead.
 */
#ifndef PROBE_RECORDER_H
#define PROBE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "record/rec-calls.h"
#include "record/rec-files.h"
#include "record/rec-memory.h"
#include "out/record-writer.h"

struct rec_asks {
	struct rec_world world;
	/* See rec_memory_read(). */
	int (*memory)(struct rec_backing *ret, pid_t pid, int pagemap, const struct rec_devices *devices,
		uint64_t vaddr, uint64_t size);
	/* The same for SIZE bytes at FROM of the file FD of PID. */
	int (*file)(struct rec_backing *ret, pid_t pid, int fd, uint64_t from, uint64_t size);
	/* The IOVAs of a container; false when it has no IOMMU (any more). */
	bool (*container)(pid_t pid, int fd, struct iova_ranges *ret);
	/* The IOVAs of an IOAS; false when the iommufd has no such IOAS. */
	bool (*ioas)(pid_t pid, int fd, uint32_t id, struct iova_ranges *ret);
	/* Whether a device's file is bound to an iommufd. */
	bool (*bound)(pid_t pid, int fd);
	/* See rec_fd_ending(). */
	void (*ending)(pid_t pid, char *ret, size_t size);
};

struct rec_process {
	pid_t pid;
	int pagemap; /* -1: cannot be opened */
};

/* A call that has begun and not ended. */
struct rec_pending {
	struct rec_call call;
	pid_t pid;
	struct rec_file *file;
	bool told; /* its event was written already */
};

struct recorder {
	const struct rec_asks *asks;
	struct record_writer *record;
	struct rec_files files;
	struct rec_devices devices;
	struct rec_process *process;
	size_t n_processes;
	struct rec_pending **pending;
	size_t n_pending;
	struct rec_backing backing;
	unsigned n_spaces;
	bool watching; /* rec_watch works: only its word ends a file */
	bool told_unknown;
	uint64_t n_maps, n_unmaps, n_failed; /* what the program asked for */
};

/* After a second without events, and with no call in progress, a mark says so. */
#define REC_REST_NS UINT64_C(1000000000)

void recorder_begin(struct recorder *ret, const struct rec_asks *asks, struct record_writer *record);
void recorder_free(struct recorder *recorder);

/* A process is there; PARENT: whose files it inherited, or 0. */
void recorder_fork(struct recorder *recorder, pid_t parent, pid_t child);
/* It runs another program, in other memory. */
void recorder_exec(struct recorder *recorder, pid_t pid);
/* It is gone, HOW ("exit", "killed by SIGKILL"). */
void recorder_exit(struct recorder *recorder, pid_t pid, const char *how);
/* A file of DEVICE was opened, or was closed for good; see rec-watch.h. */
void recorder_watch(struct recorder *recorder, dev_t device, bool closed);
/* Takes over what PID has open already, of which the beginning was not seen. */
void recorder_adopt(struct recorder *recorder, pid_t pid);

/* Writes the mark if it is time; returns how many ns that is away, or 0 when it
 * is not going to be before something else happens. */
uint64_t recorder_rest(struct recorder *recorder, uint64_t now_ns);

/* An ioctl begins.  False when it is none of ours, and not looked at further.
 * BYTES of its argument are read by the caller: at most REC_ARG_MAX. */
bool recorder_enter(struct recorder *recorder, struct rec_pending *pending, pid_t pid, int fd,
	uint32_t number, uint64_t arg, const void *bytes, size_t size);
/* It returned RESULT, negative for an errno; BYTES are its argument now. */
void recorder_leave(struct recorder *recorder, struct rec_pending *pending, int64_t result, const void *bytes,
	size_t size);
/* It never returned, and does not matter. */
void recorder_abandon(struct recorder *recorder, struct rec_pending *pending);
/* It never returned: its thread is gone, with the process ENDED or (0) not.  Lost, where
 * the file is open still in another one. */
void recorder_cut_off(struct recorder *recorder, struct rec_pending *pending, pid_t ended);

#endif
