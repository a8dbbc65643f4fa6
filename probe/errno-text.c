/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "report.h"

/* strerrorname_np() is glibc's alone; the probe is also built with other
 * C libraries for small guests. */
static const struct {
	int err;
	const char *name;
} names[] = {
	{ EPERM, "EPERM" },
	{ ENOENT, "ENOENT" },
	{ EINTR, "EINTR" },
	{ EIO, "EIO" },
	{ ENXIO, "ENXIO" },
	{ E2BIG, "E2BIG" },
	{ EBADF, "EBADF" },
	{ EAGAIN, "EAGAIN" },
	{ ENOMEM, "ENOMEM" },
	{ EACCES, "EACCES" },
	{ EFAULT, "EFAULT" },
	{ EBUSY, "EBUSY" },
	{ EEXIST, "EEXIST" },
	{ EXDEV, "EXDEV" },
	{ ENODEV, "ENODEV" },
	{ ENOTDIR, "ENOTDIR" },
	{ EISDIR, "EISDIR" },
	{ EINVAL, "EINVAL" },
	{ ENFILE, "ENFILE" },
	{ EMFILE, "EMFILE" },
	{ EMSGSIZE, "EMSGSIZE" },
	{ ENOTTY, "ENOTTY" },
	{ EFBIG, "EFBIG" },
	{ ENOSPC, "ENOSPC" },
	{ EROFS, "EROFS" },
	{ EPIPE, "EPIPE" },
	{ ERANGE, "ERANGE" },
	{ ENOSYS, "ENOSYS" },
	{ ELOOP, "ELOOP" },
	{ ENAMETOOLONG, "ENAMETOOLONG" },
	{ EOVERFLOW, "EOVERFLOW" },
	{ EOPNOTSUPP, "EOPNOTSUPP" },
	{ ETIMEDOUT, "ETIMEDOUT" },
	{ EDQUOT, "EDQUOT" },
	{ EPROTO, "EPROTO" },
};

const char *
errno_name(int err)
{
	static char other[24];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (names[i].err == err)
			return names[i].name;
	}
	snprintf(other, sizeof other, "errno %d", err);
	return other;
}

const char *
errno_map_dma_hint(int err)
{
	switch (err) {
	case ENOMEM:
		return "the pages could not be pinned; raise the locked-memory limit (ulimit -l unlimited) "
		       "or free some memory";
	case ENOSPC:
		return "the container has no mappings left; the limit is "
		       "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
	case EEXIST:
		return "something is already mapped at this IOVA";
	case EINVAL:
		return "the IOVA is outside the ranges this IOMMU allows, or not page aligned";
	case EFAULT:
		return "the kernel could not pin the memory behind the mapping";
	case EPERM:
		return "the kernel forbids it; run as root";
	case EBUSY:
		return "the address space is being changed by someone else; try again";
	case ENOTTY:
		return "this backend has no such operation";
	default:
		return "see dmesg for what the kernel says";
	}
}

const char *
errno_ioas_map_hint(int err)
{
	switch (err) {
	case EINVAL:
		return "the IOVA is outside the ranges this IOMMU allows (IOMMU_IOAS_IOVA_RANGES), or not page "
		       "aligned";
	case EOVERFLOW:
		return "the mapping would run past the top of the 64-bit address space";
	case ENOENT:
		return "there is no such IOAS";
	case ENOSPC:
		return "there is no free IOVA of that size";
	default:
		return errno_map_dma_hint(err);
	}
}
