/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that go. */
#include <stdio.h>

#include "record/rec-space.h"

void
recorder_forget(struct recorder *recorder, struct rec_file *file)
{
	for (size_t i = 0; i < recorder->n_pending; i++) {
		if (recorder->pending[i]->file == file)
			recorder->pending[i]->file = NULL;
	}
	rec_files_forget(&recorder->files, file);
}

void
rec_ending_of(struct recorder *recorder, const struct rec_file *file, char *ret, size_t size)
{
	snprintf(ret, size, "close");
	for (size_t i = 0; i < file->n_refs; i++)
		recorder->asks->ending(file->ref[i].pid, ret, size);
}
