/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
pagemap_read_fd(int fd, uint64_t addr, uint64_t size, struct extents *extents)
{
	uint64_t words[1024];
	uint64_t page = addr >> VIOMMU_PAGE_SHIFT;
	uint64_t left = size >> VIOMMU_PAGE_SHIFT;
	int ret = 0;

	while (left > 0 && ret == 0 && extents->unknown == NULL) {
		const size_t want = left < 1024 ? (size_t) left : 1024;
		ssize_t got = pread(fd, words, want * sizeof words[0], (off_t) (page * sizeof words[0]));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < (ssize_t) sizeof words[0]) {
			extents_stop(extents, "the pagemap could not be read here");
			break;
		}
		ret = extents_add(extents, words, (size_t) got / sizeof words[0]);
		page += (size_t) got / sizeof words[0];
		left -= (size_t) got / sizeof words[0];
	}
	return ret;
}

int
pagemap_read(const void *addr, uint64_t size, struct extents *extents)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0) {
		extents_stop(extents,
			"/proc/self/pagemap cannot be opened (no /proc, or CONFIG_PROC_PAGE_MONITOR off)");
		return 0;
	}
	ret = pagemap_read_fd(fd, (uint64_t) (uintptr_t) addr, size, extents);
	close(fd);
	return ret;
}
