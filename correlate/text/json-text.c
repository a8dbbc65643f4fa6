/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text/json-text.h"

#include <stdlib.h>

#include "text/text.h"

static void
begin_value(GString *out, const char *name)
{
	char last = out->len ? out->str[out->len - 1] : '[';

	if (last != '{' && last != '[')
		g_string_append_c(out, ',');
	if (!name)
		return;
	g_string_append_c(out, '"');
	g_string_append(out, name);
	g_string_append_len(out, "\":", 2);
}

void
viommu_jt_begin(GString *out, const char *name, char bracket)
{
	begin_value(out, name);
	g_string_append_c(out, bracket);
}

void
viommu_jt_end(GString *out, char bracket)
{
	g_string_append_c(out, bracket);
}

void
viommu_jt_word(GString *out, const char *name, const char *text)
{
	begin_value(out, name);
	g_string_append_c(out, '"');
	g_string_append(out, text);
	g_string_append_c(out, '"');
}

void
viommu_jt_json(GString *out, const char *name, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT) : NULL;

	begin_value(out, name);
	g_string_append(out, text ? text : "null");
	free(text);
	json_decref(value);
}

void
viommu_jt_text(GString *out, const char *name, const char *text)
{
	viommu_jt_json(out, name, json_string(text));
}

void
viommu_jt_flush(GString *out, FILE *to)
{
	gsize n = out->len ? out->len - 1 : 0;

	fwrite(out->str, 1, n, to);
	g_string_erase(out, 0, (gssize) n);
}

void
viommu_jt_bool(GString *out, const char *name, bool value)
{
	begin_value(out, name);
	g_string_append(out, value ? "true" : "false");
}

/* Digits of any base, without the detour of printf(). */
static void
append_digits(GString *out, uint64_t value, unsigned base)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	g_string_append_len(out, digits + at, (gssize) (sizeof(digits) - at));
}

void
viommu_jt_int(GString *out, const char *name, uint64_t value)
{
	begin_value(out, name);
	append_digits(out, value, 10);
}

void
viommu_jt_hex(GString *out, const char *name, uint64_t value)
{
	begin_value(out, name);
	g_string_append_len(out, "\"0x", 3);
	append_digits(out, value, 16);
	g_string_append_c(out, '"');
}

void
viommu_jt_bdf(GString *out, const char *name, viommu_sid sid)
{
	begin_value(out, name);
	g_string_append_len(out, "\"0000:", 6);
	g_string_append(out, viommu_bdf_text(sid).text);
	g_string_append_c(out, '"');
}

json_t *
viommu_jt_load(const GString *text)
{
	return json_loadb(text->str, text->len, 0, NULL);
}
