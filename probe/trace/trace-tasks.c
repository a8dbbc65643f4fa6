/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/proc.h"
#include "trace/trace-qi.h"

static struct trace_task **
find(struct trace_tasks *tasks, int tid)
{
	struct trace_task **at = &tasks->bucket[(unsigned) tid % TASK_BUCKETS];

	while (*at != NULL && (*at)->tid != tid)
		at = &(*at)->next;
	return at;
}

struct trace_task *
trace_tasks_find(struct trace_tasks *tasks, int tid)
{
	return *find(tasks, tid);
}

struct trace_task *
trace_tasks_get(struct trace_tasks *tasks, int tid)
{
	struct trace_task **at = find(tasks, tid);
	int tgid;

	if (*at != NULL)
		return *at;
	*at = calloc(1, sizeof **at);
	if (*at == NULL)
		return NULL;
	tgid = proc_tgid(tid);
	(*at)->tid = tid;
	/* A thread that is gone stands for its process: the two are the same in
	 * a program with one thread. */
	(*at)->tgid = tgid > 0 ? tgid : tid;
	(*at)->tgid_known = tgid > 0;
	return *at;
}

void
trace_tasks_born(struct trace_tasks *tasks, int parent, int child, bool thread)
{
	const struct trace_task *maker = trace_tasks_get(tasks, parent);
	struct trace_task *task = trace_tasks_get(tasks, child);

	if (maker == NULL || task == NULL)
		return;
	task->in_call = task->cleared = task->joined = false;
	task->tgid = thread ? maker->tgid : child;
	task->tgid_known = !thread || maker->tgid_known;
}

void
trace_tasks_drop(struct trace_tasks *tasks, int tid)
{
	struct trace_task **at = find(tasks, tid), *gone = *at;

	if (gone == NULL)
		return;
	*at = gone->next;
	free(gone);
}

void
trace_tasks_forget(struct trace_tasks *tasks)
{
	for (size_t i = 0; i < TASK_BUCKETS; i++) {
		for (struct trace_task *task = tasks->bucket[i]; task != NULL; task = task->next)
			task->in_call = task->cleared = task->joined = false;
	}
}

bool
trace_tasks_in_call(const struct trace_tasks *tasks)
{
	for (size_t i = 0; i < TASK_BUCKETS; i++) {
		for (const struct trace_task *task = tasks->bucket[i]; task != NULL; task = task->next) {
			if (task->in_call)
				return true;
		}
	}
	return false;
}

void
trace_tasks_free(struct trace_tasks *tasks)
{
	for (size_t i = 0; i < TASK_BUCKETS; i++) {
		while (tasks->bucket[i] != NULL)
			trace_tasks_drop(tasks, tasks->bucket[i]->tid);
	}
}

void
trace_task_begin(struct trace_tasks *tasks, struct trace_task *task, const struct trace_event *call)
{
	task->in_call = true;
	task->fd = call->call.fd;
	task->cmd = call->call.cmd;
	task->call = ++tasks->n_calls;
	task->pending = 0;
	task->pending_domain = false;
	task->n_devices = 0;
	task->cleared = task->joined = false;
}

static void
join(struct trace_task *task, const struct trace_event *event, uint16_t did)
{
	task->joined = true;
	task->did = did;
	memcpy(task->iommu, event->name, sizeof task->iommu);
}

void
trace_task_witness(struct trace_task *task, const struct trace_event *event)
{
	struct trace_qi_fields fields;

	if (event->kind == TRACE_TAG) {
		task->cleared = false;
		if (event->flush.type == 0 && event->flush.pasid == 0)
			join(task, event, event->flush.did);
		return;
	}
	fields = trace_qi_decode(&event->qi);
	if (fields.is_context) {
		/* With caching mode Linux announces a new entry under domain 0,
		 * the number of entries that were not present (VT-d 6.1); an
		 * entry that it takes away, under that entry's own domain. */
		task->cleared = fields.has_sid && fields.did == 0;
		task->sid = fields.sid;
		task->joined = false;
	} else if (task->cleared && fields.is_iotlb && fields.has_did && !fields.has_range) {
		join(task, event, fields.did);
	}
}

bool
trace_task_joined(struct trace_task *task, const char *device)
{
	unsigned domain, bus, slot, function;
	const bool joined = task->joined;
	const bool by_sid = task->cleared;

	task->joined = task->cleared = false;
	if (!joined || sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return false;
	/* A cache tag does not name the device, and comes just before its attach
	 * event; a context entry does. */
	return !by_sid || task->sid == (bus << 8 | slot << 3 | function);
}
