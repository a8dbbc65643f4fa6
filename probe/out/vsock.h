/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vsock(7): a stream from the guest to a program on its host. */
#ifndef PROBE_VSOCK_H
#define PROBE_VSOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/report.h"

#define VSOCK_PREFIX "vsock:"

/* "vsock:CID:PORT", in decimal. */
bool vsock_is(const char *where);
int vsock_parse(const char *where, uint32_t *cid, uint32_t *port, struct probe_error *error);
/* Connects; returns a descriptor, or -1 with the error. */
int vsock_open(const char *where, struct probe_error *error);

#endif
