/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L1 asked for against what the vIOMMU has.  A pure function of a record
 * and a snapshot: the result is a model, and every report only renders it.
 */
#ifndef VIOMMU_CORRELATE_H
#define VIOMMU_CORRELATE_H

#include <stdio.h>

#include <glib.h>
#include <jansson.h>
#include <viommu/addr.h>
#include <viommu/chain.h>
#include <viommu/error.h>
#include <viommu/snapshot.h>
#include <viommu/vtd.h>

G_BEGIN_DECLS

/* ---- the record, read ------------------------------------------------------- */

/* A stretch of a mapping whose GPAs are consecutive (or not known). */
typedef struct {
	viommu_iova_range iova;
	viommu_gpa gpa; /* of iova.first, when known */
	bool gpa_known;
	bool prot_known; /* read and write say what L1 asked for */
	bool read, write;
	uint32_t request; /* index into the space's requests */
	uint64_t since_ns; /* L1's clock when it was asked for, or unmapped; 0: not known */
} viommu_piece;

/* Pieces in IOVA order; they never overlap. */
typedef struct viommu_pieces viommu_pieces;

/* What L1 asked for at one address: a piece without its range. */
typedef struct {
	viommu_gpa gpa;
	uint64_t since_ns;
	uint32_t request;
	bool gpa_known : 1, prot_known : 1, read : 1, write : 1;
} viommu_expected;

/* One map request that succeeded.  A record can have millions. */
typedef struct {
	uint64_t seq;
	viommu_iova_range iova;
	uint64_t vaddr; /* in the program that asked */
	uint32_t gpa_unknown; /* for viommu_request_gpa_unknown(); 0: all GPAs are known */
	uint8_t page_shift; /* of the pages that L1 backs it with, 0 when the record does not say */
	bool prot_known : 1, read : 1, write : 1;
	bool vaddr_known : 1;
	bool again : 1;     /* some of its IOVAs had been mapped, or tried to, before */
} viommu_request;

/* A descriptor that L1 was seen to put into its invalidation queue. */
typedef struct {
	uint64_t time_ns; /* L1's clock */
	viommu_iova_range range; /* all IOVAs, unless it is page-selective */
	bool page_selective;
	bool every_domain; /* global: did does not count */
	uint16_t did;
} viommu_announcement;

/* Events of one kind. */
typedef struct {
	uint64_t count, seq; /* seq: of the first */
} viommu_seen;

/* An address space of L1: a VFIO container, an IOAS. */
typedef struct {
	int64_t id;
	char *backend;
	GArray *devices;  /* of viommu_sid: attached at the chosen moment */
	GHashTable *known; /* the same, to find them by */
	uint64_t attached_ns; /* L1's clock when it got the first of its devices; 0: not known */
	uint64_t devices_seq; /* the last event that gave it a device or took one; 0: none did */
	uint64_t changed_seq; /* the last event that mapped there, tried to, or unmapped; 0: none did */
	bool attached;    /* its devices are in the record, maybe none yet; if not, any may be meant */
	bool complete;    /* every mapping of this space is in the record */
	bool from_start;  /* it was seen being made: every mapping since is in the record */
	GArray *requests; /* of viommu_request, in record order */
	GPtrArray *reasons; /* why GPAs are not known: each text only once */
	GHashTable *reason_places; /* the same -> index + 1 */
	viommu_pieces *live; /* mapped at the chosen moment */
	viommu_pieces *gone; /* was mapped earlier, and is not any more */
	viommu_pieces *tried; /* maps that failed, which may have been announced all the same */
	/* What events behind the chosen moment do; request: which of later_seqs did it. */
	viommu_pieces *later;  /* they map it: IOVAs only */
	viommu_pieces *undone; /* of live: they unmap it, or map it anew */
	viommu_pieces *still;  /* the rest of live; NULL: all of it */
	GArray *later_seqs;    /* of uint64_t */
	GHashTable *left;      /* devices that leave the space: source id -> uint64_t, the event; NULL: none does */
	uint64_t failed;     /* requests that L1's kernel refused */
	viommu_seen no_space, exists; /* of them: with ENOSPC, with EEXIST */
	uint64_t refused_last, refused_seq; /* of them: the highest IOVA, and its event */
	viommu_seen overlaps; /* maps that succeeded where something was mapped already */
} viommu_space;

/* The record's reason, NULL when all GPAs of the request are known. */
const char *viommu_request_gpa_unknown(const viommu_space *space, const viommu_request *request);

#define VIOMMU_MARKS 8

