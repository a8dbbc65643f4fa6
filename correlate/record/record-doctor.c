/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What viommu-probe doctor found in L1. It is for people: what is odd about it is left out,
 * and what is more than doctor can ever say is cut, since a report carries the rest. */
#include <string.h>

#include "record/record-reader.h"

#define MAX_CHECKS 1000
#define MAX_LINES 256        /* of one check's "more" */
#define MAX_TEXT 4096        /* bytes; doctor's own buffer is smaller */
#define MAX_SUM (1u << 20)   /* of the bytes of all texts */

/* A new one. Cut where a character ends. */
static json_t *
bounded(const json_t *text)
{
	const char *bytes = json_string_value(text);
	size_t len = strlen(bytes), keep = MAX_TEXT;

	if (len <= MAX_TEXT)
		return json_string(bytes);
	while ((bytes[keep] & 0xc0) == 0x80)
		keep--;
	return json_sprintf("%.*s… (%zu more bytes, left out)", (int) keep, bytes, len - keep);
}

static json_t *
lines_of(const json_t *more, size_t *size)
{
	json_t *ret = json_array(), *line;
	size_t i, left = 0;

	json_array_foreach (more, i, line) {
		if (!json_is_string(line))
			continue;
		if (json_array_size(ret) == MAX_LINES) {
			left++;
			continue;
		}
		json_array_append_new(ret, bounded(line));
		*size += json_string_length(json_array_get(ret, json_array_size(ret) - 1));
	}
	if (left)
		json_array_append_new(ret, json_sprintf("… and %zu more lines, left out", left));
	return ret;
}

/* A new one. *size: of its texts. */
static json_t *
check_of(const json_t *item, size_t *size)
{
	static const char *const texts[] = { "section", "name", "verdict", "seen", "fix" };
	json_t *ret = json_object(), *lines;

	*size = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		const json_t *text = json_object_get(item, texts[i]);

		if (json_is_string(text))
			json_object_set_new(ret, texts[i], bounded(text));
		else if (strcmp(texts[i], "fix") != 0)
			json_object_set_new(ret, texts[i], json_string(""));
		*size += json_string_length(json_object_get(ret, texts[i]));
	}
	lines = lines_of(json_object_get(item, "more"), size);
	if (json_array_size(lines))
		json_object_set(ret, "more", lines);
	json_decref(lines);
	return ret;
}

bool
viommu_record_on_doctor(viommu_record_reader *r, const json_t *json)
{
	json_t *checks = json_array(), *item;
	size_t i, sum = 0, left = 0;

	json_array_foreach (json_object_get(json, "checks"), i, item) {
		size_t size;
		json_t *check = json_is_object(item) && !left && json_array_size(checks) < MAX_CHECKS ? check_of(item, &size) : NULL;

		if (check && size <= MAX_SUM - sum) {
			json_array_append(checks, check);
			sum += size;
		} else {
			left += json_is_object(item);
		}
		json_decref(check);
	}
	if (left)
		json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:o}", "section", "record", "name", "more checks", "verdict", "skip",
							"seen", json_sprintf("%zu checks of this record are left out", left)));
	json_decref(r->record->checks);
	r->record->checks = checks;
	return true;
}
