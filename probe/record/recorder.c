/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/recorder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "record/rec-space.h"
#include "sys/sysfs.h"
#include "viommu/record.h"

void
recorder_begin(struct recorder *ret, const struct rec_asks *asks, struct record_writer *record)
{
	*ret = (struct recorder){ .asks = asks, .record = record, .files = { .world = &asks->world } };
}

void
recorder_free(struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->n_processes; i++) {
		if (recorder->process[i].pagemap >= 0)
			close(recorder->process[i].pagemap);
	}
	free(recorder->process);
	free(recorder->pending);
	free(recorder->devices.bdf);
	rec_backing_free(&recorder->backing);
	rec_files_free(&recorder->files);
}

/* ---- processes -------------------------------------------------------------------- */

static int
open_pagemap(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/pagemap", (int) pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int
recorder_pagemap(struct recorder *recorder, pid_t pid)
{
	struct rec_process *grown;

	for (size_t i = 0; i < recorder->n_processes; i++) {
		if (recorder->process[i].pid == pid)
			return recorder->process[i].pagemap;
	}
	grown = reallocarray(recorder->process, recorder->n_processes + 1, sizeof *grown);
	if (grown == NULL)
		return -1;
	recorder->process = grown;
	recorder->process[recorder->n_processes] = (struct rec_process){ pid, open_pagemap(pid) };
	return recorder->process[recorder->n_processes++].pagemap;
}

static void
forget_process(struct recorder *recorder, pid_t pid)
{
	for (size_t i = 0; i < recorder->n_processes; i++) {
		struct rec_process *process = &recorder->process[i];

		if (process->pid != pid)
			continue;
		if (process->pagemap >= 0)
			close(process->pagemap);
		*process = recorder->process[--recorder->n_processes];
		return;
	}
}

void
recorder_fork(struct recorder *recorder, pid_t parent, pid_t child)
{
	if (parent != 0 && parent != child)
		rec_files_fork(&recorder->files, parent, child);
}

/* Whether a descriptor is open on such a device still. */
static bool
leads_to(struct recorder *recorder, const struct rec_file *file, const struct rec_ref *ref)
{
	const struct rec_fd seen = recorder->asks->world.look(ref->pid, ref->fd);

	return seen.kind == file->is.kind && seen.device == file->is.device;
}

void
recorder_exec(struct recorder *recorder, pid_t pid)
{
	/* The pagemap file shows the memory that it was opened for. */
	forget_process(recorder, pid);
	for (size_t i = 0; i < recorder->files.n; i++) {
		struct rec_file *file = recorder->files.file[i];

		/* Descriptors with FD_CLOEXEC are closed, and their numbers free. */
		for (size_t k = file->n_refs; k > 0; k--) {
			if (file->ref[k - 1].pid == pid && !leads_to(recorder, file, &file->ref[k - 1]))
				rec_file_drop_ref(file, k - 1);
		}
	}
}

static void
end_file(struct recorder *recorder, struct rec_file *file, const char *how)
{
	if (file->is.kind == REC_GROUP)
		rec_vfio_group_gone(recorder, file, how);
	else if (file->is.kind == REC_CDEV)
		rec_iommufd_cdev_gone(recorder, file, how);
	else if (file->is.kind == REC_CONTAINER)
		rec_vfio_container_check(recorder, file);
	else
		rec_iommufd_check(recorder, file);
}

void
recorder_exit(struct recorder *recorder, pid_t pid, const char *how)
{
	forget_process(recorder, pid);
	rec_files_leave(&recorder->files, pid);
	/* Without word of the last close, whatever nobody is known to have is
	 * taken for closed. */
	for (size_t i = 0; !recorder->watching && i < recorder->files.n;) {
		struct rec_file *file = recorder->files.file[i];
		const size_t n = recorder->files.n;

		if (file->n_refs == 0)
			end_file(recorder, file, how);
		i = recorder->files.n < n ? 0 : i + 1;
	}
}

/* The number may be that of a newer file, which is not bound yet. */
static bool
is_open(struct recorder *recorder, const struct rec_file *file)
{
	for (size_t i = 0; i < file->n_refs; i++) {
		if (leads_to(recorder, file, &file->ref[i]) &&
			(file->is.kind != REC_CDEV || file->owner == NULL ||
				recorder->asks->bound(file->ref[i].pid, file->ref[i].fd)))
			return true;
	}
	return false;
}

static void
check_file(struct recorder *recorder, struct rec_file *file, bool sure)
{
	char reason[64];

	switch (file->is.kind) {
	case REC_GROUP: /* one open file at a time: it is this one */
	case REC_CDEV:
		if ((file->is.kind == REC_GROUP && sure) || !is_open(recorder, file)) {
			rec_ending_of(recorder, file, reason, sizeof reason);
			end_file(recorder, file, reason);
		}
		break;
	case REC_CONTAINER:
		rec_vfio_container_check(recorder, file);
		break;
	default:
		rec_iommufd_check(recorder, file);
	}
}

void
recorder_watch(struct recorder *recorder, dev_t device, bool closed)
{
	for (size_t i = 0; i < recorder->files.n;) {
		struct rec_file *file = recorder->files.file[i];
		const size_t n = recorder->files.n;
		const bool one = file->is.kind == REC_GROUP || file->is.kind == REC_CDEV;

		if ((device == 0 || file->is.device == device) && (closed || !one))
			check_file(recorder, file, device != 0);
		/* A file that goes can take others with it. */
		i = recorder->files.n < n ? 0 : i + 1;
	}
}

struct adoption {
	struct recorder *recorder;
	pid_t pid;
	enum rec_kind kind;
};

static void
adopt_fd(int fd, void *data)
{
	const struct adoption *adoption = data;
	struct recorder *recorder = adoption->recorder;
	struct rec_file *file = rec_files_get(&recorder->files, adoption->pid, fd);

	if (file == NULL || file->is.kind != adoption->kind)
		return;
	if (file->is.kind == REC_CONTAINER)
		rec_vfio_adopt(recorder, file, adoption->pid, fd);
}

static void
add_member(const char *name, void *data)
{
	char bdf[PCI_BDF_LEN];

	if (parse_bdf(name, bdf))
		(void) rec_devices_add(data, bdf);
}

void
recorder_adopt(struct recorder *recorder, pid_t pid)
{
	struct adoption adoption = { recorder, pid, REC_OTHER };

	/* All files first: a container looks for its groups. */
	rec_fd_each(pid, adopt_fd, &adoption);
	for (size_t i = 0; i < recorder->files.n; i++) {
		char path[96];

		if (recorder->files.file[i]->is.kind != REC_GROUP)
			continue;
		snprintf(path, sizeof path, "/kernel/iommu_groups/%d/devices",
			recorder->files.file[i]->is.group);
		(void) sysfs_each(path, add_member, &recorder->devices);
	}
	adoption.kind = REC_CONTAINER;
	rec_fd_each(pid, adopt_fd, &adoption);
}