typedef struct {
	char *path, *session, *kernel, *cmdline, *program;
	uint64_t cap, ecap; /* of L1's first IOMMU, 0 when not in the record */
	json_t *checks;     /* what viommu-probe doctor found in L1: "checks" of viommu-record(5); NULL: not in the record */
	GPtrArray *spaces;  /* of viommu_space */
	GArray *announcements; /* of viommu_announcement, in record order */
	bool queue_lost;    /* qi_submit events are missing */
	bool queue_watched; /* the record has L1's qi_submit events: none means that none was */
	GPtrArray *marks;   /* the names that its marks have, each once, the first VIOMMU_MARKS of them */
	uint64_t events, last_seq;
	uint64_t lost;      /* events known to be missing, at least */
	uint64_t losses;    /* how often any were lost */
	char *lost_reason;  /* NULL when nothing is */
	/* Why events behind the chosen moment, or behind the last mark of a trace, may be missing: of
	 * interest to tables that are younger than that.  Constant, NULL when none can be. */
	const char *lost_behind;
	uint64_t rests;     /* marks and end events up to the chosen moment */
	/* It is a trace: its last mark speaks for what was before it, and not for what came since. */
	bool looks_back;
	bool caught_up;     /* of that: the mark was made after the tables were read */
	uint64_t lag_ns;    /* of that: how long before it was written the moment is that it speaks for */
	bool ended;         /* the record has its end event */
	bool cut;           /* the last line was not whole and was left out */
	/* Nothing is missing at its end: it ends with a mark or its end event, or at the
	 * moment asked for, or it is one without marks and being written.  Otherwise it may
	 * have been cut off between two lines, and absence proves nothing. */
	bool settled;
} viommu_record;

/* Reads the record at path ("-": standard input).  at: NULL for its end, or a
 * sequence number or the name of a mark: events after that moment are left out.
 * Errors: FAILED (cannot open), INPUT (not a record, garbage, a newer version),
 * USAGE (no such moment). */
viommu_record *viommu_record_read(const char *path, const char *at, GError **error);
/* The same; *bytes, if bytes is not NULL, is what was read: new. */
viommu_record *viommu_record_read_whole(const char *path, const char *at, GBytes **bytes, GError **error);
/* The same of what such a file holds; name stands for its path. */
viommu_record *viommu_record_parse(GBytes *bytes, const char *name, const char *at, GError **error);
/* A trace that was not seen to end: what it tells goes up to its last mark. */
bool viommu_record_is_open_trace(const viommu_record *self);
/* Of a trace that ends with a mark: that mark was made after the tables were read that it is
 * compared with, so nothing is missing. */
void viommu_record_catch_up(viommu_record *self);
void viommu_record_free(viommu_record *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_record, viommu_record_free)

/* The same, as the record comes in: for a stream that is still being written.  The
 * record grows with each call and belongs to the player. at has to outlive it. */
typedef struct viommu_record_player viommu_record_player;
viommu_record_player *viommu_record_player_new(const char *path, const char *at);
void viommu_record_player_free(viommu_record_player *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_record_player, viommu_record_player_free)
gboolean viommu_record_player_feed(viommu_record_player *self, const char *bytes, size_t len, GError **error);
/* Nothing more will come: is what came a record? */
gboolean viommu_record_player_finish(viommu_record_player *self, GError **error);
const viommu_record *viommu_record_player_record(const viommu_record_player *self);
/* The same, and it is the caller's now; the player can only be freed then. */
viommu_record *viommu_record_player_take(viommu_record_player *self);
/* All there is for now was fed: sets the record's settled.  open: its writer is there and
 * could go on, so that a record whose writer makes no marks (viommu-probe trace) has all up
 * to now as well. */
void viommu_record_player_settle(viommu_record_player *self, bool open);
/* Of a trace, until the next of those: whole: nothing is missing behind what was fed; else, the tables
 * are younger than what it tells, its end too. */
void viommu_record_player_assume(viommu_record_player *self, bool whole);

/* ---- the result --------------------------------------------------------------- */

typedef enum {
	VIOMMU_MATCH,
	VIOMMU_MISSING,          /* asked for, not in the table                          */
	VIOMMU_WRONG_ADDRESS,    /* in the table, another GPA                            */
	VIOMMU_WRONG_PERMISSION, /* in the table, other permissions                      */
	VIOMMU_STALE,            /* unmapped in L1, still in the table                   */
	VIOMMU_UNEXPECTED,       /* in the table, in no record that claims to be complete */
	VIOMMU_NO_CONTEXT,       /* the device has no usable context entry               */
	VIOMMU_TRANSLATION_OFF,  /* GSTS.TES = 0                                         */
	VIOMMU_PASSED_THROUGH,   /* the device's DMA is not translated                   */
	VIOMMU_RESERVED_BIT,     /* an entry that QEMU refuses                           */
	VIOMMU_BEYOND_WIDTH,     /* the IOVA is above the address width                  */
	VIOMMU_UNVERIFIED,       /* we cannot tell; the note says why                    */
	VIOMMU_IN_FLUX,          /* it changed while we looked                           */
	VIOMMU_GONE,             /* unmapped, and not in the table: as it should be.  Such runs exist
	                          * for the sake of the links behind the table               */
	VIOMMU_VERDICTS,         /* how many there are */
} viommu_verdict;

