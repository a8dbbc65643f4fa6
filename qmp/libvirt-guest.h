/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest of libvirt: found, asked, and its process.  Every call may block for as long as
 * libvirt likes. */
#ifndef VIOMMU_LIBVIRT_GUEST_H
#define VIOMMU_LIBVIRT_GUEST_H

#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "libvirt-calls.h"

typedef struct {
	const libvirt_calls *calls;
	const char *asked; /* a name, a UUID or an id: borrowed */
	void *connection, *domain;
	char *uri; /* of libvirt; NULL: not known */
	char uuid[LIBVIRT_UUID_SIZE];
	int id; /* of this run of the guest: the next one has another */
} libvirt_guest;

/* Clear it whatever the outcome.  Errors: CONNECT, PERMISSION, TIMEOUT, USAGE. */
gboolean libvirt_guest_open(
	libvirt_guest *self, const libvirt_calls *calls, const char *asked, GError **error);
void libvirt_guest_clear(libvirt_guest *self);

/* QEMU's answer to a QMP command (borrowed), with whatever id.  Errors: CLOSED (the guest has
 * ended, or has been started anew), PROTOCOL, TIMEOUT, PERMISSION: all of them final. */
json_t *libvirt_guest_execute(libvirt_guest *self, const json_t *command, GError **error);

/* QEMU's process: the monitor names it, and it was started with this guest's UUID.  0: it is
 * not on this host, or cannot be seen. */
pid_t libvirt_guest_pid(libvirt_guest *self);

#endif
