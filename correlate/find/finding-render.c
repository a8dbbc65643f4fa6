/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings for people and for programs. Their texts are escaped already. */
#include <inttypes.h>

#include "find/finding-kinds.h"
#include "text/text.h"

/* Columns of a line of prose, as in the other reports. */
#define COLUMNS 108

static viommu_tone
tone_of(viommu_severity severity)
{
	switch (severity) {
	case VIOMMU_SEVERITY_FAULT:
	case VIOMMU_SEVERITY_SECURITY:
		return VIOMMU_BAD;
	case VIOMMU_SEVERITY_WARNING:
		return VIOMMU_UNSURE;
	default:
		return VIOMMU_FAINT;
	}
}

/* A paragraph of which something is printed already, up to column; further lines are
 * indented. */
static void
print_words(FILE *out, const char *text, int column, int indent)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);

	for (char **word = words; *word; word++) {
		int len = (int) g_utf8_strlen(*word, -1);

		if (column + 1 + len > COLUMNS && word != words)
			column = fprintf(out, "\n%*s", indent, "") - 1;
		else if (word != words)
			column += fprintf(out, " ");
		column += len;
		fprintf(out, "%s", *word);
	}
	fputc('\n', out);
}

void
viommu_print_wrapped(FILE *out, const char *label, const char *text)
{
	print_words(out, text, fprintf(out, "  %-7s ", label), 10);
}

static void
print_group(FILE *out, const viommu_finding_group *group, viommu_severity details)
{
	const viommu_finding_kind *kind = group->kind;
	viommu_tone tone = tone_of(kind->severity);

	fprintf(out, "\n%s%s %s%s: %s\n", viommu_tone_on(tone), viommu_severity_name(kind->severity), kind->code,
		viommu_tone_off(tone), kind->title);
	for (guint i = 0; i < group->list->len; i++) {
		const viommu_finding *item = g_ptr_array_index(group->list, i);

		print_words(out, item->seen, fprintf(out, "  %s: ", item->where), 4);
	}
	if (group->count > group->list->len)
		fprintf(out, "  … and %s more\n", viommu_count_text(group->count - group->list->len).text);
	if (kind->severity < details)
		return;
	viommu_print_wrapped(out, "means", kind->meaning);
	viommu_print_wrapped(out, "to do", kind->todo);
}

void
viommu_findings_text(FILE *out, const viommu_findings *self, viommu_severity details)
{
	g_autoptr(GPtrArray) groups = viommu_findings_groups(self);

	for (guint i = 0; i < groups->len; i++)
		print_group(out, g_ptr_array_index(groups, i), details);
}

json_t *
viommu_findings_json(const viommu_findings *self, bool details)
{
	g_autoptr(GPtrArray) groups = viommu_findings_groups(self);
	json_t *ret = json_array();

	for (guint i = 0; i < groups->len; i++) {
		const viommu_finding_group *group = g_ptr_array_index(groups, i);
		json_t *list = json_array();

		for (guint k = 0; k < group->list->len; k++) {
			const viommu_finding *item = g_ptr_array_index(group->list, k);

			json_array_append_new(list, json_pack("{s:s, s:s}", "where", item->where, "seen", item->seen));
		}
		json_array_append_new(ret, json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:I, s:o}", "code", group->kind->code,
			"severity", viommu_severity_name(group->kind->severity), "title", group->kind->title, "meaning",
			details ? group->kind->meaning : NULL, "todo", details ? group->kind->todo : NULL, "count",
			(json_int_t) group->count, "instances", list));
	}
	return ret;
}
