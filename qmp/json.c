/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <glib.h>
#include <viommu/json.h>

json_t *
viommu_json_hex(uint64_t value)
{
	char text[24];

	g_snprintf(text, sizeof(text), "0x%" G_GINT64_MODIFIER "x", value);
	return json_string(text);
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
