/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Containers and groups.  The mappings of a container live from VFIO_SET_IOMMU
 * until the last group leaves it, by VFIO_GROUP_UNSET_CONTAINER or by the last
 * close of the group's file (which devices that are open hold as well); the
 * container's own file may be closed long before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vfio.h>

#include "base/report.h"
#include "record/rec-space.h"
#include "sys/sysfs.h"

struct group_walk {
	struct recorder *recorder;
	const struct rec_space *space;
	const struct iova_ranges *ranges;
	const char *reason;
	int group;
	bool attach;
};

static void
each_device(const char *name, void *data)
{
	const struct group_walk *walk = data;
	struct pci_facts facts;
	char bdf[PCI_BDF_LEN];

	if (!parse_bdf(name, bdf)) {
		if (walk->attach)
			record_note(walk->recorder->record,
				"group %d: %s is not a PCI device; its mappings are in no table of the IOMMU",
				walk->group, name);
		return;
	}
	/* A bridge in the group asks for nothing itself. */
	if (sysfs_pci_facts(bdf, &facts) && strncmp(facts.class, "0x0604", 6) == 0)
		return;
	if (walk->attach)
		rec_space_attach(walk->recorder, walk->space, bdf, walk->group, walk->ranges);
	else
		rec_space_detach(walk->recorder, walk->space, bdf, walk->group, walk->reason);
}

/* All devices of a group are attached and detached together. */
static void
each_of_group(const struct group_walk *walk)
{
	char path[96];

	snprintf(path, sizeof path, "/kernel/iommu_groups/%d/devices", walk->group);
	if (sysfs_each(path, each_device, (void *) walk) < 0)
		record_note(
			walk->recorder->record, "the devices of IOMMU group %d are not known", walk->group);
}

static void
attach_group(struct recorder *recorder, struct rec_file *group, const struct iova_ranges *ranges)
{
	const struct group_walk walk = { recorder, group->owner->space, ranges, NULL, group->is.group, true };

	each_of_group(&walk);
}

static bool
container_ranges(struct recorder *recorder, const struct rec_file *container, struct iova_ranges *ret)
{
	for (size_t i = 0; i < container->n_refs; i++) {
		if (recorder->asks->container(container->ref[i].pid, container->ref[i].fd, ret))
			return true;
	}
	return false;
}

/* The container has an IOMMU now. */
static void
begin_space(struct recorder *recorder, struct rec_file *container, unsigned type, bool complete)
{
	struct iova_ranges ranges = { 0 };
	struct rec_space *space =
		rec_space_new(recorder, type == VFIO_TYPE1_IOMMU ? "vfio-type1" : "vfio-type1v2", complete);

	if (space == NULL)
		return;
	space->v1 = type == VFIO_TYPE1_IOMMU;
	container->space = space;
	(void) container_ranges(recorder, container, &ranges);
	for (size_t i = 0; i < recorder->files.n; i++) {
		struct rec_file *group = recorder->files.file[i];

		if (group->is.kind == REC_GROUP && group->owner == container)
			attach_group(recorder, group, &ranges);
	}
}

static void
end_space(struct recorder *recorder, struct rec_file *container, const char *reason)
{
	rec_space_clear(recorder, container->space, reason);
	rec_space_free(container->space);
	container->space = NULL;
}

static bool
has_groups(const struct recorder *recorder, const struct rec_file *container)
{
	for (size_t i = 0; i < recorder->files.n; i++) {
		if (recorder->files.file[i]->is.kind == REC_GROUP &&
			recorder->files.file[i]->owner == container)
			return true;
	}
	return false;
}

/* Forgets a container that nothing refers to. */
static void
reap(struct recorder *recorder, struct rec_file *container)
{
	if (container->n_refs == 0 && container->space == NULL && !has_groups(recorder, container))
		recorder_forget(recorder, container);
}

static void
leave_container(struct recorder *recorder, struct rec_file *group, const char *reason)
{
	struct rec_file *container = group->owner;
	const struct group_walk walk = { recorder, container != NULL ? container->space : NULL, NULL, reason,
		group->is.group, false };

	group->owner = NULL;
	if (walk.space == NULL)
		return;
	if (has_groups(recorder, container)) {
		each_of_group(&walk);
		return;
	}
	rec_space_clear(recorder, container->space, reason != NULL ? reason : "the last group left");
	each_of_group(&walk);
	end_space(recorder, container, reason);
}

void
rec_vfio_group_gone(struct recorder *recorder, struct rec_file *group, const char *reason)
{
	struct rec_file *container = group->owner;

	leave_container(recorder, group, reason);
	recorder_forget(recorder, group);
	if (container != NULL)
		reap(recorder, container);
}

