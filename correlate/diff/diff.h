/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changed between two snapshots.  Facts (registers, properties, devices) are few and
 * are told one by one.  Mappings are compared by walking both tables at once, and are told
 * as they come: nothing that grows with the tables is kept.
 */
#ifndef VIOMMU_DIFF_H
#define VIOMMU_DIFF_H

#include <viommu/snapshot.h>
#include <viommu/vtd.h>

/* One thing that has a name.  NULL: not there. Not safe to print. */
typedef struct {
	const char *topic; /* "register", "property", "device", "context", "qemu", "ram" */
	const char *name;  /* "GSTS.TES", "00:04.0 id" */
	const char *before, *after;
	bool hidden; /* private parts were replaced in one: it may be a difference, or none */
} viommu_diff_fact;

typedef void (*viommu_diff_fact_visitor)(const viommu_diff_fact *fact, void *user);

/* Registers, properties, PCI devices, RAM, the QEMU. */
void viommu_diff_facts(const viommu_snapshot *a, const viommu_snapshot *b, viommu_diff_fact_visitor visit, void *user);

/* ---- mappings ------------------------------------------------------------------------------- */

/* What became of a stretch of IOVAs; several can be true of one that was and is mapped. */
enum {
	VIOMMU_DIFF_MAPPED = 1,
	VIOMMU_DIFF_UNMAPPED = 2,
	VIOMMU_DIFF_MOVED = 4,
	VIOMMU_DIFF_PERMISSION = 8,
	VIOMMU_DIFF_PAGE_SIZE = 16,
	VIOMMU_DIFF_REFUSED = 32, /* QEMU refuses it now, or did, or for another reason */
	VIOMMU_DIFF_UNKNOWN = 64, /* one of the two could not be read there */
};
#define VIOMMU_DIFF_CHANGES 7

const char *viommu_diff_change_name(unsigned change); /* "page-size"; of one bit */

/* What stands at the first IOVA. */
typedef struct {
	bool present;
	vtd_run_kind kind;
	viommu_page_status status; /* of VTD_RUN_UNREADABLE */
	/* Of VTD_RUN_MAPPED, and not when the change is REFUSED or UNKNOWN: those are stretches
	 * below one entry, whatever pages were mapped there. page_shift is 0 then. */
	viommu_gpa gpa;
	bool read, write;
	unsigned page_shift;
} viommu_diff_side;

typedef struct {
	viommu_iova_range iova;
	unsigned changes;
	viommu_diff_side before, after;
} viommu_diff_run;

/* Devices that go through the same tables, in both. */
typedef struct {
	GArray *devices; /* of viommu_diff_device */
	const vtd_device *before, *after; /* of the first of them; NULL: none in this one */
} viommu_diff_group;

typedef struct {
	viommu_sid sid;
	uint32_t pasid;
	bool pasid_requested;
} viommu_diff_device;

typedef struct {
	/* Each may be NULL: then it is not asked for. */
	void (*fact)(const viommu_diff_fact *fact, void *user); /* of a device's context */
	void (*group)(const viommu_diff_group *group, void *user);
	void (*run)(const viommu_diff_run *run, void *user); /* of the last group; only what changed */
	void *user;
} viommu_diff_visitor;

/* Both snapshots, with their devices read.  They have to outlive it. NULL with error: one
 * could not be read. */
typedef struct viommu_diff viommu_diff;
viommu_diff *viommu_diff_open(const viommu_snapshot *a, const viommu_snapshot *b, GError **error);
void viommu_diff_free(viommu_diff *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_diff, viommu_diff_free)

/* Tells the same each time.  TRUE, or error: a snapshot could not be read. */
gboolean viommu_diff_visit(const viommu_diff *self, const viommu_diff_visitor *visit, GError **error);
/* There was too much of one of them, and what is left was not looked at. */
bool viommu_diff_is_cut(const viommu_diff *self);

/* ---- the runs of walks, one by one ------------------------------------------------------------ */

typedef struct viommu_run_stream viommu_run_stream;
/* The walks of all tables (vtd_device; NULL: one without runs), in this order and within the
 * budget, which stays as it is. Takes tables; the rest has to outlive it. */
viommu_run_stream *viommu_run_stream_new(
	const vtd_unit *unit, viommu_memory *memory, const vtd_budget *budget, GPtrArray *tables);
/* The next one of this table, into *ret. FALSE when there is none (what is asked for then is
 * of the next table), and with error. */
gboolean viommu_run_stream_next(viommu_run_stream *self, vtd_run *ret, GError **error);
void viommu_run_stream_free(viommu_run_stream *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_run_stream, viommu_run_stream_free)

#endif
