/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A monitor that libvirt holds, as if it were free: a thread speaks QMP's other side on one end
 * of a socket pair, and passes each command on through libvirt.  Calls of libvirt can block for
 * as long as they like, since only the thread waits for them.
 */
#ifndef VIOMMU_LIBVIRT_H
#define VIOMMU_LIBVIRT_H

#include <sys/types.h>

#include <glib.h>

#define LIBVIRT_SCHEME "libvirt:"

typedef struct libvirt_bridge libvirt_bridge;

/* guest: a name, a UUID or an id.  *fd is the end to speak QMP on; the caller closes it before
 * libvirt_bridge_free(). Errors: FAILED (there is no libvirt). */
libvirt_bridge *libvirt_bridge_start(const char *guest, int *fd, GError **error);
void libvirt_bridge_free(libvirt_bridge *self);

/* Once the socket has been closed at the other end: TRUE with error, why; FALSE: not known. */
gboolean libvirt_bridge_why(libvirt_bridge *self, GError **error);
/* Once its greeting has come: QEMU's process, 0 when it is not known. */
pid_t libvirt_bridge_pid(libvirt_bridge *self);

#endif
