/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From L1's pages to L0's: GPA -> HVA in the QEMU process, which QEMU tells of each RAM
 * region, -> HPA by the process's pagemap.  Only of pages that an assigned device
 * reaches through its table; the kernel has pinned those, so they do not move.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "sources.h"

/* Stretches that a snapshot holds; more would not fit into its note. */
#define STRETCHES (1u << 19)
/* Entries of the pagemap a read. */
#define BATCH 8192

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_PFN ((1ull << 55) - 1)

/* The pages of one RAM region, a bit each: so that what L1 maps again and again costs
 * no more than its RAM. */
typedef struct {
	viommu_ram_window window;
	uint64_t pages;
	uint8_t *wanted; /* NULL: none is */
} region;

typedef struct {
	GArray *regions; /* of region */
	bool incomplete; /* more tables than one walk visits */
} plan;

static void
region_clear(void *data)
{
	g_free(((region *) data)->wanted);
}

static void
want(region *r, uint64_t first, uint64_t last)
{
	if (!r->wanted)
		r->wanted = g_malloc0(r->pages / 8 + 1);
	while (first <= last && first % 8)
		r->wanted[first / 8] |= (uint8_t) (1u << first % 8), first++;
	if (first <= last && last - first >= 7) {
		uint64_t bytes = (last - first + 1) / 8;

		memset(r->wanted + first / 8, 0xff, bytes);
		first += bytes * 8;
	}
	for (; first <= last; first++)
		r->wanted[first / 8] |= (uint8_t) (1u << first % 8);
}

static bool
is_wanted(const region *r, uint64_t page)
{
	return r->wanted[page / 8] >> page % 8 & 1;
}

static void
on_run(const vtd_run *run, void *user)
{
	plan *p = user;
	uint64_t first = run->gpa.v, last = first + (run->iova.last - run->iova.first);

	p->incomplete |= run->kind == VTD_RUN_UNVISITED;
	if (run->kind != VTD_RUN_MAPPED || last < first)
		return;
	for (guint i = 0; i < p->regions->len; i++) {
		region *r = &g_array_index(p->regions, region, i);
		uint64_t from = MAX(first, r->window.gpa.first);
		uint64_t to = MIN(last, r->window.gpa.first + (r->pages * VIOMMU_PAGE_SIZE - 1));

		if (from <= to)
			want(r, (from - r->window.gpa.first) >> VIOMMU_PAGE_SHIFT, (to - r->window.gpa.first) >> VIOMMU_PAGE_SHIFT);
	}
}

bool
viommu_pci_is_assigned(const viommu_pci_device *device)
{
	return g_str_has_prefix(device->driver, "vfio-pci");
}

static gboolean
plan_devices(plan *p, const viommu_snapshot *snapshot, GError **error)
{
	const viommu_machine *machine = viommu_snapshot_machine(snapshot);
	g_autoptr(viommu_memory) memory = viommu_snapshot_memory(snapshot);
	g_autoptr(GHashTable) known = vtd_tables_new(g_free);
	vtd_budget budget = VTD_DEFAULT_BUDGET;
	vtd_unit unit;

	viommu_machine_unit(machine, viommu_snapshot_registers(snapshot), &unit);
	for (guint i = 0; i < machine->pci->len; i++) {
		const viommu_pci_device *pci = &g_array_index(machine->pci, viommu_pci_device, i);
		vtd_device device;

		if (!viommu_pci_is_assigned(pci) || viommu_machine_bypassed(machine, pci->sid))
			continue;
		if (!vtd_find_device(&unit, memory, viommu_machine_alias(machine, pci->sid), &device, error))
			return FALSE;
		if (device.outcome != VTD_TRANSLATES || !g_hash_table_add(known, g_memdup2(&device, sizeof(device))))
			continue;
		if (!vtd_walk_device(&unit, memory, &device, &budget, on_run, p, error))
			return FALSE;
	}
	return TRUE;
}

/* ---- the pagemap ------------------------------------------------------------------ */

