/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/record-line.h"

#include <string.h>

#include <viommu/json.h>
#include <viommu/record.h>

/* What is left of the line. */
typedef struct {
	const char *at, *end;
} rest;

static inline bool
take_char(rest *line, char c)
{
	if (line->at == line->end || *line->at != c)
		return false;
	line->at++;
	return true;
}

static inline bool
take_text(rest *line, const char *text, size_t len)
{
	if ((size_t) (line->end - line->at) < len || memcmp(line->at, text, len) != 0)
		return false;
	line->at += len;
	return true;
}

#define TAKE(line, text) take_text(line, text, sizeof(text) - 1)

/* Fits in 63 bits, and is JSON: no sign, no leading zero, no fraction. */
static bool
take_number(rest *line, uint64_t *ret)
{
	const char *from = line->at;
	uint64_t value = 0;

	while (line->at < line->end && *line->at >= '0' && *line->at <= '9' && line->at - from < 19)
		value = value * 10 + (uint64_t) (*line->at++ - '0');
	*ret = value;
	return line->at > from && line->at - from < 19 && (*from != '0' || line->at - from == 1);
}

static bool
take_hex(rest *line, uint64_t *ret)
{
	const char *from;
	uint64_t value = 0;

	if (!TAKE(line, "\"0x"))
		return false;
	from = line->at;
	for (; line->at < line->end && line->at - from <= 16; line->at++) {
		unsigned char c = (unsigned char) *line->at;

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t) (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value = value << 4 | (uint64_t) ((c | 32) - 'a' + 10);
		else
			break;
	}
	*ret = value;
	return line->at > from && line->at - from <= 16 && take_char(line, '"');
}

static bool
take_event(rest *line, viommu_map_line *ret)
{
	(void) ret;
	return TAKE(line, "\"" VIOMMU_EVENT_MAP "\"");
}

static bool
take_seq(rest *line, viommu_map_line *ret)
{
	return take_number(line, &ret->seq);
}

static bool
take_time(rest *line, viommu_map_line *ret)
{
	return take_number(line, &ret->time_ns);
}

static bool
take_space(rest *line, viommu_map_line *ret)
{
	return take_number(line, &ret->space);
}

static bool
take_iova(rest *line, viommu_map_line *ret)
{
	return take_hex(line, &ret->iova);
}

static bool
take_size(rest *line, viommu_map_line *ret)
{
	return take_hex(line, &ret->size);
}

static bool
take_page_size(rest *line, viommu_map_line *ret)
{
	return take_hex(line, &ret->page_size);
}

static bool
take_vaddr(rest *line, viommu_map_line *ret)
{
	ret->vaddr_known = true;
	return take_hex(line, &ret->vaddr);
}

static bool
take_prot(rest *line, viommu_map_line *ret)
{
	ret->prot = TAKE(line, "\"rw\"") ? "rw" : TAKE(line, "\"r\"") ? "r" : TAKE(line, "\"w\"") ? "w" : NULL;
	return ret->prot != NULL;
}

/* So many that the line is within VIOMMU_JSON_LIMIT. */
#define EXTENTS_LIMIT (VIOMMU_JSON_LIMIT / 3 - 100)

static bool
take_extents(rest *line, viommu_map_line *ret)
{
	if (!take_char(line, '['))
		return false;
	if (take_char(line, ']'))
		return true;
	do {
		viommu_line_extent extent;

		if (!TAKE(line, "{\"gpa\":") || !take_hex(line, &extent.gpa) || !TAKE(line, ",\"size\":") ||
			!take_hex(line, &extent.size) || ret->extents->len == EXTENTS_LIMIT)
			return false;
		extent.after_ns = 0;
		if ((TAKE(line, ",\"after_ns\":") && !take_number(line, &extent.after_ns)) || !take_char(line, '}'))
			return false;
		g_array_append_val(ret->extents, extent);
	} while (take_char(line, ','));
	return take_char(line, ']');
}

#define KEY(text) text, sizeof(text) - 1

static const struct {
	const char *key;
	size_t len;
	bool (*take)(rest *line, viommu_map_line *ret);
	bool needed;
} members[] = {
	{ KEY("\"seq\":"), take_seq, true },
	{ KEY("\"time_ns\":"), take_time, false },
	{ KEY("\"event\":"), take_event, true },
	{ KEY("\"space\":"), take_space, true },
	{ KEY("\"iova\":"), take_iova, true },
	{ KEY("\"size\":"), take_size, true },
	{ KEY("\"prot\":"), take_prot, false },
	{ KEY("\"vaddr\":"), take_vaddr, false },
	{ KEY("\"page_size\":"), take_page_size, false },
	{ KEY("\"extents\":"), take_extents, true },
};

bool
viommu_map_line_parse(const char *text, size_t len, viommu_map_line *ret)
{
	rest line = { text, text + len };

	*ret = (viommu_map_line){ .extents = ret->extents };
	g_array_set_size(ret->extents, 0);
	if (!take_char(&line, '{'))
		return false;
	/* In the order in which the probe writes them, so that none comes twice. */
	for (size_t i = 0, n = 0; i < G_N_ELEMENTS(members); i++) {
		const char *before = line.at;

		if ((n == 0 || take_char(&line, ',')) && take_text(&line, members[i].key, members[i].len)) {
			if (!members[i].take(&line, ret))
				return false;
			n++;
			continue;
		}
		if (members[i].needed)
			return false;
		line.at = before;
	}
	return take_char(&line, '}') && line.at == line.end;
}
