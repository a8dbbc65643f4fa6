/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the script of the HTML report works on: html/data.js reads it. */
#include <stdlib.h>
#include <string.h>

#include "text/json-text.h"
#include "report/render.h"
#include "report/report-bounds.h"
#include "report/report-first.h"
#include "report/report-html-data.h"
#include "report/report-parts.h"

/* Some 70 bytes each. A browser shows them at once. */
#define MAX_AREAS 20000
/* Some 500 bytes each; read when asked for. */
#define MAX_WALKS 2000
#define WALKS_OF_A_PART 256
/* A map each. */
#define MAX_TARGETS 256

const char *const viommu_link_who[VIOMMU_LINKS] = { "an L1 program or driver asks", "L1's kernel writes its VT-d tables",
	"L1 tells the vIOMMU", "QEMU tells vfio and vhost", "the host's IOMMU maps the page" };

/* The same mapping; or, where all is well and there are too many of them, one like it. */
static bool
same_request(const viommu_html_data *self, const viommu_run *a, const viommu_run *b)
{
	const viommu_expected *x = &a->expected, *y = &b->expected;

	if (!a->has_expected)
		return true;
	if (x->gpa_known != y->gpa_known)
		return false;
	return x->request == y->request ||
		(self->bounds.joined && a->verdict == VIOMMU_MATCH && !viommu_run_is_fault(self->report->result, a) &&
			x->prot_known == y->prot_known && x->read == y->read && x->write == y->write);
}

static bool
joins(const viommu_html_data *self, const viommu_html_area *area, const viommu_run *run)
{
	const viommu_run *a = area->run;

	return a->target == run->target && a->iova.first + (area->pages << VIOMMU_PAGE_SHIFT) == run->iova.first &&
		a->verdict == run->verdict && a->chain == run->chain && a->note == run->note && a->has_expected == run->has_expected &&
		same_request(self, a, run) &&
		(a->verdict == VIOMMU_MATCH || (!a->has_observed && !run->has_observed)) && a->page_shift == run->page_shift &&
		a->read == run->read && a->write == run->write;
}

/* places: of the result's targets. False: there are more than most. */
static bool
make_areas(viommu_html_data *self, const uint32_t *places, guint most)
{
	const viommu_result *result = self->report->result;
	uint32_t request = 0;

	g_array_set_size(self->areas, 0);
	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		viommu_html_area new = { .run = run, .pages = viommu_run_pages(run), .extents = 1, .requests = 1,
			.target = places[run->target], .part = -1 };
		viommu_html_area *last = self->areas->len ? &g_array_index(self->areas, viommu_html_area, self->areas->len - 1) : NULL;

		if (last && joins(self, last, run)) {
			last->pages += new.pages;
			last->extents++;
			last->requests += run->has_expected && run->expected.request != request;
		} else if (self->areas->len == most) {
			return false;
		} else {
			g_array_append_val(self->areas, new);
		}
		request = run->expected.request;
	}
	return true;
}

static void
collect_areas(viommu_html_data *self)
{
	const viommu_result *result = self->report->result;
	g_autofree uint32_t *places = g_new(uint32_t, result->targets->len + 1);

	viommu_table_bounds_of(result, self->report->all ? UINT64_MAX : MAX_TARGETS, &self->bounds.tables);
	self->targets = self->bounds.tables.listed;
	for (uint32_t i = 0; i < result->targets->len; i++)
		places[i] = G_MAXUINT32;
	for (uint32_t i = 0; i < self->targets->len; i++)
		places[g_array_index(self->targets, guint, i)] = i;
	self->bounds.joined = !make_areas(self, places, self->report->all ? G_MAXUINT : MAX_AREAS);
	if (self->bounds.joined)
		make_areas(self, places, G_MAXUINT);
}

enum { FIRST, FAULTS, OTHERS, ROUNDS };

static unsigned
round_of(const viommu_html_data *self, const viommu_html_area *item, const viommu_run *first)
{
	if (first && item->run->target == first->target && item->run->iova.first <= first->iova.first &&
		(first->iova.first - item->run->iova.first) >> VIOMMU_PAGE_SHIFT < item->pages)
		return FIRST;
	return viommu_run_is_fault(self->report->result, item->run) ? FAULTS : OTHERS;
}

