/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the guest itself: its kernel, its command line, its limits. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "sys/cmdline.h"
#include "sys/pagemap.h"

static void
check_switches(struct doctor *doctor)
{
	const int intel = cmdline_switch(doctor->cmdline, "intel_iommu", "on", "off");
	const int scalable = cmdline_switch(doctor->cmdline, "intel_iommu", "sm_on", "sm_off");

	if (cmdline_switch(doctor->cmdline, "iommu", "off", "on") == 1) {
		doctor_check(doctor, VERDICT_FAIL, "iommu=", "iommu=off switches every IOMMU off");
		doctor_fix(doctor, "take it off the kernel command line");
	}
	if (intel == 1) {
		doctor_check(doctor, VERDICT_OK, "intel_iommu=", "on%s",
			scalable == 1 ? ", scalable mode asked for" : "");
	} else if (intel == 0) {
		doctor_check(doctor, VERDICT_FAIL, "intel_iommu=", "off: the kernel does not use the vIOMMU");
		doctor_fix(doctor, "boot the guest with intel_iommu=on");
	} else if (sysfs_exists("/kernel/iommu_groups/0")) {
		doctor_check(doctor, VERDICT_OK,
			"intel_iommu=", "not given, and the kernel has an IOMMU on by default");
	} else {
		doctor_check(doctor, VERDICT_WARN,
			"intel_iommu=", "not given; most kernels then leave the vIOMMU off");
		doctor_fix(doctor, "boot the guest with intel_iommu=on");
	}
}

static void
check_pass_through(struct doctor *doctor)
{
	const bool pt = cmdline_switch(doctor->cmdline, "iommu", "pt", "nopt") == 1;
	const bool passthrough = cmdline_switch(doctor->cmdline, "iommu.passthrough", "1", "0") == 1;

	if (!pt && !passthrough) {
		doctor_check(doctor, VERDICT_OK, "pass-through", "not asked for on the command line");
		return;
	}
	doctor_check(doctor, VERDICT_WARN, "pass-through",
		"%s: the kernel's own drivers bypass translation, so their mappings are in no table; a "
		"device that "
		"VFIO has opened is translated all the same",
		pt ? "iommu=pt" : "iommu.passthrough=1");
	doctor_fix(doctor, "take it off the command line to see the mappings of kernel drivers");
}

void
doctor_kernel(struct doctor *doctor)
{
	struct utsname kernel = { 0 };

	doctor_section(doctor, "Guest");
	(void) uname(&kernel);
	doctor_check(
		doctor, VERDICT_OK, "kernel", "%s %s %s", kernel.sysname, kernel.release, kernel.machine);
	if (read_text_file("/proc/cmdline", doctor->cmdline, sizeof doctor->cmdline) < 0) {
		doctor_check(doctor, VERDICT_SKIP, "command line", "/proc/cmdline cannot be read");
		return;
	}
	doctor_more(doctor, "%s", doctor->cmdline);
	check_switches(doctor);
	check_pass_through(doctor);
}

static void
check_memlock(struct doctor *doctor)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		doctor_check(doctor, VERDICT_OK, "locked memory", "unlimited");
	else if (geteuid() == 0)
		doctor_check(doctor, VERDICT_OK, "locked memory", "%" PRIu64 " KiB; root may pin more",
			(uint64_t) limit.rlim_cur >> 10);
	else {
		doctor_check(doctor, VERDICT_WARN, "locked memory",
			"%" PRIu64 " KiB: mappings beyond that fail with ENOMEM",
			(uint64_t) limit.rlim_cur >> 10);
		doctor_fix(doctor, "ulimit -l unlimited, or run as root");
	}
}

static void
check_pagemap(struct doctor *doctor)
{
	static unsigned char page[2 * VIOMMU_PAGE_SIZE];
	const uintptr_t aligned =
		((uintptr_t) page + VIOMMU_PAGE_SIZE - 1) & ~(uintptr_t) (VIOMMU_PAGE_SIZE - 1);
	volatile unsigned char *touched = page;
	struct extents extents = { 0 };

	for (size_t i = 0; i < sizeof page; i += VIOMMU_PAGE_SIZE)
		touched[i] = 1;
	touched[sizeof page - 1] = 1;
	(void) pagemap_read((const void *) aligned, VIOMMU_PAGE_SIZE, &extents);
	if (extents.unknown == NULL) {
		doctor_check(doctor, VERDICT_OK, "pagemap", "shows guest-physical addresses");
	} else {
		doctor_check(doctor, VERDICT_WARN, "pagemap",
			"guest-physical addresses cannot be recorded: %s", extents.unknown);
		doctor_fix(doctor, "run as root of the guest itself, not of a container in it");
	}
	extents_free(&extents);
}

static void
check_huge_pages(struct doctor *doctor)
{
	char text[2][32];

	if (sysfs_read("/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", text[0], sizeof text[0]) < 0)
		strcpy(text[0], "no");
	if (sysfs_read("/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", text[1], sizeof text[1]) <
		0)
		strcpy(text[1], "no");
	if (strspn(text[0], "0no") == strlen(text[0]) || strspn(text[1], "0no") == strlen(text[1])) {
		/* Only a test of large table entries wants any. */
		doctor_check(doctor, VERDICT_OK, "huge pages",
			"%s of 2 MiB and %s of 1 GiB are free; `map` leaves out what it has none for",
			text[0], text[1]);
		doctor_more(doctor, "to have some: boot with hugepagesz=1G hugepages=1 "
				    "default_hugepagesz=2M hugepagesz=2M "
				    "hugepages=16 and 3 GiB of memory or more");
		return;
	}
	doctor_check(
		doctor, VERDICT_OK, "huge pages", "%s of 2 MiB and %s of 1 GiB are free", text[0], text[1]);
}

void
doctor_limits(struct doctor *doctor)
{
	doctor_section(doctor, "Memory");
	check_memlock(doctor);
	check_pagemap(doctor);
	check_huge_pages(doctor);
}
