/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line of a QEMU log. */
#ifndef VIOMMU_QEMU_LOG_LINE_H
#define VIOMMU_QEMU_LOG_LINE_H

#include <viommu/qemu-log.h>

typedef enum {
	QLOG_OTHER, /* nothing that we know        */
	QLOG_TRACE, /* a trace event of vtd or vfio that says nothing for us */
	QLOG_EVENT, /* *ret is filled in           */
} qlog_line;

/* text is a string without its newline; ret->line is the caller's. */
qlog_line viommu_qemu_log_line(const char *text, viommu_qlog_event *ret);

/* The same of a message; *ret holds the line's time already. */
bool viommu_qemu_log_message(const char *text, viommu_qlog_event *ret);

/* The register that marks a place in the log: nothing stands there, and L1 has no reason
 * to read it. */
#define VIOMMU_TRACE_MARK 0x1fc
#define VIOMMU_TRACE_MARK_SIZE 4

#endif
