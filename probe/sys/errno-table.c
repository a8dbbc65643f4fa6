/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/errno-table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MEMLOCK "raise the locked-memory limit (ulimit -l unlimited) or free some memory"
#define INTREMAP "give QEMU -device intel-iommu,intremap=on (with KVM: -machine kernel-irqchip=split)"
#define VIABLE                                                                                               \
	"bind the other devices of the group to vfio-pci too, or unbind them (viommu-probe doctor BDF "      \
	"names them)"
#define IN_USE "stop the other program that has it (a QEMU, or another viommu-probe); fuser -v finds it"

static const struct {
	const char *name; /* as it is shown */
	const char *key;  /* what tells it, without the prefixes */
} calls[] = {
	[ERRNO_OPEN_CONTAINER] = { "open /dev/vfio/vfio", "/dev/vfio/vfio" },
	[ERRNO_OPEN_GROUP] = { "open /dev/vfio/N", "/dev/vfio/N" },
	[ERRNO_SET_CONTAINER] = { "VFIO_GROUP_SET_CONTAINER", "SET_CONTAINER" },
	[ERRNO_SET_IOMMU] = { "VFIO_SET_IOMMU", "SET_IOMMU" },
	[ERRNO_ENABLE] = { "VFIO_IOMMU_ENABLE", "ENABLE" },
	[ERRNO_GET_DEVICE_FD] = { "VFIO_GROUP_GET_DEVICE_FD", "GET_DEVICE_FD" },
	[ERRNO_MAP_DMA] = { "VFIO_IOMMU_MAP_DMA", "MAP_DMA" },
	[ERRNO_UNMAP_DMA] = { "VFIO_IOMMU_UNMAP_DMA", "UNMAP_DMA" },
	[ERRNO_BIND_IOMMUFD] = { "VFIO_DEVICE_BIND_IOMMUFD", "BIND_IOMMUFD" },
	[ERRNO_ATTACH_IOMMUFD] = { "VFIO_DEVICE_ATTACH_IOMMUFD_PT", "ATTACH_IOMMUFD_PT" },
	[ERRNO_IOAS_MAP] = { "IOMMU_IOAS_MAP", "IOAS_MAP" },
	[ERRNO_IOAS_UNMAP] = { "IOMMU_IOAS_UNMAP", "IOAS_UNMAP" },
};

/* From drivers/vfio, drivers/iommu/iommufd and drivers/iommu/intel of Linux
 * 6.1 and 6.12. */
