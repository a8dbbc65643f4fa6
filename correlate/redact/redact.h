/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private text out, placeholders in: "<path-2>".  The same text gets the same placeholder
 * wherever it stands, so what belongs together can still be seen.
 *
 * What is private is known in two ways: by its shape (MAC addresses, UUIDs, paths, URLs
 * and so on), and because it was learned where its meaning is known: the value of
 * password= on QEMU's command line, say, is then replaced wherever it occurs.  So learn
 * from everything first.
 */
#ifndef VIOMMU_REDACT_H
#define VIOMMU_REDACT_H

#include <stdbool.h>

#include <glib.h>
#include <jansson.h>
#include <viommu/snapshot.h>

typedef enum {
	VIOMMU_REDACT_HOST,   /* names and addresses of machines */
	VIOMMU_REDACT_USER,
	VIOMMU_REDACT_NAME,   /* of guests, exports, labels      */
	VIOMMU_REDACT_PATH,
	VIOMMU_REDACT_URL,
	VIOMMU_REDACT_MAC,
	VIOMMU_REDACT_SERIAL,
	VIOMMU_REDACT_UUID,
	VIOMMU_REDACT_TEXT,   /* that is given to the guest      */
	VIOMMU_REDACT_SECRET,
	VIOMMU_REDACT_KINDS,
} viommu_redact_kind;

const char *viommu_redact_kind_name(viommu_redact_kind kind); /* "mac" */
const char *viommu_redact_kind_text(viommu_redact_kind kind); /* "MAC addresses" */

typedef struct viommu_redact viommu_redact;
viommu_redact *viommu_redact_new(void);
void viommu_redact_free(viommu_redact *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_redact, viommu_redact_free)

/* ---- learning --------------------------------------------------------------------- */

void viommu_redact_learn(viommu_redact *self, viommu_redact_kind kind, const char *literal);
/* The name of this host, and of the user who runs this. */
void viommu_redact_learn_here(viommu_redact *self);
/* Whose home directories are named in some text? */
void viommu_redact_learn_homes(viommu_redact *self, const char *text, size_t len);
/* QEMU's command line; may be NULL. */
void viommu_redact_learn_arguments(viommu_redact *self, char **arguments);
/* That of L1's kernel. */
void viommu_redact_learn_kernel(viommu_redact *self, const char *cmdline);
/* Placeholders up to this number are taken, by text that was redacted before; they count. */
void viommu_redact_taken(viommu_redact *self, viommu_redact_kind kind, unsigned number, uint64_t times);

/* ---- replacing: new strings -------------------------------------------------------- */

char *viommu_redact_text(viommu_redact *self, const char *text);
/* Of text that was cut off: its end may be the beginning of what is private. */
char *viommu_redact_shortened(viommu_redact *self, const char *text);
/* Four numbers with dots between them are a version here. */
char *viommu_redact_version(viommu_redact *self, const char *text);
/* A word of viommu's own formats: it stays as it is. */
bool viommu_redact_is_term(const viommu_redact *self, const char *text);
/* A whole argument of the command line that was learned. */
char *viommu_redact_argument(viommu_redact *self, const char *argument);
char *viommu_redact_kernel(viommu_redact *self, const char *cmdline);
/* The name of a file: its directories are private, and it may be. */
char *viommu_redact_path(viommu_redact *self, const char *path);
/* The placeholder of this text. */
char *viommu_redact_whole(viommu_redact *self, viommu_redact_kind kind, const char *text);

/* The length of a placeholder that stands there, 0 if none does. */
size_t viommu_redact_placeholder_at(const char *text, size_t len, size_t at);
/* Of two texts that differ, or NULL: one of them has placeholders, and they may have been the same. */
bool viommu_redact_may_be_same(const char *a, const char *b);

/* ---- what was replaced --------------------------------------------------------------- */

/* How many texts of a kind, and how often in all. */
unsigned viommu_redact_count(const viommu_redact *self, viommu_redact_kind kind, uint64_t *times);
/* New reference: [{"kind", "count", "times"}]; kinds of which there are none are left out. */
json_t *viommu_redact_counts_json(const viommu_redact *self);
/* "2 MAC addresses, 1 path", or "nothing". */
char *viommu_redact_counts_text(const viommu_redact *self);

/* ---- for the files of redact-*.c ------------------------------------------------------- */

/* Something private begins at text + at by its shape: its kind and length, or 0.  ipv4: four
 * numbers with dots between them are an address. */
size_t viommu_redact_shape(const char *text, size_t len, size_t at, bool ipv4, viommu_redact_kind *kind);
/* It can be said: it tells nothing of its owner. */
bool viommu_redact_is_public_path(const char *path, size_t len);
/* What an argument is shown as; kept for viommu_redact_argument(). Takes shown. */
void viommu_redact_set_argument(viommu_redact *self, const char *argument, char *shown);
/* Learns a path, and the name of the file. */
void viommu_redact_learn_path(viommu_redact *self, const char *path);
/* Learns who and what a URL names. */
void viommu_redact_learn_url(viommu_redact *self, const char *url);
/* Appends what a placeholder is put for when an argument is shown. */
void viommu_redact_put_mark(viommu_redact *self, GString *out, viommu_redact_kind kind, const char *literal);
/* New: what has such marks in it, with placeholders. */
char *viommu_redact_marked(viommu_redact *self, const char *shown);

#endif
