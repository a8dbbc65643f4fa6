/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks through the translation tables. Part of <viommu/vtd.h>. */
#ifndef VIOMMU_VTD_WALK_H
#define VIOMMU_VTD_WALK_H

#include <viommu/memory.h>
#include <viommu/vtd-entries.h>

G_BEGIN_DECLS

typedef enum {
	VTD_STEP_ROOT,
	VTD_STEP_CONTEXT,
	VTD_STEP_SECOND_STAGE,
	VTD_STEP_PASID_DIR,
	VTD_STEP_PASID,
	VTD_STEP_FIRST_STAGE,
} vtd_step_kind;

/* One entry that was read on the way. */
typedef struct {
	vtd_step_kind kind;
	unsigned level; /* of paging entries: 1 is the last */
	viommu_gpa table, entry;
	unsigned index;
	unsigned words; /* valid words of raw; 0 when the page could not be read */
	uint64_t raw[8];
	viommu_page_status status;
} vtd_step;

#define VTD_DEVICE_STEPS 4
/* Root, context, PASID directory and entry; then, with nested translation, the
 * second-stage walk for each first-stage table and for the page. */
#define VTD_MAX_STEPS 48

typedef enum {
	VTD_TRANSLATES,   /* through tables */
	VTD_PASS_THROUGH, /* TT = 10b: the IOVA is the GPA */
	VTD_DISABLED,     /* GSTS.TES = 0: nothing is translated */
	VTD_FAULTS,       /* refused, with a reason */
	VTD_UNREADABLE,   /* we could not read a table, so we do not know */
	VTD_INTERRUPT,    /* an address in the interrupt range: not a DMA at all */
} vtd_outcome;

typedef enum {
	VTD_STAGE_SECOND,
	VTD_STAGE_FIRST,
	VTD_STAGE_NESTED, /* first over second */
} vtd_stage;

/* What the root and context entries say of one device; in scalable mode also what
 * the PASID entry says of one of its PASIDs. */
typedef struct {
	viommu_sid sid;
	vtd_outcome outcome;
	vtd_fault fault; /* when VTD_FAULTS */
	vtd_step steps[VTD_DEVICE_STEPS];
	unsigned n_steps;
	vtd_context_entry context; /* legacy mode, when steps holds a readable context entry */
	bool scalable;
	vtd_sm_context_entry sm_context;
	uint32_t pasid;       /* scalable mode: RID_PASID, or the one that was asked for */
	bool pasid_requested; /* the request carries a PASID */
	vtd_pasid_entry pasid_entry;
	uint16_t did; /* when VTD_TRANSLATES or VTD_PASS_THROUGH */
	/* The rest only when VTD_TRANSLATES. */
	vtd_stage stage;
	viommu_gpa table; /* of the second stage; of the first, when stage is not SECOND */
	unsigned levels;
	unsigned input_bits; /* min(AW, MGAW), at most 63: a second-stage input above faults with
	                      * reason 4; a first-stage input has to be canonical in this width */
	viommu_gpa outer_table; /* nested only: the second stage */
	unsigned outer_levels;
} vtd_device;

/* FALSE with error only when the source is gone. */
gboolean vtd_find_device(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, vtd_device *ret,
	GError **error);

/* The same for a request with a PASID (scalable mode). */
gboolean vtd_find_pasid(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, uint32_t pasid,
	vtd_device *ret, GError **error);

/* Whether one kind of access would be let through. */
typedef struct {
	bool allowed;
	vtd_fault fault; /* when not allowed (NONE when unknown) */
	int blame;       /* index into steps of the entry that refuses, -1: none */
} vtd_answer;

typedef struct {
	vtd_device device;
	viommu_iova iova;
	vtd_outcome outcome;
	vtd_step steps[VTD_MAX_STEPS];
	unsigned n_steps;
	vtd_answer read, write;
	viommu_gpa gpa;      /* when read or write is allowed */
	viommu_gpa nested_gpa; /* nested only: what the first stage put out */
	unsigned page_shift; /* 12, 21 or 30 (the smaller of two stages); 0 when no table was used */
} vtd_translation;

