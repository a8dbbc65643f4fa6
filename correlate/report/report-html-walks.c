/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walks behind the areas of the HTML report: html/data.js reads them. */
#include <inttypes.h>
#include <stdlib.h>

#include "text/json-text.h"
#include "report/render.h"
#include "report/report-html-data.h"

/* One part of the walks: entries that several share stand in it once. */
typedef struct {
	const viommu_html_data *data;
	GHashTable *places; /* an entry's text -> index + 1; owns the texts */
	GString *steps, *walks;
} part;

static guint
put_step(part *self, const vtd_step *step)
{
	g_autoptr(GString) text = g_string_new(NULL);
	vtd_field_value fields[VTD_MAX_FIELDS];
	unsigned n = vtd_step_fields(&self->data->unit, step, fields);
	guint place;

	viommu_jt_begin(text, NULL, '[');
	viommu_jt_text(text, NULL, vtd_step_name(step));
	viommu_jt_hex(text, NULL, step->table.v);
	viommu_jt_int(text, NULL, step->index);
	viommu_jt_hex(text, NULL, step->entry.v);
	viommu_jt_begin(text, NULL, '[');
	for (unsigned i = 0; i < step->words; i++) {
		char raw[24];

		g_snprintf(raw, sizeof(raw), "0x%016" PRIx64, step->raw[i]);
		viommu_jt_word(text, NULL, raw);
	}
	viommu_jt_end(text, ']');
	viommu_jt_text(text, NULL, step->words ? "" : viommu_page_status_text(step->status));
	viommu_jt_begin(text, NULL, '[');
	for (unsigned i = 0; i < n; i++) {
		char value[24];

		g_snprintf(value, sizeof(value), fields[i].wide ? "0x%" PRIx64 : "%" PRIu64, fields[i].value);
		viommu_jt_begin(text, NULL, '[');
		viommu_jt_word(text, NULL, fields[i].name);
		viommu_jt_word(text, NULL, value);
		viommu_jt_text(text, NULL, fields[i].meaning ? fields[i].meaning : "");
		viommu_jt_end(text, ']');
	}
	viommu_jt_end(text, ']');
	viommu_jt_end(text, ']');
	place = GPOINTER_TO_UINT(g_hash_table_lookup(self->places, text->str));
	if (place)
		return place - 1;
	place = g_hash_table_size(self->places);
	g_string_append_printf(self->steps, "%s%s", place ? ",\n" : "", text->str);
	g_hash_table_insert(self->places, g_strdup(text->str), GUINT_TO_POINTER(place + 1));
	return place;
}

static void
put_answer(GString *out, const char *what, const vtd_translation *walk, const vtd_answer *answer)
{
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	viommu_render_answer(memory, what, walk, answer);
	fclose(memory);
	viommu_jt_text(out, NULL, g_strchomp(text));
	free(text);
}

/* index: of the area in the page's list. */
static void
put_walk(part *self, viommu_memory *memory, const viommu_html_area *item, uint64_t index)
{
	const viommu_report *report = self->data->report;
	const viommu_target_result *target = &g_array_index(report->result->targets, viommu_target_result, item->run->target);
	vtd_translation *made = NULL;
	const vtd_translation *walk = item->run->evidence;
	g_autoptr(GString) text = g_string_new(NULL);

	if (!walk) {
		walk = made = g_new0(vtd_translation, 1);
		if (!vtd_translate_in(&self->data->unit, memory, &target->device, VIOMMU_IOVA(item->run->iova.first), made, NULL)) {
			g_free(made);
			return;
		}
	}
	viommu_jt_begin(text, NULL, '[');
	viommu_jt_int(text, NULL, index);
	viommu_jt_begin(text, NULL, '[');
	for (unsigned i = 0; i < walk->n_steps; i++)
		viommu_jt_int(text, NULL, put_step(self, &walk->steps[i]));
	viommu_jt_end(text, ']');
	put_answer(text, "read", walk, &walk->read);
	put_answer(text, "write", walk, &walk->write);
	viommu_jt_end(text, ']');
	g_string_append_printf(self->walks, "%s%s", self->walks->len ? ",\n" : "", text->str);
	g_free(made);
}

static void
end_part(FILE *out, part *self, guint number)
{
	fprintf(out, "<script type=\"application/json\" id=\"walks-%u\">{\"steps\":[\n", number);
	viommu_html_flush(self->steps, out);
	fputs("],\"walks\":[\n", out);
	viommu_html_flush(self->walks, out);
	fputs("]}</script>\n", out);
	g_hash_table_remove_all(self->places);
}

void
viommu_html_print_walks(FILE *out, const viommu_html_data *data)
{
	viommu_memory *memory = viommu_snapshot_memory(data->report->snapshot);
	part self = { data, g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), g_string_new(NULL), g_string_new(NULL) };
	uint64_t index = 0;
	int number = 0;

	for (guint i = 0; i < data->areas->len; i++) {
		const viommu_html_area *item = &g_array_index(data->areas, viommu_html_area, i);

		if (item->keep && item->part > number)
			end_part(out, &self, (guint) number++);
		if (item->keep && item->part >= 0)
			put_walk(&self, memory, item, index);
		index += item->keep;
	}
	if (data->parts)
		end_part(out, &self, (guint) number);
	g_hash_table_unref(self.places);
	g_string_free(self.steps, TRUE);
	g_string_free(self.walks, TRUE);
	viommu_memory_free(memory);
}
