/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a record: the state that record.c and the readers of events share. */
#ifndef VIOMMU_RECORD_READER_H
#define VIOMMU_RECORD_READER_H

#include <viommu/correlate.h>

#include "record/record-line.h"

typedef struct {
	viommu_record *record;
	GHashTable *spaces; /* of the record's viommu_space, by their id */
	const char *at;
	uint64_t line;
	bool reached; /* the moment that at names */
	uint64_t behind_seq; /* of the last event behind it, 0: there is none */
	bool behind_rest;    /* and that was a mark or the end */
	GHashTable *space_of; /* source id -> the viommu_space that it uses */
	bool at_rest; /* the last event was a mark or the end */
	bool tells_rest; /* its writer says so when it is at rest: a mark or a space that is complete was seen */
	viommu_map_line map; /* the last such line */
	GError **error;
} viommu_record_reader;

/* Sets an INPUT error that names the record and the line; returns false. */
bool viommu_record_reject(viommu_record_reader *r, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Plays one event line. False: rejected. */
bool viommu_record_event(viommu_record_reader *r, const json_t *json);
/* The same for r->map. */
bool viommu_record_map(viommu_record_reader *r);

/* "record-after.c": an event behind the chosen moment: only what it maps and undoes is
 * kept, and what is wrong with it is not said. */
void viommu_record_after(viommu_record_reader *r, const json_t *json);

/* A mark, wherever it stands. */
void viommu_record_note_mark(viommu_record_reader *r, const json_t *json);

void viommu_space_free(void *space);

/* NULL: there is none, and none is made. */
viommu_space *viommu_record_find_space(viommu_record_reader *r, int64_t id, bool create);
/* That which an event names. False: rejected. */
bool viommu_record_get_space(viommu_record_reader *r, const json_t *json, bool create, viommu_space **ret);
/* When it began: begin_ns where time_ns is that of its end. */
uint64_t viommu_record_get_time(const json_t *json);

/* "record-maps.c": the events that say what is mapped. False: rejected. */
bool viommu_record_on_map(viommu_record_reader *r, const json_t *json);
bool viommu_record_on_map_line(viommu_record_reader *r);
bool viommu_record_on_unmap(viommu_record_reader *r, const json_t *json);

/* "record-doctor.c": what viommu-probe doctor found in L1. True. */
bool viommu_record_on_doctor(viommu_record_reader *r, const json_t *json);

#endif
