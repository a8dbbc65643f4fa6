/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The snapshot: pages by GPA, in memory or where they lie in the file, and the source that
 * reads them.  A file is not mapped: one that shrinks must not end us.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot.h"

/* The first is small, as most snapshots are; the kernel gives the others in large pages. */
#define FIRST_BLOCK (256u << 10)
#define NEXT_BLOCK (32u << 20)

viommu_snapshot *
viommu_snapshot_new(viommu_machine *machine, const vtd_registers *registers)
{
	viommu_snapshot *self = g_new0(viommu_snapshot, 1);

	self->machine = machine;
	self->registers = *registers;
	self->pages = g_array_new(FALSE, FALSE, sizeof(viommu_snapshot_page));
	self->seen = viommu_page_map_new();
	self->blocks = g_array_new(FALSE, FALSE, sizeof(viommu_snapshot_block));
	self->backing = g_array_new(FALSE, FALSE, sizeof(viommu_backing));
	self->fd = -1;
	self->info.time = g_strdup("");
	self->info.memory_source = g_strdup("");
	return self;
}

void
viommu_snapshot_free(viommu_snapshot *self)
{
	if (!self)
		return;
	for (guint i = 0; i < self->blocks->len; i++)
		munmap(g_array_index(self->blocks, viommu_snapshot_block, i).bytes,
			g_array_index(self->blocks, viommu_snapshot_block, i).size);
	g_array_unref(self->blocks);
	g_array_unref(self->pages);
	viommu_page_map_free(self->seen);
	g_array_unref(self->backing);
	g_free(self->backing_unknown);
	g_free(self->info.time);
	g_free(self->info.memory_source);
	if (self->fd >= 0)
		close(self->fd);
	if (self->bytes)
		g_bytes_unref(self->bytes);
	viommu_machine_free(self->machine);
	g_free(self);
}

guint
viommu_snapshot_place(viommu_snapshot *self, viommu_gpa gpa)
{
	viommu_snapshot_page page = { .gpa = gpa, .status = VIOMMU_PAGE_NOT_CAPTURED };
	gboolean added;
	guint ret = viommu_page_map_put(self->seen, gpa, self->pages->len, &added);

	if (added)
		g_array_append_val(self->pages, page);
	return ret;
}

static viommu_snapshot_block *
last_block(const viommu_snapshot *self)
{
	return self->blocks->len ? &g_array_index(self->blocks, viommu_snapshot_block, self->blocks->len - 1) : NULL;
}

uint8_t *
viommu_snapshot_room(viommu_snapshot *self, size_t n)
{
	viommu_snapshot_block *last = last_block(self);
	viommu_snapshot_block next = { .size = MAX(last ? NEXT_BLOCK : FIRST_BLOCK, n * VIOMMU_PAGE_SIZE) };

	if (last && (last->size - last->used) / VIOMMU_PAGE_SIZE >= n)
		return last->bytes + last->used;
	next.bytes = mmap(NULL, next.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (next.bytes == MAP_FAILED)
		g_error("no memory for %zu bytes of tables", next.size);
	if (last)
		madvise(next.bytes, next.size, MADV_HUGEPAGE); /* only faster: may fail */
	g_array_append_val(self->blocks, next);
	return next.bytes;
}

void
viommu_snapshot_use(viommu_snapshot *self, size_t n)
{
	last_block(self)->used += n * VIOMMU_PAGE_SIZE;
}

void
viommu_snapshot_add_page(viommu_snapshot *self, viommu_gpa gpa, const uint8_t *data, viommu_page_status status)
{
	guint before = self->pages->len, place;
	viommu_snapshot_page *page;

	g_return_if_fail(!self->sealed);
	place = viommu_snapshot_place(self, gpa);
	if (place < before)
		return;
	page = &g_array_index(self->pages, viommu_snapshot_page, place);
	page->status = status;
	if (data) {
		page->data = memcpy(viommu_snapshot_room(self, 1), data, VIOMMU_PAGE_SIZE);
		viommu_snapshot_use(self, 1);
	}
}

static int
cmp_page(const void *a, const void *b)
{
	const viommu_snapshot_page *x = a, *y = b;

	return x->gpa.v < y->gpa.v ? -1 : x->gpa.v > y->gpa.v;
}

void
viommu_snapshot_seal(viommu_snapshot *self)
{
	g_array_sort(self->pages, cmp_page);
	self->sealed = true;
}

const viommu_machine *
viommu_snapshot_machine(const viommu_snapshot *self)
{
	return self->machine;
}

viommu_machine *
viommu_snapshot_swap_machine(viommu_snapshot *self, viommu_machine *machine)
{
	viommu_machine *ret = self->machine;

	self->machine = machine;
	return ret;
}

const vtd_registers *
viommu_snapshot_registers(const viommu_snapshot *self)
{
	return &self->registers;
}

viommu_capture_info *
viommu_snapshot_info(viommu_snapshot *self)
{
	return &self->info;
}

size_t
viommu_snapshot_pages(const viommu_snapshot *self)
{
	size_t n = 0;

	for (guint i = 0; i < self->pages->len; i++)
		n += g_array_index(self->pages, viommu_snapshot_page, i).status == VIOMMU_PAGE_OK;
	return n;
}

typedef struct {
	viommu_memory base;
	const viommu_snapshot *snapshot;
} snapshot_memory;

static const viommu_snapshot_page *
find_page(const viommu_snapshot *self, viommu_gpa gpa)
{
	size_t low = 0, high = self->pages->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const viommu_snapshot_page *page = &g_array_index(self->pages, viommu_snapshot_page, mid);

		if (page->gpa.v == gpa.v)
			return page;
		if (gpa.v < page->gpa.v)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const uint8_t *
viommu_snapshot_page_bytes(const viommu_snapshot *self, const viommu_snapshot_page *page, uint8_t *buffer)
{
	ssize_t got;

	if (page->data)
		return page->data;
	do
		got = pread(self->fd, buffer, VIOMMU_PAGE_SIZE, (off_t) page->offset);
	while (got < 0 && errno == EINTR);
	return got == VIOMMU_PAGE_SIZE ? buffer : NULL;
}

static gboolean
read_pages(viommu_memory *memory, viommu_page_read *reads, size_t n, G_GNUC_UNUSED GError **error)
{
	const viommu_snapshot *snapshot = ((snapshot_memory *) memory)->snapshot;

	for (size_t i = 0; i < n; i++) {
		const viommu_snapshot_page *page = find_page(snapshot, reads[i].gpa);

		reads[i].data = NULL;
		reads[i].status = page ? page->status : VIOMMU_PAGE_NOT_CAPTURED;
		if (reads[i].status == VIOMMU_PAGE_OK) {
			reads[i].data = viommu_snapshot_page_bytes(snapshot, page, reads[i].buffer);
			if (!reads[i].data)
				reads[i].status = VIOMMU_PAGE_FAILED;
		}
		if (!page && !viommu_machine_ram_at(snapshot->machine, reads[i].gpa))
			reads[i].status = VIOMMU_PAGE_NOT_RAM;
	}
	return TRUE;
}

static void
memory_free(viommu_memory *memory)
{
	g_free(memory);
}

static const viommu_memory_ops ops = { .name = "snapshot", .read_pages = read_pages, .free = memory_free };

viommu_memory *
viommu_snapshot_memory(const viommu_snapshot *self)
{
	snapshot_memory *ret = g_new0(snapshot_memory, 1);

	ret->base.ops = &ops;
	ret->snapshot = self;
	return &ret->base;
}
