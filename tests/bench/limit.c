/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bare limit: the same pages with nothing of viommu's. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "steps.h"

uint64_t *
bench_pages(size_t *n)
{
	gsize size;
	char *text;
	GError *error = NULL;

	bench_check(g_file_get_contents(given.pages, &text, &size, &error), error);
	*n = MIN(size / 8, given.most);
	result.bytes = *n * VIOMMU_PAGE_SIZE;
	return (uint64_t *) (void *) text;
}

static uint64_t
present(const uint64_t *words, size_t n)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < n; i++)
		ret += (words[i] & 3) != 0;
	return ret;
}

typedef struct {
	uint64_t *list, *buffer;
	const uint8_t *ram;
	size_t n;
	bool keep; /* each batch has room of its own */
} limit;

static void
read_all(void *user)
{
	const limit *l = user;
	struct iovec remote[BENCH_BATCH];

	result.count = 0;
	for (size_t done = 0, part; done < l->n; done += part) {
		uint64_t *buffer = l->buffer + (l->keep ? done * (VIOMMU_PAGE_SIZE / 8) : 0);
		struct iovec local = { buffer, 0 };

		part = MIN(l->n - done, BENCH_BATCH);
		for (size_t i = 0; i < part; i++)
			remote[i] = (struct iovec){ (void *) (uintptr_t) (given.hva + l->list[done + i]), VIOMMU_PAGE_SIZE };
		local.iov_len = part * VIOMMU_PAGE_SIZE;
		bench_check(process_vm_readv((pid_t) given.pid, &local, 1, remote, part, 0) == (ssize_t) local.iov_len, NULL);
		result.count += present(buffer, local.iov_len / 8);
	}
}

void
bench_limit_readv(void)
{
	limit l = { .buffer = g_malloc0(BENCH_BATCH * VIOMMU_PAGE_SIZE) };

	l.list = bench_pages(&l.n);
	bench_again(read_all, &l);
}

/* To where all of it stays, as a capture has to: the kernel has to find and clear memory. */
static void
keep_all(void *user)
{
	limit *l = user;
	size_t size = l->n * VIOMMU_PAGE_SIZE;

	l->buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bench_check((void *) l->buffer != MAP_FAILED, NULL);
	madvise(l->buffer, size, MADV_HUGEPAGE);
	read_all(l);
	munmap(l->buffer, size);
}

void
bench_limit_kept(void)
{
	limit l = { .keep = true };

	l.list = bench_pages(&l.n);
	bench_again(keep_all, &l);
}

static void
look_all(void *user)
{
	const limit *l = user;

	result.count = 0;
	for (size_t i = 0; i < l->n; i++)
		result.count += present((const uint64_t *) (const void *) (l->ram + l->list[i]), VIOMMU_PAGE_SIZE / 8);
}

/* The RAM's file, mapped here, without any copy. */
void
bench_limit_mapped(void)
{
	int fd = open(given.file, O_RDONLY);
	limit l = { 0 };

	l.list = bench_pages(&l.n);
	l.ram = mmap(NULL, 2ull << 30, PROT_READ, MAP_SHARED, fd, 0);
	bench_check(l.ram != MAP_FAILED, NULL);
	bench_again(look_all, &l);
}