/* What is wrong first, and of that what the report leads with, so that no limit hides it. */
static void
choose(viommu_html_data *self)
{
	const viommu_run *first = viommu_report_first_fault(self->report->result);
	uint64_t kept = 0, walks = 0;

	for (unsigned round = FIRST; round < ROUNDS; round++)
		for (guint i = 0; i < self->areas->len; i++) {
			viommu_html_area *item = &g_array_index(self->areas, viommu_html_area, i);

			if (round_of(self, item, first) != round)
				continue;
			item->keep = item->target != G_MAXUINT32 && (kept < MAX_AREAS || self->report->all);
			if (!item->keep) {
				self->bounds.areas_left_out++;
				self->bounds.pages_left_out += item->pages;
				continue;
			}
			kept++;
			if (g_array_index(self->report->result->targets, viommu_target_result, item->run->target).any_device)
				item->walk = item->run->evidence != NULL;
			else
				item->walk = walks < MAX_WALKS || self->report->all;
			walks += item->walk;
			self->bounds.walks_left_out += !item->walk;
		}
	self->bounds.areas = kept;
	walks = 0;
	for (guint i = 0; i < self->areas->len; i++) {
		viommu_html_area *item = &g_array_index(self->areas, viommu_html_area, i);

		if (item->keep && item->walk)
			item->part = (int) (walks++ / WALKS_OF_A_PART);
	}
	self->parts = (guint) ((walks + WALKS_OF_A_PART - 1) / WALKS_OF_A_PART);
}

viommu_html_data *
viommu_html_data_new(const viommu_report *report)
{
	viommu_html_data *self = g_new0(viommu_html_data, 1);

	self->report = report;
	self->areas = g_array_new(FALSE, FALSE, sizeof(viommu_html_area));
	self->notes = g_ptr_array_new();
	self->note_places = g_hash_table_new(g_str_hash, g_str_equal);
	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &self->unit);
	collect_areas(self);
	choose(self);
	return self;
}

void
viommu_html_data_free(viommu_html_data *self)
{
	if (!self)
		return;
	g_array_unref(self->areas);
	viommu_table_bounds_clear(&self->bounds.tables);
	g_ptr_array_unref(self->notes);
	g_hash_table_unref(self->note_places);
	g_free(self);
}

const viommu_html_bounds *
viommu_html_data_bounds(const viommu_html_data *self)
{
	return &self->bounds;
}

static void
put_shown(GString *text, const char *name, const char *value)
{
	g_autofree char *shown = viommu_report_shown(value);

	viommu_jt_text(text, name, shown);
}

static void
put_signed(GString *text, bool known, uint64_t value)
{
	viommu_jt_json(text, NULL, json_integer(known ? (json_int_t) value : -1));
}

static void
put_note(viommu_html_data *self, GString *text, const char *note)
{
	guint place = note ? GPOINTER_TO_UINT(g_hash_table_lookup(self->note_places, note)) : 0;

	if (note && !place) {
		g_ptr_array_add(self->notes, (gpointer) note);
		place = self->notes->len;
		g_hash_table_insert(self->note_places, (gpointer) note, GUINT_TO_POINTER(place));
	}
	put_signed(text, place, place - 1);
}

static void
put_words(GString *text)
{
	viommu_jt_begin(text, "verdicts", '[');
	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++) {
		viommu_jt_begin(text, NULL, '{');
		viommu_jt_text(text, "name", viommu_verdict_name((viommu_verdict) v));
		viommu_jt_text(text, "meaning", viommu_verdict_meaning((viommu_verdict) v));
		viommu_jt_word(text, "tone",
			viommu_verdict_is_fault((viommu_verdict) v) ? "bad"
				: v == VIOMMU_MATCH                 ? "good"
				: v == VIOMMU_GONE                  ? "none"
								    : "unsure");
		viommu_jt_end(text, '}');
	}
	viommu_jt_end(text, ']');
	viommu_jt_begin(text, "links", '[');
	for (unsigned i = 0; i < VIOMMU_LINKS; i++) {
		viommu_jt_begin(text, NULL, '{');
		viommu_jt_word(text, "name", viommu_link_name((viommu_link) i));
		viommu_jt_text(text, "who", viommu_link_who[i]);
		viommu_jt_end(text, '}');
	}
	viommu_jt_end(text, ']');
	viommu_jt_begin(text, "states", '[');
	for (unsigned i = 0; i < VIOMMU_LINK_STATES; i++)
		viommu_jt_word(text, NULL, viommu_link_state_name((viommu_link_state) i));
	viommu_jt_end(text, ']');
}

static void
put_targets(const viommu_html_data *self, GString *text)
{
	const viommu_result *result = self->report->result;
	g_autoptr(GPtrArray) devices = viommu_report_sharers(result, 16);

	viommu_jt_begin(text, "targets", '[');
	for (guint i = 0; i < self->targets->len; i++) {
		uint32_t index = g_array_index(self->targets, uint32_t, i);
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, index);
		g_autofree char *label = viommu_report_target_label(self->report, target);
		g_autofree char *domain = viommu_report_domain(target);
		g_autofree char *backend = viommu_escape(*target->space->backend ? target->space->backend : "unknown backend");

		viommu_jt_begin(text, NULL, '{');
		viommu_jt_text(text, "label", label);
		viommu_jt_text(text, "short", target->any_device ? "any device" : viommu_bdf_text(target->sid).text);
		viommu_jt_bool(text, "any", target->any_device);
		viommu_jt_json(text, "space", json_integer(target->space->id));
		viommu_jt_text(text, "backend", backend);
		viommu_jt_text(text, "domain", domain);
		viommu_jt_text(text, "devices", g_ptr_array_index(devices, index));
		viommu_jt_end(text, '}');
	}
	viommu_jt_end(text, ']');
}