const char *viommu_verdict_name(viommu_verdict verdict);    /* "wrong-address" */
const char *viommu_verdict_meaning(viommu_verdict verdict); /* a sentence */
/* A mapping is not where it should be (exit status 3). */
bool viommu_verdict_is_fault(viommu_verdict verdict);

/* A run of pages with one verdict.  There can be millions. */
typedef struct {
	viommu_iova_range iova;
	viommu_expected expected; /* of iova.first */
	viommu_gpa gpa;    /* of iova.first */
	const char *note;      /* lives as long as the result and the records; may be NULL */
	const vtd_translation *evidence; /* the walk to iova.first, the result's; NULL when nothing is wrong */
	uint32_t target;   /* index into the result's targets */
	uint32_t chain;    /* index into the result's chains */
	viommu_verdict verdict : 8;
	bool has_expected : 1; /* the record asks for it (or did, for stale) */
	bool has_observed : 1; /* the table translates it, or has an entry that would */
	bool read : 1, write : 1;  /* of the table */
	bool other_page_size : 1;  /* L1 backs it with another page size; not a fault */
	bool read_added : 1;       /* L1 asked for write only and the table gives read too; not a fault:
	                            * Linux does so since 5.13 (eea53c581688) */
	uint8_t page_shift;    /* of the table's pages, 0 when there is none */
} viommu_run;

/* One device of one address space, against the table that it points to. */
typedef struct {
	const viommu_record *record;
	const viommu_space *space;
	bool any_device;   /* the record does not say which device: sid and device mean nothing */
	viommu_sid sid;    /* of the device; its DMA goes under device.sid, which differs behind a
	                    * bridge to conventional PCI */
	bool bypassed;     /* QEMU does not put its DMA through the vIOMMU */
	vtd_device device;
	uint32_t same_as; /* index of an earlier target with the same space and table, or its own */
	uint64_t pages[VIOMMU_VERDICTS]; /* 4 KiB pages by verdict */
	uint64_t not_in_record; /* pages in the table that an incomplete record does not know */
	GArray *unjudged; /* of viommu_iova_range, ascending: the table has something there, or
	                   * could not be read, and no run says so; NULL if there is no such */
} viommu_target_result;

/* Pages with one chain. */
typedef struct {
	uint64_t mapped, gone;
} viommu_chain_pages;

typedef struct {
	GArray *targets; /* of viommu_target_result */
	GArray *runs;    /* of viommu_run, by target and IOVA */
	uint64_t pages[VIOMMU_VERDICTS];
	uint64_t runs_of[VIOMMU_VERDICTS];
	guint remarkable; /* how many runs are neither a match nor unmapped, or a fault */
	uint64_t read_added; /* pages of runs with that mark */
	GArray *chains;  /* of viommu_chain; each only once, the first is "nothing is known" */
	GHashTable *chain_places; /* the same -> index */
	GArray *chain_pages; /* of viommu_chain_pages, by chain */
	uint64_t broken[VIOMMU_LINKS]; /* pages by their first broken link */
	unsigned reads; /* how often the tables were read to be sure; 1 for a file */
	GStringChunk *notes;
	GPtrArray *walks; /* of vtd_translation: the evidence of its runs */
	const viommu_witnesses *witnesses; /* that it was judged by; NULL: none */
} viommu_result;

/* Judges records (GPtrArray of viommu_record) against a snapshot, and the links behind
 * the table by the witnesses (may be NULL). All have to outlive the result. Errors:
 * INPUT when the records hold nothing to verify. */
viommu_result *viommu_verify(const GPtrArray *records, const viommu_snapshot *snapshot,
	const viommu_witnesses *witnesses, GError **error);
/* Was a single page judged, mapped or unmapped? Errors: INPUT: none was, and what can be
 * done about that. */
gboolean viommu_result_has_pages(const viommu_result *self, const GPtrArray *records, GError **error);
void viommu_result_free(viommu_result *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_result, viommu_result_free)

/* What makes a run that run and no other, the same in every look at the same state:
 * a key for tables of what was seen before. Caller frees. */
char *viommu_run_key(const viommu_result *self, const viommu_run *run);

const viommu_chain *viommu_run_chain(const viommu_result *self, const viommu_run *run);
/* The verdict is a fault, or a link behind the table is broken. */
bool viommu_run_is_fault(const viommu_result *self, const viommu_run *run);

/* Pages with a fault. */
uint64_t viommu_result_faults(const viommu_result *self);

/* Counts the pages whose fault in self is not, exactly so, in the earlier result.
 * apply: gives them the verdict in-flux; runs are cut where that begins or ends, and
 * viommu_result_add_evidence() gives the parts what they then lack. */
uint64_t viommu_result_doubt(viommu_result *self, const viommu_result *earlier, bool apply);
/* Adds the walk to the first page of each run that is no match and has none. snapshot
 * is the one that self was judged by. */
gboolean viommu_result_add_evidence(viommu_result *self, const viommu_snapshot *snapshot, GError **error);

G_END_DECLS

#endif
