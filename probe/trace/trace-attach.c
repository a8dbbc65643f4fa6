/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which devices are in which space: from attach events, from the ioctls in
 * which they happen, and from the files that a process has open. */
#include <stdio.h>
#include <string.h>

#include "sys/proc.h"
#include "sys/sysfs.h"
#include "trace/trace-engine.h"

/* linux/vfio.h, _IO(';', 100 + N). */
enum {
	CALL_SET_IOMMU = 0x3b66,
	CALL_SET_CONTAINER = 0x3b68,
	CALL_MAP_DMA = 0x3b71,
	CALL_UNMAP_DMA = 0x3b72,
};

static void
put_in(struct trace_engine *engine, struct trace_space *space, const char *device, uint64_t ns,
	const char *evidence)
{
	if (trace_space_add_device(space, device))
		trace_record_attach(&engine->record, ns, space, device, evidence);
}

struct from_group {
	struct trace_engine *engine;
	struct trace_space *space;
	uint64_t ns;
};

static void
put_member(const char *name, void *data)
{
	struct from_group *from = data;
	struct pci_facts facts;

	if (sysfs_pci_facts(name, &facts))
		put_in(from->engine, from->space, name, from->ns, "open files of the process");
}

/* A container that was set up before the trace began: the devices of a group
 * that its process holds are in it if it holds no other container and no other
 * group.  Type1 attaches groups as a whole. */
static void
put_open_group(struct trace_engine *engine, struct trace_space *space, uint64_t ns)
{
	struct from_group from = { engine, space, ns };
	struct proc_vfio files;
	char path[64];

	if (!proc_vfio(space->tgid, &files) || files.n_containers != 1 || files.n_groups != 1 ||
		files.container != (int) space->fd)
		return;
	snprintf(path, sizeof path, "/kernel/iommu_groups/%d/devices", files.group);
	(void) sysfs_each(path, put_member, &from);
}

/* The same open file under another number, or in a child of the process. */
static struct trace_space *
same_file(const struct trace_engine *engine, int tgid, unsigned fd)
{
	for (size_t i = 0; i < engine->spaces.n; i++) {
		struct trace_space *space = engine->spaces.space[i];

		if (space->kind == SPACE_CONTAINER && !space->ended &&
			proc_same_file(tgid, fd, space->tgid, space->fd))
			return space;
	}
	return NULL;
}

static struct trace_space *
new_container(struct trace_engine *engine, const struct trace_task *task, uint64_t ns)
{
	struct trace_space *space = same_file(engine, task->tgid, task->fd);
	char name[64];

	if (space != NULL)
		return space;
	space = trace_spaces_new(&engine->spaces, SPACE_CONTAINER);
	if (space == NULL)
		return NULL;
	space->tgid = task->tgid;
	space->fd = task->fd;
	proc_name(task->tgid, name, sizeof name);
	trace_record_note(&engine->record, ns,
		"space %u is the VFIO container that process %d (%s) has as file %u", space->id, task->tgid,
		name[0] ? name : "gone by now", task->fd);
	if (task->cmd != CALL_SET_IOMMU)
		put_open_group(engine, space, ns);
	return space;
}

struct trace_space *
trace_engine_container(struct trace_engine *engine, const struct trace_task *task, uint64_t ns)
{
	struct trace_space *space;

	switch (task->cmd) {
	case CALL_SET_IOMMU:
	case CALL_MAP_DMA:
	case CALL_UNMAP_DMA:
		space = trace_spaces_container(&engine->spaces, task->tgid, task->fd);
		return space != NULL ? space : new_container(engine, task, ns);
	case CALL_SET_CONTAINER: {
		struct proc_vfio files;

		/* Its argument is a pointer, so the container is known only if
		 * there is just one. */
		if (!proc_vfio(task->tgid, &files) || files.n_containers != 1)
			return NULL;
		return trace_spaces_sole_container(&engine->spaces, task->tgid);
	}
	default:
		return NULL;
	}
}