static void
put_chains(viommu_html_data *self, GString *text)
{
	const GArray *chains = self->report->result->chains;

	viommu_jt_begin(text, "chains", '[');
	for (guint i = 0; i < chains->len; i++) {
		const viommu_chain *chain = &g_array_index(chains, viommu_chain, i);

		viommu_jt_begin(text, NULL, '[');
		for (unsigned k = 0; k < VIOMMU_LINKS; k++) {
			viommu_jt_begin(text, NULL, '[');
			viommu_jt_int(text, NULL, chain->links[k].state);
			put_note(self, text, chain->links[k].note);
			viommu_jt_end(text, ']');
		}
		viommu_jt_end(text, ']');
	}
	viommu_jt_end(text, ']');
}

/* Bit 0: read, bit 1: write; 4: not known. */
static uint64_t
prot(bool known, bool read, bool write)
{
	return known ? (read ? 1u : 0) | (write ? 2u : 0) : 4;
}

/* The columns of html/data.js. */
static void
put_area(viommu_html_data *self, GString *text, const viommu_html_area *item)
{
	const viommu_run *run = item->run;
	const viommu_target_result *target = &g_array_index(self->report->result->targets, viommu_target_result, run->target);
	const viommu_request *request =
		run->has_expected ? &g_array_index(target->space->requests, viommu_request, run->expected.request) : NULL;

	viommu_jt_begin(text, NULL, '[');
	viommu_jt_int(text, NULL, item->target);
	viommu_jt_int(text, NULL, run->iova.first >> VIOMMU_PAGE_SHIFT);
	viommu_jt_int(text, NULL, item->pages);
	viommu_jt_int(text, NULL, run->verdict);
	viommu_jt_int(text, NULL, run->chain);
	put_signed(text, request, request ? request->seq : 0);
	viommu_jt_int(text, NULL, prot(run->has_expected && run->expected.prot_known, run->expected.read, run->expected.write));
	put_signed(text, run->has_expected && run->expected.gpa_known, run->expected.gpa.v >> VIOMMU_PAGE_SHIFT);
	viommu_jt_int(text, NULL, item->extents);
	put_signed(text, run->has_observed, run->gpa.v >> VIOMMU_PAGE_SHIFT);
	viommu_jt_int(text, NULL, prot(run->has_observed, run->read, run->write));
	viommu_jt_int(text, NULL, run->page_shift);
	put_note(self, text, run->note);
	put_signed(text, item->part >= 0, (uint64_t) item->part);
	viommu_jt_int(text, NULL, item->requests);
	viommu_jt_end(text, ']');
}

static void
print_main(FILE *out, viommu_html_data *self)
{
	g_autoptr(GString) text = g_string_new(NULL);
	/* viommu_html_flush() leaves nothing to tell by whether a comma is due. */
	bool first = true;

	fputs("<script type=\"application/json\" id=\"data\">", out);
	viommu_jt_begin(text, NULL, '{');
	put_words(text);
	put_targets(self, text);
	put_chains(self, text);
	g_string_append(text, ",\"areas\":[");
	for (guint i = 0; i < self->areas->len; i++) {
		const viommu_html_area *item = &g_array_index(self->areas, viommu_html_area, i);
		g_autoptr(GString) one = NULL;

		if (!item->keep)
			continue;
		one = g_string_new(NULL);
		put_area(self, one, item);
		g_string_append(text, first ? "\n" : ",\n");
		g_string_append(text, one->str);
		first = false;
		if (text->len > 1 << 16)
			viommu_html_flush(text, out);
	}
	g_string_append(text, "],");
	{
		g_autoptr(GString) notes = g_string_new(NULL);

		viommu_jt_begin(notes, "notes", '[');
		for (guint i = 0; i < self->notes->len; i++)
			put_shown(notes, NULL, g_ptr_array_index(self->notes, i));
		viommu_jt_end(notes, ']');
		g_string_append(text, notes->str);
	}
	g_string_append_c(text, '}');
	viommu_html_flush(text, out);
	fputs("</script>\n", out);
}

void
viommu_html_data_print(FILE *out, viommu_html_data *self)
{
	print_main(out, self);
	viommu_html_print_walks(out, self);
}
