/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU's log says: its trace events (trace backend "log", in a log file or on
 * stderr) and its messages.  Text in, facts out: no I/O but a file that is named, and
 * nothing of the text is kept but what a finding shows.
 *
 * QEMU does not promise to keep these texts.  The names and formats are those of 7.2 to
 * 11 (hw/i386/trace-events, hw/vfio/trace-events); what is not known is passed over.
 */
#ifndef VIOMMU_QEMU_LOG_H
#define VIOMMU_QEMU_LOG_H

#include <stdbool.h>

#include <glib.h>
#include <viommu/addr.h>
#include <viommu/error.h>

G_BEGIN_DECLS

typedef enum {
	/* QEMU's walk over L1's tables, on behalf of vfio */
	VIOMMU_QLOG_WALK,         /* a walk over the table at gpa begins, or goes a level down          */
	VIOMMU_QLOG_MAP,          /* it found a mapping, and told whoever listens                       */
	VIOMMU_QLOG_UNMAP,        /* it found that a mapping is gone, and told whoever listens          */
	VIOMMU_QLOG_MAP_KNOWN,    /* it found a mapping that it had told of before                      */
	VIOMMU_QLOG_UNMAP_KNOWN,  /* it found no mapping, and knew of none                              */
	VIOMMU_QLOG_SKIP_READ,    /* it could not read a table                                          */
	VIOMMU_QLOG_SKIP_RESERVED, /* it met a reserved bit                                             */
	VIOMMU_QLOG_UNMAP_ALL,    /* it told whoever listens that nothing of a device's is mapped       */
	VIOMMU_QLOG_REPLAY,       /* a listener came, and is told of everything                         */
	/* vfio was told; by itself, when no WALK event tells the same */
	VIOMMU_QLOG_NOTICE_MAP,
	VIOMMU_QLOG_NOTICE_UNMAP,
	/* what L1 announced */
	VIOMMU_QLOG_IOTLB_PAGES,
	VIOMMU_QLOG_IOTLB_DOMAIN,
	VIOMMU_QLOG_IOTLB_GLOBAL,
	VIOMMU_QLOG_CONTEXT,      /* a device (mask: and its neighbours), a domain, or all               */
	VIOMMU_QLOG_SWITCH,       /* a device comes behind the vIOMMU (value 1) or leaves it (0)         */
	VIOMMU_QLOG_MARK,         /* viommu read a register that nobody else reads: see viommu_trace     */
	/* messages and faults; kept apart, see viommu_qemu_log_messages() */
	VIOMMU_QLOG_DMAR_FAULT,   /* value: the fault reason */
	VIOMMU_QLOG_CACHING_MODE,
	VIOMMU_QLOG_AW_BITS,
	VIOMMU_QLOG_DEVICE_IOTLB,
	VIOMMU_QLOG_SNOOP_CONTROL,
	VIOMMU_QLOG_MAP_FAILED,   /* value: the errno, positive                                          */
	VIOMMU_QLOG_UNMAP_FAILED, /* the same                                                            */
	VIOMMU_QLOG_RESERVED_BIT,
	VIOMMU_QLOG_KINDS,
} viommu_qlog_kind;

#define VIOMMU_QLOG_FIRST_MESSAGE VIOMMU_QLOG_DMAR_FAULT

typedef struct {
	viommu_qlog_kind kind;
	uint8_t level;  /* of a WALK */
	bool read, write; /* of a mapping */
	bool has_did, has_sid, has_gpa;
	bool has_notice; /* of MAP and UNMAP: vfio's own event follows */
	bool joined;     /* several lines that go on where the one before ended, as one */
	uint16_t did;
	viommu_sid sid;
	uint16_t mask;  /* bits of sid that do not count */
	uint32_t value;
	viommu_iova_range iova; /* all of them, when the line names none */
	viommu_gpa gpa; /* of iova.first */
	uint64_t line;  /* from 1 */
	uint64_t time_us; /* of the host's clock; 0: the line has none */
} viommu_qlog_event;

/* A message, with its line as QEMU wrote it (cut to a sensible length; not escaped). */
typedef struct {
	viommu_qlog_event event;
	char *text;
} viommu_qlog_message;

typedef struct viommu_qemu_log viommu_qemu_log;

/* Feeds a log piece by piece. Memory is bounded: of very many events the oldest go. */
viommu_qemu_log *viommu_qemu_log_new(const char *path);
void viommu_qemu_log_feed(viommu_qemu_log *self, const char *bytes, size_t len);
/* Nothing more will come: the last line may lack its newline. */
void viommu_qemu_log_finish(viommu_qemu_log *self);
void viommu_qemu_log_free(viommu_qemu_log *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_qemu_log, viommu_qemu_log_free)

/* Feeds what the file has beyond what was fed of it. Errors: FAILED (cannot read, or it is compressed). */
gboolean viommu_qemu_log_follow(viommu_qemu_log *self, GError **error);

/* Reads the file at path ("-": standard input). Errors: as above. */
viommu_qemu_log *viommu_qemu_log_read(const char *path, GError **error);

/* How far into the file that was. */
uint64_t viommu_qemu_log_bytes(const viommu_qemu_log *self);
const char *viommu_qemu_log_path(const viommu_qemu_log *self);
uint64_t viommu_qemu_log_lines(const viommu_qemu_log *self);
/* Of viommu_qlog_event, in the order of the log. */
const GArray *viommu_qemu_log_events(const viommu_qemu_log *self);
/* Of viommu_qlog_message; the first of each kind only. Their numbers are below. */
const GPtrArray *viommu_qemu_log_messages(const viommu_qemu_log *self);
/* How many lines said so. */
uint64_t viommu_qemu_log_count(const viommu_qemu_log *self, viommu_qlog_kind kind);
/* How many lines were understood: 0 may mean that this is no QEMU log. */
uint64_t viommu_qemu_log_known(const viommu_qemu_log *self);
/* Events that were left out, from the beginning of the log. */
uint64_t viommu_qemu_log_dropped(const viommu_qemu_log *self);

/* Somebody made sure that the log has everything up to the look at the tables; else
 * what is not in it may come behind its end. */
void viommu_qemu_log_set_current(viommu_qemu_log *self, bool current);
bool viommu_qemu_log_current(const viommu_qemu_log *self);

G_END_DECLS

#endif
