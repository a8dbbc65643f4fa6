/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-files.h"

#include <stdlib.h>

static bool
has_ref(const struct rec_file *file, pid_t pid, int fd)
{
	for (size_t i = 0; i < file->n_refs; i++) {
		if (file->ref[i].pid == pid && file->ref[i].fd == fd)
			return true;
	}
	return false;
}

static int
add_ref(struct rec_file *file, pid_t pid, int fd)
{
	struct rec_ref *grown;

	if (has_ref(file, pid, fd))
		return 0;
	grown = reallocarray(file->ref, file->n_refs + 1, sizeof *grown);
	if (grown == NULL)
		return -1;
	file->ref = grown;
	file->ref[file->n_refs++] = (struct rec_ref){ pid, fd };
	return 0;
}

void
rec_file_drop_ref(struct rec_file *file, size_t i)
{
	file->ref[i] = file->ref[--file->n_refs];
}

struct rec_file *
rec_files_known(const struct rec_files *files, pid_t pid, int fd)
{
	for (size_t i = 0; i < files->n; i++) {
		if (has_ref(files->file[i], pid, fd))
			return files->file[i];
	}
	return NULL;
}

/* Only one file of a group can be open at a time (the kernel says EBUSY to a
 * second), so the group's number tells; the others have to be compared. */
static bool
is_behind(const struct rec_files *files, const struct rec_file *file, const struct rec_fd *seen, pid_t pid,
	int fd)
{
	if (file->is.kind != seen->kind || file->is.device != seen->device)
		return false;
	if (seen->kind == REC_GROUP)
		return true;
	for (size_t i = 0; i < file->n_refs; i++) {
		if (files->world->same(file->ref[i].pid, file->ref[i].fd, pid, fd))
			return true;
	}
	return false;
}

static struct rec_file *
add_file(struct rec_files *files, const struct rec_fd *seen, pid_t pid, int fd)
{
	struct rec_file **grown = reallocarray(files->file, files->n + 1, sizeof *grown);
	struct rec_file *file;

	if (grown == NULL)
		return NULL;
	files->file = grown;
	file = calloc(1, sizeof *file);
	if (file == NULL || add_ref(file, pid, fd) < 0) {
		free(file);
		return NULL;
	}
	file->is = *seen;
	files->file[files->n++] = file;
	files->world->watch(files->world->watch_data, pid, fd, seen->device);
	return file;
}

struct rec_file *
rec_files_get(struct rec_files *files, pid_t pid, int fd)
{
	struct rec_file *ret = rec_files_known(files, pid, fd);
	struct rec_fd seen;

	if (ret != NULL)
		return ret;
	seen = files->world->look(pid, fd);
	if (seen.kind == REC_OTHER)
		return NULL;
	for (size_t i = 0; i < files->n; i++) {
		if (is_behind(files, files->file[i], &seen, pid, fd))
			return add_ref(files->file[i], pid, fd) < 0 ? NULL : files->file[i];
	}
	return add_file(files, &seen, pid, fd);
}

void
rec_files_fork(struct rec_files *files, pid_t parent, pid_t child)
{
	for (size_t i = 0; i < files->n; i++) {
		struct rec_file *file = files->file[i];
		const size_t n = file->n_refs;

		for (size_t k = 0; k < n; k++) {
			if (file->ref[k].pid == parent)
				(void) add_ref(file, child, file->ref[k].fd);
		}
	}
}

void
rec_files_leave(struct rec_files *files, pid_t pid)
{
	for (size_t i = 0; i < files->n; i++) {
		struct rec_file *file = files->file[i];

		for (size_t k = file->n_refs; k > 0; k--) {
			if (file->ref[k - 1].pid == pid)
				rec_file_drop_ref(file, k - 1);
		}
	}
}

static void
free_file(struct rec_file *file)
{
	/* The spaces of a cdev and of page tables are their owners'. */
	if (file->is.kind == REC_CONTAINER && file->space != NULL) {
		live_free(&file->space->live);
		free(file->space);
	}
	for (size_t i = 0; i < file->n_objects; i++) {
		if (file->object[i].ioas) {
			live_free(&file->object[i].space->live);
			free(file->object[i].space);
		}
	}
	free(file->object);
	free(file->ref);
	free(file);
}

void
rec_files_forget(struct rec_files *files, struct rec_file *file)
{
	for (size_t i = 0; i < files->n; i++) {
		if (files->file[i] == file) {
			files->file[i] = files->file[--files->n];
			break;
		}
	}
	for (size_t i = 0; i < files->n; i++) {
		if (files->file[i]->owner == file)
			files->file[i]->owner = NULL;
	}
	free_file(file);
}

void
rec_files_free(struct rec_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free_file(files->file[i]);
	free(files->file);
	files->file = NULL;
	files->n = 0;
}