/* Translates one IOVA of one device. */
gboolean vtd_translate(const vtd_unit *unit, viommu_memory *memory, viommu_sid sid, viommu_iova iova,
	vtd_translation *ret, GError **error);
/* The same with the root and context entries already read. */
gboolean vtd_translate_in(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device,
	viommu_iova iova, vtd_translation *ret, GError **error);

/* What a walk over a range finds.  Entries that are not present are not reported. */
typedef enum {
	VTD_RUN_MAPPED,
	VTD_RUN_RESERVED,   /* an entry with reserved bits set: QEMU refuses all of it */
	VTD_RUN_UNREADABLE, /* the table at gpa could not be read; status says why.  level is
	                     * that of the entry which names it, levels + 1 for the top table */
	VTD_RUN_LOOP,       /* a table that is its own ancestor: not followed */
	VTD_RUN_REPEATED,   /* the table at gpa was told already, at place before: budget.memo */
	VTD_RUN_UNVISITED,  /* the budget ran out here: nothing is known of it */
	VTD_RUN_INTERRUPT,  /* the page overlaps the interrupt range: QEMU refuses all of it */
	VTD_RUN_PRIVILEGE,  /* first stage, U/S = 0: refused, no emulated device is a supervisor */
} vtd_run_kind;

/* Where a table was met. */
typedef struct {
	viommu_sid sid;
	uint32_t pasid;
	viommu_iova iova; /* of its first entry */
} vtd_place;

/* A run of pages that translate alike: consecutive IOVAs to consecutive GPAs. */
typedef struct {
	vtd_run_kind kind;
	viommu_iova_range iova;
	viommu_gpa gpa; /* of iova.first */
	bool read, write;
	bool first_stage; /* raw is a first-stage entry */
	unsigned page_shift;
	viommu_page_status status;
	viommu_gpa entry; /* where the first entry of the run stands */
	uint64_t raw;     /* and what it is */
	unsigned level;
	vtd_place before; /* VTD_RUN_REPEATED */
} vtd_run;

typedef void (*vtd_run_visitor)(const vtd_run *run, void *user);

/* One field of an entry that was read, for people and programs. */
typedef struct {
	const char *name; /* as in the specification; "reserved" for the reserved bits that are set */
	uint64_t value;
	bool wide;           /* an address or a mask: shown in hexadecimal */
	const char *meaning; /* a few words, or NULL */
} vtd_field_value;

#define VTD_MAX_FIELDS 18

/* Decodes a step into fields; returns how many. None when it could not be read. */
unsigned vtd_step_fields(const vtd_unit *unit, const vtd_step *step, vtd_field_value ret[VTD_MAX_FIELDS]);
const char *vtd_step_name(const vtd_step *step); /* "root", "context", "PASID", "level 3", "FS level 3" */
const char *vtd_outcome_text(vtd_outcome outcome);
/* A habit of this QEMU that decides what becomes of the device's DMA and that the
 * specification does not have: a sentence, or NULL. */
const char *vtd_device_remark(const vtd_unit *unit, const vtd_device *device);
/* The same for the entry that is to blame for an answer. */
const char *vtd_answer_remark(const vtd_translation *walk, const vtd_answer *answer);

/* What was told already, so that it is told once: an entry that leads to a table which
 * another entry led to (at the same level, with the same permissions) gives
 * VTD_RUN_REPEATED.  So the answer is never longer than the tables, whatever they claim. */
