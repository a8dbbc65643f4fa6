/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trial: one page mapped and unmapped, and what the ioctls answer. */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "doctor/doctor.h"
#include "map/backend.h"
#include "map/buffer.h"
#include "sys/errno-table.h"
#include "sys/errno-text.h"

/* VFIO_IOMMU_ENABLE is where many people stop, for no reason. */
static void
try_enable(struct doctor *doctor, struct vfio *vfio)
{
	const struct errno_meaning *meaning = errno_meaning(ERRNO_ENABLE, ENOTTY);

	if (ioctl(vfio->container, VFIO_IOMMU_ENABLE) == 0) {
		doctor_check(doctor, VERDICT_WARN, "IOMMU_ENABLE",
			"succeeded, which a type1 container does not do");
		return;
	}
	if (errno != ENOTTY) {
		doctor_check(doctor, VERDICT_WARN, "IOMMU_ENABLE", "%s, where type1 answers ENOTTY",
			errno_name(errno));
		return;
	}
	doctor_check(doctor, VERDICT_OK, "IOMMU_ENABLE",
		"VFIO_IOMMU_ENABLE gives ENOTTY: %s. So %s, as shown next. %s", meaning->why, meaning->todo,
		meaning->more);
}

static void
try_map(struct doctor *doctor, struct backend *backend)
{
	const struct backend_kind *kind = backend->kind;
	const struct pattern_item item = { .size = PAGE_4K, .page_size = PAGE_4K };
	struct prng prng = { 1 };
	struct buffer buffer = { 0 };
	struct probe_error error;
	uint64_t iova = 0x40000000, gone = 0;
	int err;

	if (!iova_ranges_hold(backend->ranges, iova, PAGE_4K))
		iova = backend->ranges->range[0].first;
	if (buffer_alloc(&buffer, &item, &prng, &error) < 0) {
		doctor_check(doctor, VERDICT_SKIP, kind->map_call, "%s", error.text);
		return;
	}
	err = kind->map(backend, VIOMMU_IOVA(iova), PAGE_4K, buffer.addr, DMA_PROT_READ | DMA_PROT_WRITE);
	if (err < 0) {
		doctor_check(doctor, VERDICT_FAIL, kind->map_call, "one page at IOVA 0x%" PRIx64 ": %s: %s",
			iova, errno_name(-err), kind->map_hint(-err));
	} else {
		doctor_check(
			doctor, VERDICT_OK, kind->map_call, "one page at IOVA 0x%" PRIx64 " mapped", iova);
		err = kind->unmap(backend, VIOMMU_IOVA(iova), PAGE_4K, &gone);
		doctor_check(doctor, err == 0 && gone == PAGE_4K ? VERDICT_OK : VERDICT_FAIL,
			kind->unmap_call, "%s, 0x%" PRIx64 " bytes unmapped",
			err == 0 ? "done" : errno_name(-err), gone);
	}
	buffer_free(&buffer);
}

static void
tell_ranges(struct doctor *doctor, const struct iova_ranges *ranges)
{
	if (!ranges->from_kernel)
		doctor_more(doctor, "the kernel (before 5.4) does not tell which IOVAs it allows");
	for (size_t i = 0; ranges->from_kernel && i < ranges->n; i++)
		doctor_more(doctor, "IOVAs allowed: 0x%" PRIx64 " - 0x%" PRIx64, ranges->range[i].first,
			ranges->range[i].last);
}

/* Opens the device in an address space of its own.  BAD: the verdict when that
 * fails; NAME: of the check; SEEN: what to say when it worked. */
static bool
try_open(struct doctor *doctor, const struct backend_kind *kind, struct backend *ret, enum verdict bad,
	const char *name, const char *seen)
{
	struct probe_error error;

	if (kind->open(ret, &doctor->device, &error) < 0) {
		const bool cannot_look = error.err == EBUSY || error.err == EACCES;

		doctor_check(doctor, cannot_look ? VERDICT_SKIP : bad, name, "%s", error.text);
		return false;
	}
	doctor_check(doctor, VERDICT_OK, name, "%s, %s is open and attached", seen, doctor->device.bdf);
	tell_ranges(doctor, ret->ranges);
	return true;
}

static void
try_iommufd(struct doctor *doctor)
{
	struct backend backend;

	if (!doctor->has_iommufd)
		return;
	/* Most programs do without it, so it is no reason to say FAIL. */
	if (!try_open(doctor, &backend_iommufd, &backend, VERDICT_WARN, "ATTACH_IOMMUFD",
		    "bound to an iommufd"))
		return;
	try_map(doctor, &backend);
	backend.kind->close(&backend);
}

void
doctor_trial(struct doctor *doctor)
{
	struct backend backend;

	doctor_section(doctor, "Trial");
	if (!doctor->device_found || doctor->device.group < 0 ||
		strcmp(doctor->device.driver, "vfio-pci") != 0) {
		doctor_check(doctor, VERDICT_SKIP, "mapping",
			"needs a device in an IOMMU group that is bound to vfio-pci");
		return;
	}
	if (try_open(doctor, &backend_vfio, &backend, VERDICT_FAIL, "SET_IOMMU", "type1v2 set")) {
		if (backend.vfio.info.available >= 0)
			doctor_more(doctor, "mappings still available: %" PRId64, backend.vfio.info.available);
		try_enable(doctor, &backend.vfio);
		try_map(doctor, &backend);
		backend.kind->close(&backend);
	}
	try_iommufd(doctor);
}
