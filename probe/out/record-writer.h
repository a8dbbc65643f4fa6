/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a record, viommu-record(5).  One function for each event; every line
 * is built whole and then written.  A failed output is said once on stderr and
 * remembered; the functions may be called on regardless.
 */
#ifndef PROBE_RECORD_WRITER_H
#define PROBE_RECORD_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/extents.h"
#include "out/json.h"
#include "out/output.h"
#include "out/queue.h"
#include "sys/ranges.h"
#include "viommu/addr.h"

struct record_writer {
	struct output *output;
	struct json json;
	uint64_t seq;
	struct queue *queue; /* where lines go that must not wait; or NULL: straight to the output */
	uint64_t lost;       /* events refused by the queue and not yet told of */
	uint64_t last_ns;    /* when the last event was begun, by CLOCK_MONOTONIC */
	bool at_rest;        /* the last event was a mark */
	uint64_t at_ns; /* when the events now written were seen; 0: at the call */
	bool failed;
};

struct record_map {
	viommu_iova iova;
	uint64_t size;
	unsigned prot;
	const void *vaddr;
	uint64_t page_size;
	const struct extents *extents; /* not looked at when err is set */
	int err;
};

void record_begin(struct record_writer *ret, struct output *output);
void record_free(struct record_writer *record);

/* PROGRAM names the writer, "viommu-probe map"; the version is added. */
void record_header(struct record_writer *record, const char *program);
/* CHECKS: what doctor_collect() made. */
void record_doctor(struct record_writer *record, const struct json *checks);
/* BACKEND: see viommu-record(5).  GROUP: -1 where there are no VFIO groups. */
void record_attach(struct record_writer *record, unsigned space, const char *backend, const char *device,
	int group, const struct iova_ranges *ranges);
void record_detach(struct record_writer *record, unsigned space, const char *backend, const char *device,
	int group);
void record_map(struct record_writer *record, unsigned space, const struct record_map *map);
void record_unmap(struct record_writer *record, unsigned space, viommu_iova iova, uint64_t size, int err);
void record_mark(struct record_writer *record, const char *name);
/* One that speaks for what was up to UNTIL_NS alone. */
void record_mark_until(struct record_writer *record, const char *name, uint64_t until_ns);
/* After a mark: a call begins that may change what is mapped. */
void record_busy(struct record_writer *record);
void record_note(struct record_writer *record, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The parts of events that they have in common. */
void record_add_area(struct json *json, unsigned space, viommu_iova iova, uint64_t size);
void record_add_device(
	struct json *json, unsigned space, const char *backend, const char *device, int group);
/* Nothing where they are not the kernel's word. */
void record_add_ranges(struct json *json, const struct iova_ranges *ranges);
void record_add_errno(struct json *json, int err);
void record_add_extents(struct json *json, const struct extents *extents);
uint64_t record_clock_ns(void);
/* For events that only one recorder knows: begin, add keys, write. */
struct json *record_event_begin(struct record_writer *record, const char *event);
void record_event_write(struct record_writer *record);
/* COUNT: 0 when it is not known how many. */
void record_lost(struct record_writer *record, uint64_t count, const char *reason);
/* Nothing but events of this name is missing. */
void record_lost_of(struct record_writer *record, uint64_t count, const char *event, const char *reason);
/* Lets the queue, if there is one, run empty, waiting for the reader. */
void record_drain(struct record_writer *record);
void record_end(struct record_writer *record, const char *reason);

#endif