typedef struct vtd_memo vtd_memo;
vtd_memo *vtd_memo_new(void);
void vtd_memo_free(vtd_memo *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(vtd_memo, vtd_memo_free)

/* What walks may still do, so that a hostile table ends them and not us.  Used up
 * as they go; several walks may share one. */
typedef struct {
	/* Table pages to visit.  One that a walk has visited before, as only tables that
	 * were made to cost time have, is charged VTD_REPEAT_COST times; or a part of
	 * that, where only a part of its entries lies in the range. */
	uint64_t tables;
	/* Runs to hand out: whoever keeps them needs some 100 bytes for each. */
	uint64_t runs;
	/* Not NULL: tables are told once, in all walks that share it. Not owned. */
	vtd_memo *memo;
	/* Not NULL, and no memo: what walks of other top tables have visited costs as a
	 * repeat does.  Of vtd_visited_new(); not owned. */
	GHashTable *visited;
} vtd_budget;

/* Page number + 1 of a table -> that of the top table of the walk that was first there. */
GHashTable *vtd_visited_new(void);

/* A million tables hold 2 TiB of 4 KiB pages, and are 4 GiB of memory themselves; four
 * million runs are 16 GiB in which no two pages are neighbours. */
#define VTD_DEFAULT_BUDGET VIOMMU_LITERAL(vtd_budget, 1u << 20, 1u << 22, NULL, NULL)
#define VTD_REPEAT_COST 4096
/* The walk of one top table for another time, as when two records name its device. */
#define VTD_AGAIN_COST 8

/* Calls visit for every run in IOVA order. Runs never overlap. */
gboolean vtd_walk(const vtd_unit *unit, viommu_memory *memory, viommu_gpa table, unsigned levels,
	vtd_budget *budget, vtd_run_visitor visit, void *user, GError **error);

/* The same for what a device (VTD_TRANSLATES) goes through, whatever the stage.  visit
 * NULL: every table is read, for the sake of the memory source. */
gboolean vtd_walk_device(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device,
	vtd_budget *budget, vtd_run_visitor visit, void *user, GError **error);
/* One paging entry that is not zero, whether it is present or not. */
typedef struct {
	viommu_gpa entry;
	uint64_t raw;
	unsigned level;
	bool first_stage;
	viommu_iova_range iova; /* what it covers; in a nested second stage: of its input */
} vtd_table_entry;

/* Calls visit for every entry, tables before what is below them, and finding for every
 * run that is not mapped, behind its entry.  Nested: first the entries of the second
 * stage. */
typedef void (*vtd_entry_visitor)(const vtd_table_entry *entry, void *user);
gboolean vtd_walk_entries(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device,
	vtd_budget *budget, vtd_entry_visitor visit, vtd_run_visitor finding, void *user, GError **error);

/* Two devices go through the same tables. */
bool vtd_same_tables(const vtd_device *a, const vtd_device *b);
/* A hash table with vtd_device as its keys, equal when they go through the same tables. */
GHashTable *vtd_tables_new(GDestroyNotify free_key);

/* Calls visit for every source id that has a present context entry, and for every
 * bus whose root entry is present but unusable (devfn 0, n_steps 1 or a fault).  When
 * the root table itself cannot be read, that is told once, of bus 0. */
typedef void (*vtd_device_visitor)(const vtd_device *device, void *user);
gboolean vtd_for_each_device(const vtd_unit *unit, viommu_memory *memory, vtd_device_visitor visit, void *user,
	GError **error);

/* PASIDs of a device of which one thing is to be said. */
typedef struct {
	vtd_run_kind kind; /* UNREADABLE, REPEATED or UNVISITED */
	uint32_t first, last;
	viommu_gpa table; /* the PASID table, or the page of the directory */
	viommu_gpa entry; /* of the directory; 0 when table is a page of it */
	viommu_page_status status;
	vtd_place before; /* REPEATED: iova is not used */
} vtd_pasid_finding;

typedef void (*vtd_pasid_finding_visitor)(const vtd_device *device, const vtd_pasid_finding *finding, void *user);

/* Calls visit for every other present PASID of a device in scalable mode, and finding
 * (may be NULL) for those whose tables cannot be read, or were told already
 * (budget.memo); uses up budget by the tables that it reads. */
gboolean vtd_for_each_pasid(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device,
	vtd_budget *budget, vtd_device_visitor visit, vtd_pasid_finding_visitor finding, void *user, GError **error);

G_END_DECLS

#endif
