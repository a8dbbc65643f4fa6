/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the events of the trace, in the order of time, to the lines of the
 * record: which address space a mapping is in and which devices that reaches.
 * Reads /proc and /sys; everything else is in the events.
 */
#ifndef PROBE_TRACE_ENGINE_H
#define PROBE_TRACE_ENGINE_H

#include "trace/trace-queue.h"
#include "trace/trace-record.h"
#include "trace/trace-spaces.h"
#include "trace/trace-tasks.h"

struct trace_engine {
	struct trace_record record;
	struct trace_spaces spaces;
	struct trace_tasks tasks;
	int only;          /* the process whose mappings are recorded; 0: of all */
	bool caching_mode; /* every IOMMU here has CAP.CM set */
	struct trace_span interrupts[SPAN_CPUS];
	uint64_t n_maps, n_unmaps, n_lost, n_refused;
};

/* What /proc tells about a thread is asked for as soon as it is seen, since a
 * short program is gone before its events have their turn. */
void trace_engine_meet(struct trace_engine *engine, const struct trace_event *event);
void trace_engine_event(
	struct trace_engine *engine, const struct trace_event *event, const struct trace_sequel *sequel);
void trace_engine_free(struct trace_engine *engine);

/* trace-attach.c: devices and the spaces they are in. */
void trace_engine_attach(struct trace_engine *engine, const struct trace_event *event);
void trace_engine_detach(struct trace_engine *engine, const struct trace_event *event, unsigned except);
void trace_engine_return(
	struct trace_engine *engine, struct trace_task *task, const struct trace_event *event);
/* The space of the container that TASK's ioctl is about, made if need be; NULL
 * when the ioctl does not tell. */
struct trace_space *trace_engine_container(
	struct trace_engine *engine, const struct trace_task *task, uint64_t ns);
/* The space of what a driver maps for DEVICE, made if need be. */
struct trace_space *trace_engine_device(struct trace_engine *engine, const char *device, uint64_t ns);
/* The space that uses a domain, made if need be. */
struct trace_space *trace_engine_domain(struct trace_engine *engine, const char *iommu, uint16_t did);
bool trace_engine_wants(struct trace_engine *engine, const struct trace_event *event);

#endif
