/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/pagemap.h"
#include "map/pattern.h"
#include "record/rec-vma.h"
#include "sys/sysfs.h"

enum {
	REGION_SHIFT = 40, /* VFIO_PCI_OFFSET_SHIFT: which region an mmap() is of */
	BARS = 6,
	/* Linux, Documentation/admin-guide/mm/pagemap.rst: /proc/kpageflags. */
	KPF_HUGE = 17,
	KPF_THP = 22,
	FLAGS_MAX = 4096, /* pages of 2 MiB looked at for one mapping */
};

int
rec_devices_add(struct rec_devices *devices, const char *bdf)
{
	char(*grown)[PCI_BDF_LEN];

	for (size_t i = 0; i < devices->n; i++) {
		if (strcmp(devices->bdf[i], bdf) == 0)
			return 0;
	}
	grown = reallocarray(devices->bdf, devices->n + 1, sizeof *grown);
	if (grown == NULL)
		return -1;
	devices->bdf = grown;
	snprintf(grown[devices->n++], PCI_BDF_LEN, "%s", bdf);
	return 0;
}

/* Line number REGION of a device's "resource": its first and last address. */
static bool
bar_range(const char *bdf, unsigned region, viommu_gpa_range *ret)
{
	char path[96], text[2048];
	const char *line = text;

	snprintf(path, sizeof path, "/bus/pci/devices/%s/resource", bdf);
	if (region >= BARS || sysfs_read(path, text, sizeof text) < 0)
		return false;
	for (unsigned i = 0; i < region && line != NULL; i++) {
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return line != NULL && sscanf(line, "%" SCNx64 " %" SCNx64, &ret->first, &ret->last) == 2 &&
	       ret->last > ret->first;
}

/* Up to Linux 6.9, vfio-pci puts the BAR's address where the file's offset would
 * be (vma->vm_pgoff in vfio_pci_core_mmap()); then it names device and region. */
static bool
by_address(struct rec_bar *ret, const struct rec_devices *devices, const struct rec_vma *vma)
{
	for (size_t i = 0; i < devices->n; i++) {
		for (unsigned region = 0; region < BARS; region++) {
			viommu_gpa_range range;

			if (!bar_range(devices->bdf[i], region, &range) || vma->offset < range.first ||
				vma->offset > range.last)
				continue;
			*ret = (struct rec_bar){ devices->bdf[i], region, vma->offset };
			return true;
		}
	}
	return false;
}

/* Later it stays the offset, which has the region's number in its high bits.  All
 * device files share one inode: what tells the devices apart is whether they have
 * such a BAR at all; false when none has, or several. */
static bool
by_offset(struct rec_bar *ret, const struct rec_devices *devices, const struct rec_vma *vma)
{
	const unsigned region = (unsigned) (vma->offset >> REGION_SHIFT);
	const uint64_t offset = vma->offset & (((uint64_t) 1 << REGION_SHIFT) - 1);
	size_t found = 0;

	for (size_t i = 0; i < devices->n; i++) {
		viommu_gpa_range range;

		if (!bar_range(devices->bdf[i], region, &range) || offset > range.last - range.first ||
			vma->last - vma->first > range.last - range.first - offset)
			continue;
		*ret = (struct rec_bar){ devices->bdf[i], region, range.first + offset };
		found++;
	}
	return found == 1;
}

bool
rec_bar_find(struct rec_bar *ret, const struct rec_devices *devices, const struct rec_vma *vma)
{
	return by_address(ret, devices, vma) || by_offset(ret, devices, vma);
}

static void
stop(struct rec_backing *ret, const char *why)
{
	snprintf(ret->why, sizeof ret->why, "%s", why);
	ret->extents.unknown = ret->why;
}

/* The pagemap has no page for VADDR: device memory?  Returns 1 when it took
 * some of LEFT, 0 when it is not known what is there. */
static int
read_device_memory(
	struct rec_backing *ret, pid_t pid, const struct rec_devices *devices, uint64_t vaddr, uint64_t left)
{
	struct rec_vma vma;
	struct rec_bar bar;

	if (!rec_vma_find(pid, vaddr, &vma)) {
		stop(ret, "the program has no memory at that address (any more)");
		return 0;
	}
	if (strstr(vma.path, "[vfio-device]") == NULL && strncmp(vma.path, "/dev/vfio/", 10) != 0) {
		snprintf(ret->why, sizeof ret->why, "the pagemap shows no page in %s",
			vma.path[0] ? vma.path : "the program's memory");
		ret->extents.unknown = ret->why;
		return 0;
	}
	if (!rec_bar_find(&bar, devices, &vma)) {
		stop(ret, "a region of a VFIO device, and several devices have one like it");
		return 0;
	}
	snprintf(ret->bar, sizeof ret->bar, "%s", bar.bdf);
	ret->bar_region = bar.region;
	ret->extents.unknown = NULL;
	if (left > vma.last - vaddr + 1)
		left = vma.last - vaddr + 1;
	return extents_add_run(&ret->extents, bar.address + (vaddr - vma.first), left) < 0 ? -1 : 1;
}

struct huge_pages {
	int kpageflags; /* -1: not opened, or cannot be */
	unsigned looked;
	uint64_t bytes; /* in huge pages of one kind or the other */
	bool hugetlb, small, unsure;
};

static void
look_at_page(struct huge_pages *pages, uint64_t gpa)
{
	uint64_t flags;

	if (pages->kpageflags < 0)
		pages->kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (++pages->looked > FLAGS_MAX || pages->kpageflags < 0 ||
		pread(pages->kpageflags, &flags, sizeof flags, (off_t) (gpa >> VIOMMU_PAGE_SHIFT << 3)) !=
			(ssize_t) sizeof flags) {
		pages->unsure = true;
		return;
	}
	if (flags >> KPF_HUGE & 1)
		pages->hugetlb = true;
	if (flags & ((uint64_t) 1 << KPF_HUGE | (uint64_t) 1 << KPF_THP))
		pages->bytes += PAGE_2M;
	else
		pages->small = true;
}

/* Huge pages are whole and aligned in the extents; where there is no such piece
 * there are small ones only. */
static uint64_t
page_size(const struct rec_backing *backing, pid_t pid, uint64_t vaddr)
{
	struct huge_pages pages = { .kpageflags = -1 };
	struct rec_vma vma;

	for (size_t i = 0; i < backing->extents.n && !pages.unsure; i++) {
		const struct extent *extent = &backing->extents.extent[i];
		const uint64_t end = extent->gpa.v + extent->size;
		uint64_t gpa = (extent->gpa.v + (PAGE_2M - 1)) & ~(PAGE_2M - 1);

		for (; gpa < end && end - gpa >= PAGE_2M && !pages.unsure; gpa += PAGE_2M)
			look_at_page(&pages, gpa);
	}
	if (pages.kpageflags >= 0)
		close(pages.kpageflags);
	if (pages.unsure || (pages.bytes > 0 && pages.bytes != backing->extents.size))
		return 0;
	if (pages.bytes == 0)
		return PAGE_4K;
	if (!pages.hugetlb)
		return PAGE_2M;
	return rec_vma_find(pid, vaddr, &vma) ? rec_vma_huge_page(pid, &vma) : 0;
}

int
rec_memory_read(struct rec_backing *ret, pid_t pid, int pagemap, const struct rec_devices *devices,
	uint64_t vaddr, uint64_t size)
{
	extents_clear(&ret->extents);
	ret->bar[0] = '\0';
	ret->page_size = 0;
	if (pagemap < 0) {
		stop(ret, "the program's pagemap cannot be opened: that takes root");
		return 0;
	}
	while (ret->extents.size < size) {
		const uint64_t done = ret->extents.size;
		int more;

		if (pagemap_read_fd(pagemap, vaddr + done, size - done, &ret->extents) < 0)
			return -1;
		if (ret->extents.unknown == NULL)
			break;
		if (ret->extents.unknown != extents_not_present)
			return 0;
		more = read_device_memory(
			ret, pid, devices, vaddr + ret->extents.size, size - ret->extents.size);
		if (more <= 0)
			return more;
	}
	if (ret->bar[0] == '\0')
		ret->page_size = page_size(ret, pid, vaddr);
	return 0;
}

void
rec_backing_free(struct rec_backing *backing)
{
	extents_free(&backing->extents);
}
