/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/buffer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sys/sysfs.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

/* Free pages of one huge page size, or -1 when the kernel has no such size. */
static long long
huge_pages_free(uint64_t page_size)
{
	char path[128], text[32];
	uint64_t n;

	snprintf(path, sizeof path, "/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/free_hugepages",
		page_size >> 10);
	if (sysfs_read(path, text, sizeof text) < 0 || !sysfs_number(text, 10, &n) || n > INT32_MAX)
		return -1;
	return (long long) n;
}

static int
alloc_huge(struct buffer *ret, const struct pattern_item *item, struct probe_error *error)
{
	const int shift = item->page_size == PAGE_1G ? 30 : 21;
	const char *unit = item->page_size == PAGE_1G ? "1G" : "2M";
	const uint64_t need = item->size / item->page_size;
	const long long have = huge_pages_free(item->page_size);
	void *addr = MAP_FAILED;

	if (item->page_size == PAGE_1G && have >= (long long) need)
		probe_say("taking %" PRIu64 " GiB of 1 GiB pages, which the kernel clears first ...", need);
	/* Asked first: a page that mmap() promised and the kernel does not have
	 * comes as a SIGBUS at the touch. */
	if (have >= (long long) need)
		addr = mmap(NULL, item->size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | shift << MAP_HUGE_SHIFT,
			-1, 0);
	if (addr == MAP_FAILED)
		return probe_fail(error, ENOMEM,
			"the guest has %lld free huge page(s) of %s and %" PRIu64
			" are needed; boot it with hugepagesz=%s hugepages=N",
			have > 0 ? have : 0, unit, need, unit);
	*ret = (struct buffer){ addr, item->size };
	return 0;
}

/* Touches each page once, in random order when SCATTERED: the allocator hands
 * out pages mostly in a row, so the order of touching is the order of GPAs. */
static int
touch(volatile unsigned char *bytes, uint64_t pages, bool scattered, struct prng *prng)
{
	uint64_t *order;

	if (!scattered) {
		for (uint64_t i = 0; i < pages; i++)
			bytes[i << VIOMMU_PAGE_SHIFT] = 1;
		return 0;
	}
	order = reallocarray(NULL, pages, sizeof *order);
	if (order == NULL)
		return -1;
	for (uint64_t i = 0; i < pages; i++)
		order[i] = i;
	for (uint64_t i = pages; i > 1; i--) {
		uint64_t other = prng_below(prng, i);
		uint64_t swap = order[i - 1];

		order[i - 1] = order[other];
		order[other] = swap;
	}
	for (uint64_t i = 0; i < pages; i++)
		bytes[order[i] << VIOMMU_PAGE_SHIFT] = 1;
	free(order);
	return 0;
}

static int
alloc_small(struct buffer *ret, const struct pattern_item *item, struct prng *prng, struct probe_error *error)
{
	void *addr = mmap(NULL, item->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (addr == MAP_FAILED)
		return probe_fail(
			error, errno, "cannot allocate 0x%" PRIx64 " bytes: %s", item->size, strerror(errno));
	/* Fails where the kernel has no transparent huge pages: then there is
	 * nothing to switch off. */
	(void) madvise(addr, item->size, MADV_NOHUGEPAGE);
	if (touch(addr, item->size >> VIOMMU_PAGE_SHIFT, item->scattered, prng) < 0) {
		munmap(addr, item->size);
		return probe_fail(error, ENOMEM, "out of memory");
	}
	*ret = (struct buffer){ addr, item->size };
	return 0;
}

int
buffer_alloc(
	struct buffer *ret, const struct pattern_item *item, struct prng *prng, struct probe_error *error)
{
	if (item->page_size == PAGE_4K)
		return alloc_small(ret, item, prng, error);
	return alloc_huge(ret, item, error);
}

void
buffer_free(struct buffer *buffer)
{
	if (buffer->addr != NULL)
		munmap(buffer->addr, buffer->size);
	*buffer = (struct buffer){ 0 };
}

int
memory_available(uint64_t bytes, struct probe_error *error)
{
	char text[4096];
	const char *found;
	uint64_t have = 0;

	if (read_text_file("/proc/meminfo", text, sizeof text) < 0)
		return 1;
	found = strstr(text, "MemAvailable:");
	if (found == NULL || sscanf(found, "MemAvailable: %" SCNu64, &have) != 1)
		return 1;
	if (bytes >> 10 <= have)
		return 1;
	probe_fail(error, ENOMEM,
		"the mappings need %" PRIu64 " MiB and the guest has %" PRIu64
		" MiB available; give it more memory or ask for less (--size, --count)",
		bytes >> 20, have >> 10);
	return 0;
}

void
memory_unlimit_lock(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	(void) setrlimit(RLIMIT_MEMLOCK, &unlimited);
}
