/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/errno-text.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sys/errno-table.h"

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
	{ EDEADLK, "EDEADLK" },
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

int
errno_parse(const char *text)
{
	char *end;
	long number;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcasecmp(names[i].name, text) == 0 || strcasecmp(strerror(names[i].err), text) == 0)
			return names[i].err;
	}
	number = strtol(text, &end, 10);
	/* As ioctl() and as the kernel's own functions return it. */
	if (end != text && *end == '\0' && number > -4096 && number < 4096)
		return (int) labs(number);
	return 0;
}

const char *
errno_map_dma_hint(int err)
{
	return errno_hint(ERRNO_MAP_DMA, err);
}

const char *
errno_ioas_map_hint(int err)
{
	return errno_hint(ERRNO_IOAS_MAP, err);
}
