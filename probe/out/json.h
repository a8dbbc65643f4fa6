/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds one JSON text in memory.  The caller gives keys and values in order;
 * commas and escapes are made here.  Running out of memory is remembered in
 * `oom` and asked about once, at the end.
 */
#ifndef PROBE_JSON_H
#define PROBE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *data; /* `len` bytes, not terminated */
	size_t len;
	size_t capacity;
	bool need_comma;
	bool oom;
};

void json_reset(struct json *json); /* empties it, keeps the memory */
void json_free(struct json *json);

void json_open_object(struct json *json);
void json_close_object(struct json *json);
void json_open_array(struct json *json);
void json_close_array(struct json *json);
void json_key(struct json *json, const char *key);
/* TEXT may be hostile: see utf8.h.  What is not UTF-8 becomes U+FFFD. */
void json_string(struct json *json, const char *text);
/* A number as the format writes addresses: the string "0x…". */
void json_hex(struct json *json, uint64_t value);
void json_uint(struct json *json, uint64_t value);
void json_bool(struct json *json, bool value);
/* A value that is JSON already. */
void json_value(struct json *json, const struct json *value);
/* A key with its value. */
void json_add_string(struct json *json, const char *key, const char *text);
void json_add_hex(struct json *json, const char *key, uint64_t value);
void json_add_uint(struct json *json, const char *key, uint64_t value);
void json_add_bool(struct json *json, const char *key, bool value);
void json_newline(struct json *json);

#endif
