/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_LOCKDOWN_H
#define PROBE_LOCKDOWN_H

/* The kernel's lockdown, kernel_lockdown(7), as far as it can be seen. */
enum lockdown {
	LOCKDOWN_UNKNOWN, /* securityfs is not there or not mounted, and the command line says nothing */
	LOCKDOWN_NONE,
	LOCKDOWN_INTEGRITY,
	LOCKDOWN_CONFIDENTIALITY, /* forbids tracing */
};

enum lockdown lockdown_get(void);

#endif
