/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The events of one address space, written as its mappings come and go. */
#ifndef PROBE_REC_SPACE_H
#define PROBE_REC_SPACE_H

#include "record/recorder.h"

struct rec_space *rec_space_new(struct recorder *recorder, const char *backend, bool complete);
/* Says that it is there, with no device yet. */
void rec_space_begin(struct recorder *recorder, const struct rec_space *space);
/* Unmaps what is left, for REASON. */
void rec_space_clear(struct recorder *recorder, struct rec_space *space, const char *reason);
void rec_space_free(struct rec_space *space);

/* RANGES may be NULL.  GROUP: -1 where there is none. */
void rec_space_attach(struct recorder *recorder, const struct rec_space *space, const char *bdf, int group,
	const struct iova_ranges *ranges);
/* REASON: NULL when the program asked for it. */
void rec_space_detach(struct recorder *recorder, const struct rec_space *space, const char *bdf, int group,
	const char *reason);

/* A mapping was made (ERR 0) or refused.  What is behind it is in
 * recorder->backing. */
void rec_space_map(
	struct recorder *recorder, struct rec_space *space, const struct rec_pending *pending, int err);
/* CALL unmapped what it asked for, or was refused. */
void rec_space_unmap(
	struct recorder *recorder, struct rec_space *space, const struct rec_call *call, int err);

/* The text after which a failed call is recorded that is neither. */
void rec_note_failure(struct recorder *recorder, const struct rec_call *call, int err);

/* The space that a mapping call is about, if it is there already. */
struct rec_space *rec_call_space(const struct rec_pending *pending);

/* The families of calls. */
void rec_vfio_done(struct recorder *recorder, struct rec_pending *pending, int64_t result);
void rec_vfio_group_gone(struct recorder *recorder, struct rec_file *group, const char *reason);
void rec_vfio_container_check(struct recorder *recorder, struct rec_file *container);
void rec_vfio_adopt(struct recorder *recorder, struct rec_file *container, pid_t pid, int fd);
void rec_iommufd_done(struct recorder *recorder, struct rec_pending *pending, int64_t result);
void rec_iommufd_cdev_gone(struct recorder *recorder, struct rec_file *cdev, const char *reason);
void rec_iommufd_check(struct recorder *recorder, struct rec_file *iommufd);

/* The pagemap file of a process, open; -1 where it cannot be. */
int recorder_pagemap(struct recorder *recorder, pid_t pid);
/* Forgets a file, in calls that have not returned as well. */
void recorder_forget(struct recorder *recorder, struct rec_file *file);
/* How the first of FILE's owners came to close it. */
void rec_ending_of(struct recorder *recorder, const struct rec_file *file, char *ret, size_t size);

#endif
