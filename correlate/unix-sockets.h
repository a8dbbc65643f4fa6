/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's list of unix sockets: the text of /proc/PID/net/unix. */
#ifndef VIOMMU_UNIX_SOCKETS_H
#define VIOMMU_UNIX_SOCKETS_H

#include <stdbool.h>

#include <glib.h>

typedef struct {
	guint64 inode;
	bool listens;
	bool doubtful; /* not known to be what the kernel says of this inode */
	char *path;    /* as it was bound: "@NAME" is an abstract one; NULL: none */
} viommu_unix_socket;

/* Of viommu_unix_socket, in the order of the text. */
GArray *viommu_unix_sockets_parse(const char *text);

#endif
