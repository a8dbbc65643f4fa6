/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static void
append(struct json *json, const char *bytes, size_t len)
{
	if (json->oom)
		return;
	if (len > json->capacity - json->len) {
		size_t capacity = json->capacity ? json->capacity * 2 : 1024;
		char *data;

		while (capacity - json->len < len)
			capacity *= 2;
		data = realloc(json->data, capacity);
		if (data == NULL) {
			json->oom = true;
			return;
		}
		json->data = data;
		json->capacity = capacity;
	}
	memcpy(json->data + json->len, bytes, len);
	json->len += len;
}

static void
append_text(struct json *json, const char *text)
{
	append(json, text, strlen(text));
}

static void
begin_value(struct json *json)
{
	if (json->need_comma)
		append_text(json, ",");
	json->need_comma = true;
}

void
json_reset(struct json *json)
{
	json->len = 0;
	json->need_comma = false;
	json->oom = false;
}

void
json_free(struct json *json)
{
	free(json->data);
	*json = (struct json){ 0 };
}

static void
open_with(struct json *json, const char *bracket)
{
	begin_value(json);
	append_text(json, bracket);
	json->need_comma = false;
}

static void
close_with(struct json *json, const char *bracket)
{
	append_text(json, bracket);
	json->need_comma = true;
}

void
json_open_object(struct json *json)
{
	open_with(json, "{");
}

void
json_close_object(struct json *json)
{
	close_with(json, "}");
}

void
json_open_array(struct json *json)
{
	open_with(json, "[");
}

void
json_close_array(struct json *json)
{
	close_with(json, "]");
}

static void
append_character(struct json *json, const char *text, size_t len, uint32_t code)
{
	char escape[8];

	if (code == '"' || code == '\\') {
		append(json, "\\", 1);
		append(json, text, len);
	} else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
		snprintf(escape, sizeof escape, "\\u%04x", (unsigned) code);
		append_text(json, escape);
	} else {
		append(json, text, len);
	}
}

/* How many bytes stand for themselves. */
static size_t
plain_span(const char *text)
{
	size_t n = 0;

	while (text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
		n++;
	return n;
}

static void
append_quoted(struct json *json, const char *text)
{
	size_t len = strlen(text);

	append(json, "\"", 1);
	for (size_t at = 0; at < len;) {
		const size_t plain = plain_span(text + at);
		uint32_t code = 0;
		size_t step;

		append(json, text + at, plain);
		at += plain;
		if (at == len)
			break;
		step = utf8_step(text + at, len - at, &code);
		if (step == 0) {
			append_text(json, "\\ufffd");
			at++;
			continue;
		}
		append_character(json, text + at, step, code);
		at += step;
	}
	append(json, "\"", 1);
}

void
json_key(struct json *json, const char *key)
{
	begin_value(json);
	append_quoted(json, key);
	append_text(json, ":");
	json->need_comma = false;
}

void
json_string(struct json *json, const char *text)
{
	begin_value(json);
	append_quoted(json, text);
}

void
json_hex(struct json *json, uint64_t value)
{
	char text[24];
	size_t at = sizeof text;

	/* By hand: a record can have a million of them. */
	text[--at] = '"';
	do
		text[--at] = "0123456789abcdef"[value & 15];
	while (value >>= 4);
	at -= 3;
	memcpy(text + at, "\"0x", 3);
	begin_value(json);
	append(json, text + at, sizeof text - at);
}

void
json_uint(struct json *json, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	begin_value(json);
	append_text(json, text);
}

void
json_bool(struct json *json, bool value)
{
	begin_value(json);
	append_text(json, value ? "true" : "false");
}

void
json_add_string(struct json *json, const char *key, const char *text)
{
	json_key(json, key);
	json_string(json, text);
}

void
json_add_hex(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	json_hex(json, value);
}

void
json_add_uint(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	json_uint(json, value);
}

void
json_add_bool(struct json *json, const char *key, bool value)
{
	json_key(json, key);
	json_bool(json, value);
}

void
json_value(struct json *json, const struct json *value)
{
	begin_value(json);
	append(json, value->data, value->len);
	json->oom = json->oom || value->oom;
}

void
json_newline(struct json *json)
{
	append_text(json, "\n");
}
