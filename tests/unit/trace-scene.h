/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scenes of trace events, and the lines of the record that they lead to. */
#ifndef UNIT_TRACE_SCENE_H
#define UNIT_TRACE_SCENE_H

#include <glib.h>

#include "trace/trace-engine.h"

enum {
	SET_IOMMU = 0x3b66,
	SET_CONTAINER = 0x3b68,
	MAP_DMA = 0x3b71,
	UNMAP_DMA = 0x3b72,
};

struct scene {
	struct trace_queue queue;
	struct trace_engine engine;
	struct record_writer writer;
	struct output output;
	char *root;
	uint64_t ns;
};

struct trace_event *add(struct scene *scene, enum trace_kind kind, int pid);
struct trace_event *add_map(struct scene *scene, enum trace_kind kind, int pid, uint64_t iova, uint64_t size, uint64_t paddr);
void add_named(struct scene *scene, enum trace_kind kind, int pid, const char *name);
void add_call(struct scene *scene, int pid, unsigned fd, unsigned cmd);
void add_return(struct scene *scene, int pid, int64_t result);
void add_qi(struct scene *scene, int pid, uint64_t qw0, uint64_t qw1);
/* A page mapped, and announced for domain DID as caching mode wants it. */
void add_page(struct scene *scene, int pid, uint64_t iova, uint64_t paddr, uint64_t did);
void add_dma(struct scene *scene, int pid, const char *device, uint64_t addr, unsigned prot);
/* A device gets a context entry with domain DID: Linux 6.1's way. */
void add_join(struct scene *scene, int pid, uint64_t sid, uint64_t did, const char *device);
/* Process PID sets up container FD for DEVICE and maps a page. */
void add_program(struct scene *scene, int pid, unsigned fd, const char *device, uint64_t iova, uint64_t paddr);
/* The record, a line for each event, without seq, time, notes and invalidations. */
char *play(struct scene *scene);
void expect(struct scene *scene, const char *lines);

#define IN_VFIO ",\"complete\":false,\"from_start\":true,\"evidence\":\"attach event in an ioctl of VFIO\""

/* Runs each in a scene of its own, as "/probe/SUITE/NAME". */
typedef struct {
	const char *name;
	void (*run)(struct scene *scene, gconstpointer data);
} scene_test;
int scene_main(int argc, char **argv, const char *suite, const scene_test *tests, gsize n);

#endif
