/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seccomp filter that makes the kernel stop for a tracer at the ioctls of
 * rec-calls.c and at nothing else, from 64-bit, x32 and 32-bit callers alike.
 */
#ifndef PROBE_REC_FILTER_H
#define PROBE_REC_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REC_FILTER_MAX = 64 }; /* instructions */

/* The filter's length.  Pure. */
size_t rec_filter_make(struct sock_filter ret[REC_FILTER_MAX]);
/* Puts it on this thread, for good, and for all that it starts.  0 or a
 * negative errno. */
int rec_filter_install(void);

/* Whether the system call NR of an audit ARCH is ioctl(). */
bool rec_is_ioctl(uint32_t arch, uint64_t nr);

#endif
