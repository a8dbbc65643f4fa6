/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-vma.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

bool
rec_vma_parse(const char *line, struct rec_vma *ret)
{
	uint64_t end;
	int at = 0;

	*ret = (struct rec_vma){ 0 };
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %*x:%*x %" SCNu64 " %n", &ret->first, &end,
		    &ret->offset, &ret->inode, &at) != 4 ||
		end <= ret->first)
		return false;
	ret->last = end - 1;
	if (at > 0)
		snprintf(ret->path, sizeof ret->path, "%.*s", (int) strcspn(line + at, "\n"), line + at);
	return true;
}

bool
rec_vma_find(pid_t pid, uint64_t addr, struct rec_vma *ret)
{
	char path[64], *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%d/maps", (int) pid);
	maps = fopen(path, "re");
	while (maps != NULL && !found && getline(&line, &size, maps) > 0)
		found = rec_vma_parse(line, ret) && addr >= ret->first && addr <= ret->last;
	free(line);
	if (maps != NULL)
		fclose(maps);
	return found;
}

uint64_t
rec_vma_huge_page(pid_t pid, const struct rec_vma *vma)
{
	const long magic = 0x958458f6; /* HUGETLBFS_MAGIC */
	struct statfs fs;
	char path[96];

	snprintf(path, sizeof path, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int) pid, vma->first,
		vma->last + 1);
	if (statfs(path, &fs) < 0 || (long) fs.f_type != magic)
		return 0;
	return (uint64_t) fs.f_bsize;
}
