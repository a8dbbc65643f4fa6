/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <glib.h>
#include <viommu/json.h>

json_t *
viommu_json_load(const char *text, size_t len, size_t flags, json_error_t *why)
{
	size_t parts = 0;

	for (size_t i = 0; i < len; i++)
		parts += text[i] == ',' || text[i] == '{' || text[i] == '[';
	if (parts <= VIOMMU_JSON_LIMIT)
		return json_loadb(text, len, flags, why);
	if (why)
		g_strlcpy(why->text, "too many values", sizeof(why->text));
	return NULL;
}

json_t *
viommu_json_hex(uint64_t value)
{
	char text[18];
	size_t at = sizeof(text);

	/* By hand: a dump of 65536 contexts spends its time here. */
	do
		text[--at] = "0123456789abcdef"[value & 15];
	while (value >>= 4);
	text[--at] = 'x';
	text[--at] = '0';
	return json_stringn_nocheck(text + at, sizeof(text) - at);
}

bool
viommu_parse_hex(const char *text, uint64_t *value)
{
	size_t digits;

	if (!text || !g_str_has_prefix(text, "0x"))
		return false;
	text += 2;
	digits = strspn(text, "0123456789abcdefABCDEF");
	if (digits == 0 || digits > 16 || text[digits])
		return false;
	*value = g_ascii_strtoull(text, NULL, 16);
	return true;
}

bool
viommu_json_get_hex(const json_t *json, const char *key, uint64_t *value)
{
	return viommu_parse_hex(json_string_value(json_object_get(json, key)), value);
}

char *
viommu_json_dup_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return g_strdup(text ? text : "");
}
