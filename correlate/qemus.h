/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QEMUs of this host, as /proc shows them. Nothing is sent to them. */
#ifndef VIOMMU_QEMUS_H
#define VIOMMU_QEMUS_H

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef enum { VIOMMU_SAID_NO, VIOMMU_SAID_YES, VIOMMU_SAID_ELSEWHERE } viommu_said;

typedef enum { VIOMMU_HELD_NO, VIOMMU_HELD_YES, VIOMMU_HELD_UNKNOWN } viommu_held;

/* A monitor that the command line asks for; a human one only if it is a socket. */
typedef struct {
	bool human;       /* HMP, not QMP */
	char *address;    /* "unix:PATH", "tcp:HOST:PORT", of a human one "hmp:unix:PATH"; NULL: it has none, or it is not known */
	char *why_not;    /* why nobody can connect to it now; never NULL without an address */
	char *bound;      /* the path as QEMU gave it to the kernel; NULL: no path */
	int fd;           /* of a socket that QEMU was given; -1: of none */
	bool permitted;   /* this user may connect, as far as the file's permissions say */
	viommu_held held; /* somebody is connected: it serves one client at a time */
} viommu_qemu_monitor;

typedef struct {
	pid_t pid;
	uid_t uid;
	char *name;    /* -name, or that of its program */
	viommu_said iommu; /* ELSEWHERE: in a file that -readconfig names, maybe */
	GPtrArray *monitors; /* of viommu_qemu_monitor */
	GPtrArray *sockets;  /* of char: other unix sockets that it listens on, as far as can be seen */
	bool memory;   /* this user may read its memory */
	char *uuid;       /* -uuid; NULL: none, or it is not one */
	char *master_key; /* the argument that names libvirt's key; NULL: none */
	char *libvirt;    /* "libvirt:GUEST", when it looks like a guest of libvirt's, which holds its monitor; else NULL */
} viommu_qemu;

/* What a command line says: the pure part. argv ends with NULL and is not empty. */
viommu_qemu *viommu_qemu_parse(char *const *argv);
void viommu_qemu_free(viommu_qemu *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_qemu, viommu_qemu_free)

/* Fills in libvirt, once its monitors were looked at. */
void viommu_qemu_find_libvirt(viommu_qemu *self);

/* Its program's name says so. */
bool viommu_is_qemu(pid_t pid);

/* By the number of the process; those that this user can see. */
GPtrArray *viommu_qemus(void);
/* Errors: CONNECT (no such process, or it is not a QEMU). */
viommu_qemu *viommu_qemu_of(pid_t pid, GError **error);
/* The monitor to use: one that may be used and that nobody holds, if there is one. New.
 * A guest of libvirt's that has no such one: the way through libvirt, which has to be asked
 * whether it is this process. *handed_over: it is a socket that QEMU was given.  Errors: CONNECT, which says what to do next. */
char *viommu_qemu_address(const viommu_qemu *self, bool *handed_over, GError **error);

#endif
