/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's log has about the IOMMU and VFIO. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"

enum { RECORD_MAX = 8192 }; /* of /dev/kmsg, Documentation/ABI/testing/dev-kmsg */

static const struct hint {
	const char *text; /* what a line has in it */
	enum verdict verdict;
	const char *name;
	const char *meaning;
	const char *fix;
} hints[] = {
	{ "IOMMU batching disallowed due to virtualization", VERDICT_OK, "CM in dmesg",
		"the kernel saw caching mode and announces each mapping on its own", NULL },
	/* Before Linux 5.13. */
	{ "Disable batched IOTLB flush due to virtualization", VERDICT_OK, "CM in dmesg",
		"the kernel saw caching mode and announces each mapping on its own", NULL },
	{ "DMAR: [", VERDICT_WARN, "DMA faults", "the IOMMU refused what a device did",
		"on the host: viommu walk -q … BDF ADDRESS says which entry refuses it" },
	{ "o interrupt remapping", VERDICT_WARN, "intr. remapping",
		"VFIO found no interrupt remapping, so VFIO_SET_IOMMU gives EPERM",
		"QEMU: -device intel-iommu,intremap=on" },
	{ "RLIMIT_MEMLOCK", VERDICT_WARN, "locked memory", "a program came to its limit: MAP_DMA gave ENOMEM",
		"ulimit -l unlimited before it is started" },
	{ "iommu width (", VERDICT_WARN, "address width", "an IOVA was beyond the vIOMMU's width",
		"QEMU: -device intel-iommu,aw-bits=48" },
	{ "due to platform RMRR requirement", VERDICT_FAIL, "RMRR",
		"the firmware reserves memory for a device, which VFIO then cannot have",
		"choose another device; its driver has to stay" },
	{ "Invalidation Queue Error", VERDICT_WARN, "invalidation",
		"the vIOMMU refused an invalidation, so caches may be stale",
		"on the host: viommu dump -q … shows the queue" },
	{ "ERROR: DMA PTE for vPFN", VERDICT_WARN, "tables", "a mapping was written over another one", NULL },
};

enum { N_HINTS = sizeof hints / sizeof hints[0] };

struct seen {
	unsigned n;
	char line[256]; /* the last one */
};

/* A record is "priority,sequence,time,…;text\n" and lines of continuation. */
static void
take_record(char *record, struct seen *seen)
{
	char *text = strchr(record, ';');

	if (text == NULL)
		return;
	text++;
	text[strcspn(text, "\n")] = '\0';
	for (size_t i = 0; i < N_HINTS; i++) {
		if (strstr(text, hints[i].text) == NULL)
			continue;
		seen[i].n++;
		snprintf(seen[i].line, sizeof seen[i].line, "%s", text);
	}
}

static void
tell(struct doctor *doctor, const struct seen *seen)
{
	bool any = false;

	for (size_t i = 0; i < N_HINTS; i++) {
		if (seen[i].n == 0)
			continue;
		any = true;
		doctor_check(doctor, hints[i].verdict, hints[i].name, "%s", hints[i].meaning);
		doctor_more(doctor, "%s%s", seen[i].line, seen[i].n > 1 ? " (and more like it)" : "");
		if (hints[i].fix != NULL)
			doctor_fix(doctor, "%s", hints[i].fix);
	}
	if (!any)
		doctor_check(doctor, VERDICT_OK, "dmesg", "nothing about trouble with the IOMMU or VFIO");
}

void
doctor_log(struct doctor *doctor)
{
	struct seen seen[N_HINTS] = { 0 };
	char record[RECORD_MAX + 1];
	int fd;

	doctor_section(doctor, "Kernel log");
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		doctor_check(doctor, VERDICT_SKIP, "dmesg", "%s%s", strerror(errno),
			errno == EPERM || errno == EACCES ? "; run as root to look at it" : "");
		return;
	}
	for (;;) {
		const ssize_t got = read(fd, record, RECORD_MAX);

		if (got > 0) {
			record[got] = '\0';
			take_record(record, seen);
		} else if (got == 0 || (errno != EPIPE && errno != EINTR)) {
			break; /* EPIPE: some were overwritten meanwhile */
		}
	}
	close(fd);
	tell(doctor, seen);
}
