/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bundle (viommu-bundle(5)): all that a result was made from, and the result, in one
 * file.  It is read into memory, and what is wrong with it rejects it as a whole.
 */
#ifndef VIOMMU_BUNDLE_H
#define VIOMMU_BUNDLE_H

#include <stdbool.h>
#include <stdio.h>

#include <glib.h>
#include <jansson.h>
#include <viommu/error.h>

/* What the parts are, in the manifest. */
#define VIOMMU_PART_SNAPSHOT "snapshot"
#define VIOMMU_PART_RECORD "record"
#define VIOMMU_PART_QEMU_LOG "qemu-log"
#define VIOMMU_PART_SHADOW_RECORD "shadow-record"
#define VIOMMU_PART_SHADOW_SNAPSHOT "shadow-snapshot"
#define VIOMMU_PART_SHADOW_TEXT "shadow-debugfs"

typedef struct {
	char *name;  /* "records/1.jsonl" */
	char *kind;  /* as above, or for people only: "result", "report", "qemu", "l1" */
	char *label; /* where it was read from, as reports name it; NULL: nowhere */
	GBytes *bytes;
	bool now;    /* a shadow that was read when L1's tables were, and not one that somebody chose; a
	              * trace up to a mark that is younger than they are */
} viommu_part;

/* label may be NULL. Takes a reference. */
viommu_part *viommu_part_new(const char *name, const char *kind, const char *label, GBytes *bytes);
/* The same under another label, with other bytes. */
viommu_part *viommu_part_like(const viommu_part *self, const char *label, GBytes *bytes);
void viommu_part_free(viommu_part *self);

typedef struct {
	GPtrArray *parts; /* of viommu_part, in the order of the manifest */
	json_t *manifest;
} viommu_bundle;

/* Takes manifest, an object, which gets its list of parts when it is written. */
viommu_bundle *viommu_bundle_new(json_t *manifest);
void viommu_bundle_free(viommu_bundle *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_bundle, viommu_bundle_free)

/* Takes part. */
void viommu_bundle_add(viommu_bundle *self, viommu_part *part);
/* The first part of this kind behind after (NULL: of all); NULL when there is none. */
const viommu_part *viommu_bundle_next(const viommu_bundle *self, const char *kind, const viommu_part *after);

/* The same parts give the same bytes. Errors: FAILED, also when no viommu could read it. */
gboolean viommu_bundle_write(viommu_bundle *self, FILE *out, GError **error);

/* Whether the file at path begins as one does. */
gboolean viommu_is_bundle(const char *path);
/* Errors: FAILED (cannot read), INPUT (not a bundle, cut short, lies, too large). */
viommu_bundle *viommu_bundle_read(const char *path, GError **error);

/* ---- for the files of bundle-*.c --------------------------------------------------------- */

#define VIOMMU_BUNDLE_FORMAT "viommu-bundle"
#define VIOMMU_BUNDLE_VERSION 1
#define VIOMMU_BUNDLE_FOLDER "viommu-bundle/"
#define VIOMMU_BUNDLE_MANIFEST "manifest.json"
#define VIOMMU_BUNDLE_MAX_PARTS 1024
/* All parts, in bytes: they are in memory. */
#define VIOMMU_BUNDLE_MAX_SIZE ((guint64) 3 << 30)
/* What is larger than this may not be more than so many times the file: pages of tables
 * and records come to 5 to 30 times. */
#define VIOMMU_BUNDLE_FREE_SIZE ((guint64) 64 << 20)
#define VIOMMU_BUNDLE_MAX_RATIO 300

char *viommu_bytes_sha256(GBytes *bytes);
/* Lower-case words, digits, dots and slashes, leading nowhere. */
gboolean viommu_bundle_is_name(const char *name);

#endif
