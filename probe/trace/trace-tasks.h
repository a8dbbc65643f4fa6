/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each thread is doing: the ioctl that it is in, and what its driver has
 * told the IOMMU about the device that it is attaching. */
#ifndef PROBE_TRACE_TASKS_H
#define PROBE_TRACE_TASKS_H

#include "trace/trace-event.h"
#include "trace/trace-span.h"

enum {
	TASK_DEVICES_MAX = 32, /* devices of the groups that one ioctl attaches; more are not attributed */
	TASK_BUCKETS = 256,
};

struct trace_task {
	struct trace_task *next;
	int tid, tgid;
	bool tgid_known; /* it was seen, and not concluded from there being no such thread any more */

	bool in_call;
	unsigned fd, cmd;
	uint64_t call;       /* no two calls have the same */
	unsigned pending;    /* the space that the devices will be attached to if it succeeds; 0: none */
	bool pending_domain; /* DID and IOMMU say which domain they are in */
	unsigned n_devices;
	char device[TASK_DEVICES_MAX][TRACE_NAME_MAX];

	bool cleared; /* the context cache was told that SID has a new context entry */
	uint16_t sid;
	bool joined; /* … and then a domain was flushed: the entry's */
	uint16_t did;
	char iommu[TRACE_NAME_MAX];

	struct trace_span span;
};

struct trace_tasks {
	struct trace_task *bucket[TASK_BUCKETS];
	uint64_t n_calls;
};

/* The thread's entry, or NULL. */
struct trace_task *trace_tasks_find(struct trace_tasks *tasks, int tid);
/* The thread's entry, made if there is none; NULL when memory runs out. */
struct trace_task *trace_tasks_get(struct trace_tasks *tasks, int tid);
/* CHILD was made by PARENT, as a thread of the same process or a process. */
void trace_tasks_born(struct trace_tasks *tasks, int parent, int child, bool thread);
void trace_tasks_drop(struct trace_tasks *tasks, int tid);
/* Events are missing: forget what every thread was in. */
void trace_tasks_forget(struct trace_tasks *tasks);
/* Whether any thread is in an ioctl that may change mappings. */
bool trace_tasks_in_call(const struct trace_tasks *tasks);
void trace_tasks_free(struct trace_tasks *tasks);

void trace_task_begin(struct trace_tasks *tasks, struct trace_task *task, const struct trace_event *call);
/* Takes a descriptor or a cache tag for evidence of what is attached to what. */
void trace_task_witness(struct trace_task *task, const struct trace_event *event);
/* Whether DEVICE, being attached now by TASK, was put into a domain that is
 * known: then DID and IOMMU of the task say which.  Asked once only. */
bool trace_task_joined(struct trace_task *task, const char *device);

#endif
