/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RECORD: what L1 asked for.  JSON Lines, one object a line, described in
 * viommu-record(5).  This header holds the words of the format, shared by the
 * writer (viommu-probe, no glib) and the reader (correlate/); it has no code.
 *
 * Addresses and sizes are strings "0x…" in bytes.  Sequence numbers and times
 * are JSON integers.  Unknown keys and unknown events are skipped by a reader;
 * the version rises only when an old reader would misread a new record.
 */
#ifndef VIOMMU_RECORD_H
#define VIOMMU_RECORD_H

#define VIOMMU_RECORD_FORMAT "viommu-record"
#define VIOMMU_RECORD_VERSION 1

/* Values of "event". */
#define VIOMMU_EVENT_HEADER "header"
#define VIOMMU_EVENT_SPACE "space" /* one was made, and no device uses it yet */
#define VIOMMU_EVENT_ATTACH "attach" /* a device now uses an address space  */
#define VIOMMU_EVENT_DETACH "detach"
#define VIOMMU_EVENT_MAP "map"
#define VIOMMU_EVENT_UNMAP "unmap"
#define VIOMMU_EVENT_MARK "mark" /* a named moment, e.g. "held"                */
#define VIOMMU_EVENT_BUSY "busy" /* a call has begun: the mark before is over   */
#define VIOMMU_EVENT_LOST "lost" /* events are missing here                 */
#define VIOMMU_EVENT_INVALIDATE "invalidate" /* L1 told its vIOMMU      */
#define VIOMMU_EVENT_DOCTOR "doctor" /* what viommu-probe doctor found */
#define VIOMMU_EVENT_NOTE "note" /* text for people                         */
#define VIOMMU_EVENT_END "end"   /* the record is complete                  */

/* Values of "source" of an event: who saw it. */
#define VIOMMU_SOURCE_MAP "viommu-probe map"
#define VIOMMU_SOURCE_RECORD "viommu-probe record"
#define VIOMMU_SOURCE_TRACE "viommu-probe trace"

/* Name of the mark that `viommu-probe map` sets once all mappings are made. */
#define VIOMMU_MARK_HELD "held"
/* `viommu-probe record`: nothing is going on. */
#define VIOMMU_MARK_REST "rest"
/* `viommu-probe trace`: where it begins, and now and then; each has the key below: all that
 * the kernel had told of up to then is in the record, and nothing is said of what came since. */
#define VIOMMU_MARK_BEGUN "begun"
#define VIOMMU_MARK_TRACED "traced"
#define VIOMMU_MARK_UNTIL "until_ns"

#endif
