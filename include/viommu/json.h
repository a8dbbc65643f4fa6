/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How this project writes an address or a register in JSON: a string of "0x" and 1 to
 * 16 hexadecimal digits, because a JSON number of 64 bits is not safe with every reader.
 */
#ifndef VIOMMU_JSON_H
#define VIOMMU_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>
#include <jansson.h>

G_BEGIN_DECLS

/* json_loadb() for text that others wrote. Text with more than VIOMMU_JSON_LIMIT of the
 * characters that begin or part values is refused: jansson turns 20 MB of "{},{},…" into
 * 1.5 GB, and the limit into less than 1 GB. A map of a million extents has 3 million. */
#define VIOMMU_JSON_LIMIT (1u << 23)
json_t *viommu_json_load(const char *text, size_t len, size_t flags, json_error_t *why);

/* A new string; the caller owns the reference. */
json_t *viommu_json_hex(uint64_t value);

/* "0x" and 1 … 16 hexadecimal digits, nothing else. text may be NULL. */
bool viommu_parse_hex(const char *text, uint64_t *value);
/* The member key of an object; false when it is not there or is no such string. */
bool viommu_json_get_hex(const json_t *json, const char *key, uint64_t *value);

/* A copy of the string member key, "" when there is none. Caller frees. */
char *viommu_json_dup_text(const json_t *json, const char *key);

G_END_DECLS

#endif