static const struct errno_meaning meanings[] = {
	{ ERRNO_OPEN_CONTAINER, ENOENT, "the vfio module is not loaded", "modprobe vfio-pci",
		"The kernel may lack it: CONFIG_VFIO, CONFIG_VFIO_CONTAINER, CONFIG_VFIO_IOMMU_TYPE1." },
	{ ERRNO_OPEN_CONTAINER, ENODEV, "the node is there, but the vfio module is not", "modprobe vfio-pci",
		NULL },
	{ ERRNO_OPEN_CONTAINER, EACCES, "the file's owner and mode forbid it",
		"run as root, or let a udev rule give it to your group", NULL },

	{ ERRNO_OPEN_GROUP, ENOENT, "no device of that IOMMU group is bound to vfio-pci",
		"bind it: viommu-probe map BDF --bind, or the commands that viommu-probe doctor BDF shows",
		"The node is made by the kernel in a devtmpfs; a /dev of another kind does not get it.\n"
		"A node noiommu-N instead says that no IOMMU translates for the group: the guest's IOMMU is "
		"off." },
	{ ERRNO_OPEN_GROUP, ENODEV, "the group has no device bound to vfio-pci any more",
		"bind it again (viommu-probe doctor BDF shows the commands)", NULL },
	{ ERRNO_OPEN_GROUP, EBUSY, "a group can be open once, and another program has it", IN_USE,
		"The same program may have it open: a group's file cannot be opened twice, only duplicated.\n"
		"A device of the group may be in use through /dev/vfio/devices and iommufd." },
	{ ERRNO_OPEN_GROUP, EACCES, "the file's owner and mode forbid it",
		"run as root, or let a udev rule give /dev/vfio/N to your group", NULL },
	{ ERRNO_OPEN_GROUP, EPERM, "it is a no-IOMMU group, and those are for CAP_SYS_RAWIO",
		"switch the guest's IOMMU on instead: QEMU -device intel-iommu, kernel intel_iommu=on",
		NULL },

	{ ERRNO_SET_CONTAINER, EPERM,
		"the group is not viable: another device of it has a driver of the kernel", VIABLE,
		"A no-IOMMU group needs CAP_SYS_RAWIO.\n"
		"If the container has its IOMMU already: what VFIO_SET_IOMMU's EPERM says." },
	{ ERRNO_SET_CONTAINER, EINVAL, "the group is in a container already",
		"VFIO_GROUP_UNSET_CONTAINER first, or go on with the container that it is in",
		"The argument is a pointer to a file descriptor of /dev/vfio/vfio, not the descriptor "
		"itself.\n"
		"The container has another IOMMU type than the group can use, or mappings where the group's "
		"reserved regions are." },
	{ ERRNO_SET_CONTAINER, EBADF, "what the pointer points to is no open file descriptor",
		"open /dev/vfio/vfio and pass the address of that descriptor", NULL },
	{ ERRNO_SET_CONTAINER, EBUSY, "a device of the group is in use through iommufd or by another owner",
		IN_USE, NULL },
	{ ERRNO_SET_CONTAINER, ENODEV, "the group has lost its devices", "bind one to vfio-pci again", NULL },

	{ ERRNO_SET_IOMMU, EPERM, "the IOMMU has no interrupt remapping", INTREMAP,
		"At your own risk, in a guest that is trusted: modprobe vfio_iommu_type1 "
		"allow_unsafe_interrupts=1. dmesg has \"No interrupt remapping support\" or \"no interrupt "
		"isolation\" then." },
	{ ERRNO_SET_IOMMU, ENODEV, "no driver for that type of IOMMU is loaded", "modprobe vfio_iommu_type1",
		"Types are 1 (TYPE1) and 3 (TYPE1v2) here; 2 and 7 (sPAPR) are for POWER." },
	{ ERRNO_SET_IOMMU, EINVAL, "the container has no group yet, or has its IOMMU set already",
		"call VFIO_GROUP_SET_CONTAINER first, and this once", NULL },
	{ ERRNO_SET_IOMMU, EBUSY, "the group's devices are in another domain: somebody else owns their DMA",
		IN_USE, NULL },
	{ ERRNO_SET_IOMMU, EIO, "no domain could be had for the group",
		"see dmesg for what the IOMMU driver says", NULL },

	{ ERRNO_ENABLE, ENOTTY,
		"that is the right answer: the call belongs to the sPAPR TCE backend (POWER), and a type1 "
		"container has no such ioctl, on bare metal neither",
		"leave the call out: VFIO_SET_IOMMU has enabled the container, and VFIO_IOMMU_MAP_DMA works "
		"now",
		"It is not a limit of nested virtualization, nor of the vIOMMU." },
	{ ERRNO_ENABLE, EINVAL, "the container has no IOMMU set",
		"call VFIO_SET_IOMMU; after that this call gives ENOTTY on type1, which is right", NULL },

	{ ERRNO_GET_DEVICE_FD, ENODEV, "the group has no device of that name bound to vfio-pci",
		"give the name as sysfs has it (0000:00:04.0), and bind the device to vfio-pci", NULL },
	{ ERRNO_GET_DEVICE_FD, EINVAL, "the group is in no container that has its IOMMU set",
		"call VFIO_GROUP_SET_CONTAINER and VFIO_SET_IOMMU first", NULL },
	{ ERRNO_GET_DEVICE_FD, EPERM, "it is a no-IOMMU group, and those are for CAP_SYS_RAWIO",
		"switch the guest's IOMMU on instead", NULL },
	{ ERRNO_GET_DEVICE_FD, EBUSY, "the device is in use through iommufd", IN_USE, NULL },
	{ ERRNO_GET_DEVICE_FD, EACCES,
		"the device is a virtual function whose physical function has a VF token",
		"append the token to the name: \"0000:01:10.0 vf_token=UUID\"", NULL },

	{ ERRNO_MAP_DMA, ENOMEM, "the pages could not be pinned", MEMLOCK,
		"dmesg has \"RLIMIT_MEMLOCK (N) exceeded\" if it was the limit. It counts pinned pages of "
		"all "
		"containers of the process; root of the guest itself is not bound by it.\n"
		"Without that line: no memory for the tables or for the pages themselves." },
	{ ERRNO_MAP_DMA, ENOSPC,
		"the container has no mappings left, see "
		"/sys/module/vfio_iommu_type1/parameters/dma_entry_limit",
		"unmap what is not needed, map larger pieces, or write a larger number there before the "
		"container "
		"is opened",
		"A virtio-mem or a balloon that maps page by page comes to 65535 quickly." },
	{ ERRNO_MAP_DMA, EEXIST, "something is already mapped at this IOVA",
		"unmap it first: VFIO has no mapping over a mapping",
		"If an identical mapping is asked for once more, as when a listener is replayed, nothing is "
		"wrong.\n"
		"In a QEMU whose guest has a vIOMMU: an unmap of the guest may have got lost on the way." },
	{ ERRNO_MAP_DMA, EINVAL, "the IOVA is outside the ranges this IOMMU allows, or not page aligned",
		"take IOVAs from the ranges that VFIO_IOMMU_GET_INFO lists (viommu-probe doctor BDF shows "
		"them)",
		"Beyond the width: a vIOMMU of QEMU has 39 bits unless intel-iommu,aw-bits=48 is given.\n"
		"0xfee00000 - 0xfeefffff is for interrupts, and never to be had.\n"
		"iova, vaddr and size must be multiples of the page size, and size not 0.\n"
		"iova + size must not wrap: the last page of the 64-bit space cannot be mapped by some "
		"kernels.\n"
		"Neither VFIO_DMA_MAP_FLAG_READ nor _WRITE is set, or argsz is too small.\n"
		"The container has no IOMMU set (VFIO_SET_IOMMU)." },
	{ ERRNO_MAP_DMA, EFAULT, "the kernel could not pin the memory behind the mapping",
		"map memory that is there and may be written if the mapping has WRITE",
		"The address is not mapped in the program, or read-only while the mapping asks for WRITE.\n"
		"It is a device's memory whose pages are not known to VFIO, or whose device is switched "
		"off.\n"
		"It is a shared, writable mapping of a file on disk, which Linux 6.12 no longer pins for "
		"long: use a memfd, tmpfs or hugetlbfs.\n"
		"dmesg has \"iommu width (N) is not sufficient\": the IOVA is beyond the vIOMMU's width." },
	{ ERRNO_MAP_DMA, EPERM,
		"VFIO itself never gives it here: a seccomp filter or a security module forbids the call",
		"run the program outside of its sandbox, or allow the call there (a container's seccomp "
		"profile, systemd's SystemCallFilter=)",
		"If it came from VFIO_SET_IOMMU, ask about that: it is about interrupt remapping." },
	{ ERRNO_MAP_DMA, ENOENT,
		"VFIO_DMA_MAP_FLAG_VADDR gives an existing mapping a new address, and there is none",
		"leave the flag out to make a mapping", NULL },
	{ ERRNO_MAP_DMA, ENOTTY, "this backend has no such operation",
		"the file is not a container (/dev/vfio/vfio) whose IOMMU type is 1 or 3", NULL },
	{ ERRNO_MAP_DMA, EOPNOTSUPP, "the memory cannot be pinned for long (a file on DAX storage)",
		"use anonymous memory, a memfd or huge pages", NULL },

	{ ERRNO_UNMAP_DMA, EINVAL, "the range would cut a mapping in two, or is not page aligned",
		"unmap what was mapped, as a whole; type1v2 splits nothing",
		"Up to the top of the 64-bit space, size overflows in some kernels: unmap in two parts, or "
		"with "
		"VFIO_DMA_UNMAP_FLAG_ALL (Linux 5.12), iova and size 0.\n"
		"The container has no IOMMU set (VFIO_SET_IOMMU).\n"
		"With VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP: dirty tracking is off, or the bitmap has another "
		"size.\n"
		"Nothing mapped in the range is no error: the call succeeds, and size is 0 then." },
	{ ERRNO_UNMAP_DMA, EBUSY, "VFIO_DMA_UNMAP_FLAG_VADDR is set, and the container has a mediated device",
		"unmap without that flag", NULL },
	{ ERRNO_UNMAP_DMA, EFAULT, "the argument or the bitmap is not in the program's memory",
		"pass addresses that are mapped", NULL },
	{ ERRNO_UNMAP_DMA, ENOTTY, "this backend has no such operation",
		"the file is not a container (/dev/vfio/vfio) whose IOMMU type is 1 or 3", NULL },

	{ ERRNO_BIND_IOMMUFD, EBUSY, "the device's group is open through /dev/vfio/N", IN_USE, NULL },
	{ ERRNO_BIND_IOMMUFD, EINVAL, "the device is bound to an iommufd already", IN_USE,
		"The argument's argsz or flags are not those that this kernel knows." },
	{ ERRNO_BIND_IOMMUFD, EPERM,
		"another owner has the DMA of its group, or interrupts cannot be isolated", VIABLE,
		"No interrupt remapping: " INTREMAP "." },
	{ ERRNO_BIND_IOMMUFD, EBADF, "the descriptor in the argument is not one of /dev/iommu",
		"open /dev/iommu", NULL },
	{ ERRNO_BIND_IOMMUFD, ENOTTY, "the file is not a VFIO character device",
		"open /dev/vfio/devices/vfioN; it needs Linux 6.6 with CONFIG_VFIO_DEVICE_CDEV", NULL },

	{ ERRNO_ATTACH_IOMMUFD, EINVAL, "the IOAS has mappings where the device cannot have them",
		"look at IOMMU_IOAS_IOVA_RANGES, and unmap what is beyond or in a reserved region",
		"The device is not bound (VFIO_DEVICE_BIND_IOMMUFD), or the page table is for another "
		"IOMMU." },
	{ ERRNO_ATTACH_IOMMUFD, ENOENT, "there is no IOAS or page table of that number in the iommufd",
		"pass what IOMMU_IOAS_ALLOC or IOMMU_HWPT_ALLOC returned", NULL },
	{ ERRNO_ATTACH_IOMMUFD, EBUSY, "the device, or another of its group, is attached elsewhere",
		"VFIO_DEVICE_DETACH_IOMMUFD_PT first", NULL },
	{ ERRNO_ATTACH_IOMMUFD, EPERM, "the device's interrupts cannot be isolated", INTREMAP, NULL },

	{ ERRNO_IOAS_MAP, ENOENT, "there is no such IOAS", "pass the number that IOMMU_IOAS_ALLOC returned",
		NULL },
	{ ERRNO_IOAS_MAP, EEXIST, "something is already mapped at this IOVA", "unmap it first", NULL },
	{ ERRNO_IOAS_MAP, ENOSPC, "there is no free IOVA of that size",
		"give one with IOMMU_IOAS_MAP_FIXED_IOVA",
		"iommufd has no dma_entry_limit: it is never about a number of mappings." },
	{ ERRNO_IOAS_MAP, EINVAL,
		"the IOVA is outside the ranges this IOMMU allows (IOMMU_IOAS_IOVA_RANGES), or not page "
		"aligned",
		"take IOVAs from those ranges",
		"Beyond the width: a vIOMMU of QEMU has 39 bits unless intel-iommu,aw-bits=48 is given.\n"
		"0xfee00000 - 0xfeefffff is for interrupts.\n"
		"Neither IOMMU_IOAS_MAP_READABLE nor _WRITEABLE is set, or length is 0." },
	{ ERRNO_IOAS_MAP, EOVERFLOW, "the mapping would run past the top of the 64-bit address space",
		"let it end there", NULL },
	{ ERRNO_IOAS_MAP, EFAULT, "the kernel could not pin the memory behind the mapping",
		"map memory that is there and may be written if the mapping is writable; a device's memory "
		"(a BAR) is not mapped through an IOAS of Linux 6.12",
		"QEMU maps the BARs of assigned devices for each other and goes on without: only DMA from "
		"one of them to another is missing then." },
	{ ERRNO_IOAS_MAP, ENOMEM, "the pages could not be pinned", MEMLOCK,
		"iommufd counts against the user's locked memory, for root as well unless it has "
		"CAP_IPC_LOCK." },
	{ ERRNO_IOAS_MAP, EOPNOTSUPP, "a flag is set that this kernel does not know", "leave it out", NULL },

	{ ERRNO_IOAS_UNMAP, ENOENT, "nothing is mapped there, or there is no such IOAS",
		"nothing needs to be done if the number of the IOAS is right",
		"A range that cuts a mapping in two is refused with ENOENT as well." },
	{ ERRNO_IOAS_UNMAP, EBUSY, "another thread is mapping or unmapping the same addresses just now",
		"let one thread at a time work on one range", NULL },
	{ ERRNO_IOAS_UNMAP, EDEADLK,
		"the driver of a mediated device was asked to let go of these pages, and did not",
		"close that device first; dmesg has a warning", NULL },
	{ ERRNO_IOAS_UNMAP, EINVAL, "length is 0", "give iova and length of a mapping",
		"Everything is unmapped with iova 0 and length 2^64 - 1." },
	{ ERRNO_IOAS_UNMAP, EOVERFLOW, "the range wraps past the top of the 64-bit space",
		"give iova and length of a mapping", NULL },
};

