/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words and numbers: reading the ones that people and files give us, writing the
 * ones that we show. */
#ifndef VIOMMU_TEXT_H
#define VIOMMU_TEXT_H

#include <stdio.h>

#include <glib.h>
#include <jansson.h>
#include <viommu/addr.h>
#include <viommu/json.h>

/* A number a person typed: decimal, or hexadecimal with 0x. */
bool viommu_parse_number(const char *text, uint64_t *value);
/* "0000:00:04.0", "00:04.0" (segment 0 only). text may be NULL. */
bool viommu_parse_bdf(const char *text, viommu_sid *sid);

/* Text from a guest, a QEMU or a file, safe for a terminal: control characters
 * (C1 and bidirectional ones too) and what is not UTF-8 become \x… . */
char *viommu_escape(const char *text);

/* "00:04.0" into a buffer of the caller's. */
typedef struct { char text[40]; } viommu_text;
viommu_text viommu_bdf_text(viommu_sid sid);
viommu_text viommu_size_text(uint64_t bytes);     /* "64 KiB", exact; else "1,234,567 B" */
viommu_text viommu_count_text(uint64_t count);    /* "1,234,567" */
viommu_text viommu_prot_text(bool read, bool write); /* "rw", "r-", "-w", "--" */

json_t *viommu_json_path(const char *path); /* a file name need not be UTF-8; JSON has to be */
json_t *viommu_json_bdf(viommu_sid sid); /* "0000:00:04.0" */

/* Colour for people: only on a terminal, never with NO_COLOR. */
typedef enum { VIOMMU_PLAIN, VIOMMU_GOOD, VIOMMU_BAD, VIOMMU_UNSURE, VIOMMU_STRONG, VIOMMU_FAINT } viommu_tone;
void viommu_tones_init(FILE *out); /* NULL: no colour, wherever it goes */
const char *viommu_tone_on(viommu_tone tone);
const char *viommu_tone_off(viommu_tone tone);

#endif
