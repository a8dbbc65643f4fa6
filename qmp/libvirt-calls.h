/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt, loaded when a guest of its is named and not before: viommu runs where there is none,
 * and is built without it. */
#ifndef VIOMMU_LIBVIRT_CALLS_H
#define VIOMMU_LIBVIRT_CALLS_H

#include <glib.h>

/* A connection is a virConnectPtr there, a domain a virDomainPtr. */
typedef struct {
	void *(*virConnectOpen)(const char *uri);
	int (*virConnectClose)(void *connection);
	char *(*virConnectGetURI)(void *connection);
	void *(*virDomainLookupByName)(void *connection, const char *name);
	void *(*virDomainLookupByUUIDString)(void *connection, const char *uuid);
	void *(*virDomainLookupByID)(void *connection, int id);
	int (*virDomainGetUUIDString)(void *domain, char *uuid);
	unsigned (*virDomainGetID)(void *domain);
	int (*virDomainFree)(void *domain);
	int (*virDomainSuspend)(void *domain);
	int (*virDomainResume)(void *domain);
	int (*virDomainQemuMonitorCommand)(void *domain, const char *command, char **answer, unsigned flags);
	int (*virGetLastErrorCode)(void);
	const char *(*virGetLastErrorMessage)(void);
	void (*virSetErrorFunc)(void *user, void (*handler)(void *user, void *error));
} libvirt_calls;

#define LIBVIRT_CALLS(do) \
	do(virConnectOpen) do(virConnectClose) do(virConnectGetURI) do(virDomainLookupByName) \
	do(virDomainLookupByUUIDString) do(virDomainLookupByID) do(virDomainGetUUIDString) do(virDomainGetID) \
	do(virDomainFree) do(virDomainSuspend) do(virDomainResume) do(virDomainQemuMonitorCommand) \
	do(virGetLastErrorCode) do(virGetLastErrorMessage) do(virSetErrorFunc)

/* virErrorNumber, as far as it matters to us; libvirt never changes these. */
enum {
	LIBVIRT_OPERATION_DENIED = 29,
	LIBVIRT_NO_DOMAIN = 42,
	LIBVIRT_AUTH_FAILED = 45,
	LIBVIRT_OPERATION_INVALID = 55, /* it is not running */
	LIBVIRT_OPERATION_TIMEOUT = 68, /* another job on the guest does not end */
	LIBVIRT_AUTH_CANCELLED = 79,
	LIBVIRT_ACCESS_DENIED = 88,
	LIBVIRT_AUTH_UNAVAILABLE = 94,
};

#define LIBVIRT_UUID_SIZE 37 /* with the NUL */

/* Errors: FAILED (it cannot be loaded). */
const libvirt_calls *libvirt_load(GError **error);

#endif
