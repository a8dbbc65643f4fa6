/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines of a traced record.  The maps of one request that follow each
 * other without a gap become one line, as the program asked for them. */
#ifndef PROBE_TRACE_RECORD_H
#define PROBE_TRACE_RECORD_H

#include "sys/extents.h"
#include "out/record-writer.h"
#include "trace/trace-event.h"
#include "trace/trace-spaces.h"

enum { TRACE_WAITING_MAX = 1024 };

struct trace_map {
	uint64_t ns;
	const struct trace_space *space;
	uint64_t iova, size, paddr;
	unsigned prot;                     /* enum dma_prot, 0: not known */
	uint64_t call;                     /* maps of different calls are not joined; 0: of none */
	const struct trace_domain *domain; /* or NULL */
};

struct trace_record {
	struct record_writer *writer;
	/* A map that may still grow, and the invalidations since it began: they
	 * stand behind it in the record. */
	bool open;
	struct trace_map map;
	struct trace_domain domain;
	unsigned space;
	struct extents extents;
	uint64_t *after_ns; /* of each extent: when it was mapped, since map.ns */
	size_t n_after;     /* that there is room for */
	struct trace_event *waiting;
	size_t n_waiting;
};

void trace_record_map(struct trace_record *record, const struct trace_map *map);
/* BEGIN_NS: when it can have begun, if that was before the event; else 0. */
void trace_record_unmap(struct trace_record *record, const struct trace_event *unmap, uint64_t begin_ns,
	unsigned space, const struct trace_domain *domain);
/* EVIDENCE is how it is known that the device is in that space. */
void trace_record_attach(struct trace_record *record, uint64_t ns, const struct trace_space *space,
	const char *device, const char *evidence);
void trace_record_detach(
	struct trace_record *record, uint64_t ns, const struct trace_space *space, const char *device);
void trace_record_invalidate(struct trace_record *record, const struct trace_event *event);
/* UNMAP, or NULL: the one thing that is missing. */
void trace_record_lost(struct trace_record *record, uint64_t ns, uint64_t count, const char *reason,
	const struct trace_event *unmap);
void trace_record_note(struct trace_record *record, uint64_t ns, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Nothing will be joined to what is open. */
void trace_record_flush(struct trace_record *record);
void trace_record_free(struct trace_record *record);

#endif