/* false: no more can be read, and the snapshot says why. */
static bool
add_page(viommu_snapshot *snapshot, viommu_gpa gpa, uint64_t entry)
{
	viommu_backing page = { .gpa = { gpa.v, gpa.v + (VIOMMU_PAGE_SIZE - 1) } };

	if (!(entry & PAGEMAP_PRESENT))
		return true;
	page.hpa.v = (entry & PAGEMAP_PFN) << VIOMMU_PAGE_SHIFT;
	if (page.hpa.v == 0) {
		viommu_snapshot_set_backing_unknown(snapshot,
			"the kernel hides physical addresses in /proc/PID/pagemap from this user (it takes CAP_SYS_ADMIN: run as root)");
		return false;
	}
	viommu_snapshot_add_backing(snapshot, &page);
	if (viommu_snapshot_backing(snapshot)->len < STRETCHES)
		return true;
	viommu_snapshot_set_backing_unknown(snapshot,
		"L1's pages are scattered over more stretches of the host's memory than a snapshot holds");
	return false;
}

/* count pages from the first one; stops where reading does. */
static bool
read_pages(viommu_snapshot *snapshot, const region *r, uint64_t first, size_t count, int fd)
{
	uint64_t entries[BATCH];
	uint64_t at = (r->window.hva.v >> VIOMMU_PAGE_SHIFT) + first;
	ssize_t got = pread(fd, entries, count * sizeof(*entries), (off_t) (at * sizeof(*entries)));

	if (got < 0 || (size_t) got != count * sizeof(*entries)) {
		viommu_snapshot_set_backing_unknown(snapshot,
			got < 0 ? "the pagemap of the QEMU process could not be read" : "the pagemap of the QEMU process is cut short");
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (is_wanted(r, first + i) &&
			!add_page(snapshot, VIOMMU_GPA(r->window.gpa.first + (first + i) * VIOMMU_PAGE_SIZE), entries[i]))
			return false;
	return true;
}

static bool
read_region(viommu_snapshot *snapshot, const region *r, int fd)
{
	for (uint64_t page = 0; r->wanted && page < r->pages;) {
		if (page % 8 == 0 && r->wanted[page / 8] == 0) {
			page += 8;
			continue;
		}
		if (!is_wanted(r, page)) {
			page++;
			continue;
		}
		if (!read_pages(snapshot, r, page, (size_t) MIN(BATCH, r->pages - page), fd))
			return false;
		page += BATCH;
	}
	return true;
}

static void
read_pagemap(viommu_snapshot *snapshot, const plan *p, pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", (int) pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0;

	if (!ok) {
		g_autofree char *why = g_strdup_printf("/proc/%d/pagemap: %s", (int) pid, g_strerror(errno));

		viommu_snapshot_set_backing_unknown(snapshot, why);
	}
	for (guint i = 0; ok && i < p->regions->len; i++)
		ok = read_region(snapshot, &g_array_index(p->regions, region, i), fd);
	if (fd >= 0)
		close(fd);
}

gboolean
viommu_backing_collect(viommu_snapshot *snapshot, const viommu_memory *process, GError **error)
{
	g_autoptr(GArray) regions = g_array_new(FALSE, FALSE, sizeof(region));
	plan p = { .regions = regions };
	pid_t pid = 0;
	const GArray *windows = viommu_memory_process_windows(process, &pid);

	g_array_set_clear_func(regions, region_clear);
	for (guint i = 0; i < windows->len; i++) {
		region r = { .window = g_array_index(windows, viommu_ram_window, i) };

		r.pages = ((r.window.gpa.last - r.window.gpa.first) >> VIOMMU_PAGE_SHIFT) + 1;
		if (((r.window.gpa.last + 1) | r.window.gpa.first | r.window.hva.v) & ~VIOMMU_PAGE_MASK)
			continue; /* no region that a device can be given pages of */
		g_array_append_val(regions, r);
	}
	if (!plan_devices(&p, snapshot, error))
		return FALSE;
	if (p.incomplete)
		viommu_snapshot_set_backing_unknown(snapshot, "L1's tables lead to more tables than one walk visits");
	read_pagemap(snapshot, &p, pid);
	return TRUE;
}