/* A container was opened or closed somewhere: do the descriptors still lead to
 * the container that we think?  A new one has no IOMMU. */
void
rec_vfio_container_check(struct recorder *recorder, struct rec_file *container)
{
	for (size_t i = container->n_refs; i > 0; i--) {
		const struct rec_ref *ref = &container->ref[i - 1];
		const struct rec_fd seen = recorder->asks->world.look(ref->pid, ref->fd);
		struct iova_ranges ranges = { 0 };

		if (seen.kind != REC_CONTAINER ||
			(container->space != NULL && !recorder->asks->container(ref->pid, ref->fd, &ranges)))
			rec_file_drop_ref(container, i - 1);
	}
	reap(recorder, container);
}

static void
on_set_iommu(struct recorder *recorder, struct rec_file *container, const struct rec_call *call)
{
	if (call->id == VFIO_NOIOMMU_IOMMU) {
		record_note(
			recorder->record, "a container in no-IOMMU mode: nothing translates for its devices");
		return;
	}
	if (container->space != NULL) /* the kernel sets it once only: we missed an end */
		end_space(recorder, container, "not seen");
	begin_space(recorder, container, call->id, true);
}

static void
on_set_container(struct recorder *recorder, struct rec_pending *pending)
{
	struct rec_file *group = pending->file;
	struct rec_file *container = rec_files_get(&recorder->files, pending->pid, pending->call.other_fd);
	struct iova_ranges ranges = { 0 };

	if (container == NULL || container->is.kind != REC_CONTAINER) {
		record_note(recorder->record,
			"group %d joined a container of another kind (an iommufd); its mappings are not "
			"followed",
			group->is.group);
		return;
	}
	group->owner = container;
	if (container->space != NULL) {
		(void) container_ranges(recorder, container, &ranges);
		attach_group(recorder, group, &ranges);
	}
}

static void
on_get_device(struct recorder *recorder, const struct rec_pending *pending)
{
	char bdf[PCI_BDF_LEN];

	if (parse_bdf(pending->call.device, bdf) && rec_devices_add(&recorder->devices, bdf) < 0)
		record_lost(recorder->record, 0, "out of memory");
}

/* A container whose VFIO_SET_IOMMU was not seen, in a process whose groups may
 * be its own. */
void
rec_vfio_adopt(struct recorder *recorder, struct rec_file *container, pid_t pid, int fd)
{
	struct iova_ranges ranges = { 0 };
	size_t containers = 0;

	if (container->space != NULL || !recorder->asks->container(pid, fd, &ranges))
		return;
	for (size_t i = 0; i < recorder->files.n; i++)
		containers += recorder->files.file[i]->is.kind == REC_CONTAINER;
	for (size_t i = 0; i < recorder->files.n; i++) {
		struct rec_file *group = recorder->files.file[i];

		if (containers == 1 && group->is.kind == REC_GROUP && group->owner == NULL)
			group->owner = container;
	}
	if (containers > 1)
		record_note(recorder->record, "several containers were open before the recording: which "
					      "groups are in which is not known");
	begin_space(recorder, container, VFIO_TYPE1v2_IOMMU, false);
}

static void
on_mapping(struct recorder *recorder, struct rec_pending *pending, int err)
{
	struct rec_file *container = pending->file;
	const struct rec_call *call = &pending->call;

	if (container->space == NULL && err == 0)
		rec_vfio_adopt(recorder, container, pending->pid, call->fd);
	if (container->space == NULL) {
		rec_note_failure(recorder, call, err);
		return;
	}
	if (call->vaddr_only) {
		if (err != 0)
			rec_note_failure(recorder, call, err);
		return;
	}
	if (call->request->op == REC_MAP)
		rec_space_map(recorder, container->space, pending, err);
	else if (!pending->told)
		rec_space_unmap(recorder, container->space, call, err);
}

void
rec_vfio_done(struct recorder *recorder, struct rec_pending *pending, int64_t result)
{
	const struct rec_call *call = &pending->call;
	const int err = result < 0 ? (int) -result : 0;

	if (call->request->op == REC_MAP || call->request->op == REC_UNMAP) {
		on_mapping(recorder, pending, err);
		return;
	}
	if (err != 0) {
		rec_note_failure(recorder, call, err);
		return;
	}
	switch (call->request->op) {
	case REC_SET_IOMMU:
		on_set_iommu(recorder, pending->file, call);
		break;
	case REC_SET_CONTAINER:
		on_set_container(recorder, pending);
		break;
	case REC_UNSET_CONTAINER:
		leave_container(recorder, pending->file, NULL);
		break;
	case REC_GET_DEVICE:
		on_get_device(recorder, pending);
		break;
	default:
		break;
	}
}
