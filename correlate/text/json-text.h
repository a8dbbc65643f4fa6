/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compact JSON, appended to a string: a dump of 65536 devices is made of some ten
 * million values, and jansson allocates each of them four times.  name is NULL for an
 * element of an array; commas come by themselves.
 */
#ifndef VIOMMU_JSON_TEXT_H
#define VIOMMU_JSON_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include <glib.h>
#include <jansson.h>
#include <viommu/addr.h>

void viommu_jt_begin(GString *out, const char *name, char bracket); /* '{' or '[' */
void viommu_jt_end(GString *out, char bracket);                     /* '}' or ']' */

/* text is one of viommu's own: ASCII, with no quote, backslash or control character. */
void viommu_jt_word(GString *out, const char *name, const char *text);
/* Any text, of L1's or QEMU's. */
void viommu_jt_text(GString *out, const char *name, const char *text);
void viommu_jt_bool(GString *out, const char *name, bool value);
void viommu_jt_int(GString *out, const char *name, uint64_t value);
void viommu_jt_hex(GString *out, const char *name, uint64_t value); /* viommu_json_hex() */
void viommu_jt_bdf(GString *out, const char *name, viommu_sid sid); /* viommu_json_bdf() */

/* Takes value. */
void viommu_jt_json(GString *out, const char *name, json_t *value);

/* Writes what is there, but for the last character: it tells whether a comma is due. */
void viommu_jt_flush(GString *out, FILE *to);

/* The same as a value of jansson's. */
json_t *viommu_jt_load(const GString *text);

#endif