const char *
errno_call_name(enum errno_call call)
{
	return calls[call].name;
}

/* TEXT without the beginnings that do not tell. */
static const char *
strip(const char *text)
{
	static const char *const prefixes[] = { "VFIO_", "IOMMU_", "GROUP_", "DEVICE_" };
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
			if (strncasecmp(text, prefixes[i], strlen(prefixes[i])) == 0) {
				text += strlen(prefixes[i]);
				again = true;
			}
		}
	}
	return text;
}

bool
errno_call_parse(const char *text, enum errno_call *ret)
{
	if (strncasecmp(text, "open ", 5) == 0)
		text += 5;
	if (strcmp(text, calls[ERRNO_OPEN_CONTAINER].key) == 0) {
		*ret = ERRNO_OPEN_CONTAINER;
		return true;
	}
	if (strncmp(text, "/dev/vfio/", 10) == 0 &&
		(isdigit((unsigned char) text[10]) || strcmp(text + 10, "N") == 0)) {
		*ret = ERRNO_OPEN_GROUP;
		return true;
	}
	for (unsigned call = 0; call < ERRNO_CALLS; call++) {
		if (strcasecmp(strip(text), calls[call].key) == 0) {
			*ret = (enum errno_call) call;
			return true;
		}
	}
	return false;
}

const struct errno_meaning *
errno_meaning_next(enum errno_call call, const struct errno_meaning *after)
{
	const struct errno_meaning *end = meanings + sizeof meanings / sizeof meanings[0];

	for (const struct errno_meaning *row = after != NULL ? after + 1 : meanings; row < end; row++) {
		if (row->call == call)
			return row;
	}
	return NULL;
}

const struct errno_meaning *
errno_meaning(enum errno_call call, int err)
{
	const struct errno_meaning *row = NULL;

	while ((row = errno_meaning_next(call, row)) != NULL && row->err != err)
		;
	return row;
}

const char *
errno_hint(enum errno_call call, int err)
{
	static char text[512];
	const struct errno_meaning *row = errno_meaning(call, err);

	if (row == NULL)
		return "see dmesg for what the kernel says";
	snprintf(text, sizeof text, "%s; %s", row->why, row->todo);
	return text;
}
