/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes records, line by line, as viommu-record(5) says. */
#ifndef UNIT_RECORDS_H
#define UNIT_RECORDS_H

#include <glib.h>
#include <viommu/correlate.h>

typedef struct {
	GString *text;
	guint64 seq; /* of the last line */
} record_text;

/* Begins with a header. */
record_text *record_text_new(void);
void record_text_free(record_text *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(record_text, record_text_free)

/* An event: the members of its object in printf's form, after "seq" and "event". */
void record_event(record_text *self, const char *event, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* A line as it is. */
void record_line(record_text *self, const char *line);

void record_attach(record_text *self, int space, const char *device, bool complete);
/* One extent. */
void record_map(record_text *self, int space, guint64 iova, guint64 gpa, guint64 size, const char *prot);
void record_map_unknown(
	record_text *self, int space, guint64 iova, guint64 size, const char *prot, const char *why);
void record_unmap(record_text *self, int space, guint64 iova, guint64 size);
void record_end(record_text *self);

/* Written to a file and read; at may be NULL. */
viommu_record *record_read(const record_text *self, const char *at, GError **error);
/* The same, and it has to be good. */
viommu_record *record_good(const record_text *self, const char *at);

/* "first-last gpa prot request" of each piece, one a line; the GPA "?" when not known. */
char *record_pieces(const viommu_pieces *pieces);

#endif