struct trace_space *
trace_engine_device(struct trace_engine *engine, const char *device, uint64_t ns)
{
	struct trace_space *space = trace_spaces_device(&engine->spaces, device);

	if (space == NULL) {
		space = trace_spaces_new(&engine->spaces, SPACE_DEVICE);
		if (space != NULL)
			put_in(engine, space, device, ns, "dma event of its driver");
	}
	return space;
}

struct trace_space *
trace_engine_domain(struct trace_engine *engine, const char *iommu, uint16_t did)
{
	struct trace_space *space = trace_spaces_domain(&engine->spaces, iommu, did);

	if (space == NULL)
		space = trace_spaces_new(&engine->spaces, SPACE_DOMAIN);
	if (space != NULL)
		trace_spaces_set_domain(&engine->spaces, space, iommu, did);
	return space;
}

void
trace_engine_detach(struct trace_engine *engine, const struct trace_event *event, unsigned except)
{
	for (size_t i = 0; i < engine->spaces.n; i++) {
		struct trace_space *space = engine->spaces.space[i];

		if (space->id != except && trace_space_remove_device(space, event->name))
			trace_record_detach(&engine->record, event->ns, space, event->name);
	}
	trace_spaces_sweep(&engine->spaces);
}

/* DEVICE was attached outside of any ioctl that we know, to the domain that
 * the flushes before it name. */
static void
join_domain(struct trace_engine *engine, const struct trace_event *event, const struct trace_task *task)
{
	struct trace_space *space = trace_spaces_domain(&engine->spaces, task->iommu, task->did);

	/* Only VFIO puts devices into a container: the number has a new domain. */
	if (space != NULL && space->kind == SPACE_CONTAINER) {
		space = trace_spaces_new(&engine->spaces, SPACE_DOMAIN);
		if (space != NULL)
			trace_spaces_set_domain(&engine->spaces, space, task->iommu, task->did);
	} else {
		space = trace_engine_domain(engine, task->iommu, task->did);
	}
	/* A number can have had another domain before, whose mappings are then
	 * not this device's. */
	if (space == NULL || (space->n_devices == 0 && space->live.root != NULL))
		return;
	put_in(engine, space, event->name, event->ns, "attach event, and the domain flushed before it");
}

void
trace_engine_attach(struct trace_engine *engine, const struct trace_event *event)
{
	struct trace_task *task = event->irq == 0 ? trace_tasks_get(&engine->tasks, event->pid) : NULL;
	const bool joined = task != NULL && trace_task_joined(task, event->name);
	struct trace_space *space = NULL;

	if (task != NULL && task->in_call && trace_engine_wants(engine, event))
		space = trace_engine_container(engine, task, event->ns);
	trace_engine_detach(engine, event, space != NULL ? space->id : 0);
	if (space == NULL) {
		if (joined && trace_engine_wants(engine, event))
			join_domain(engine, event, task);
		return;
	}
	/* It counts once the ioctl has succeeded, and in the domain it then is in:
	 * type1 tries a new one before the one that the container has. */
	task->pending = space->id;
	task->pending_domain = joined;
	if (task->n_devices < TASK_DEVICES_MAX)
		memcpy(task->device[task->n_devices++], event->name, sizeof task->device[0]);
}

void
trace_engine_return(struct trace_engine *engine, struct trace_task *task, const struct trace_event *event)
{
	struct trace_space *space =
		task->pending != 0 ? trace_spaces_by_id(&engine->spaces, task->pending) : NULL;

	trace_record_flush(&engine->record);
	task->in_call = false;
	if (space == NULL || event->result < 0)
		return;
	/* It succeeds once, on a container in which nothing is mapped yet. */
	if (task->cmd == CALL_SET_IOMMU)
		space->from_start = true;
	if (task->pending_domain)
		trace_spaces_set_domain(&engine->spaces, space, task->iommu, task->did);
	for (unsigned i = 0; i < task->n_devices; i++)
		put_in(engine, space, task->device[i], event->ns, "attach event in an ioctl of VFIO");
}
