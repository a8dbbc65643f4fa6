/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch-sum.h"

#include "cmd.h"
#include "report/report-text.h"

#define MAX_JSON 4096 /* of one look */

viommu_watch_sum *
viommu_watch_sum_new(const viommu_record *record)
{
	viommu_watch_sum *self = g_new0(viommu_watch_sum, 1);

	self->record = record;
	self->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	self->verified = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return self;
}

void
viommu_watch_sum_free(viommu_watch_sum *self)
{
	if (!self)
		return;
	g_hash_table_unref(self->told);
	g_hash_table_unref(self->verified);
	g_free(self);
}

/* ---- a look ----------------------------------------------------------------------------- */

static char *
mapping_key(const viommu_result *result, const viommu_run *run)
{
	const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, run->target);

	return g_strdup_printf("%" G_GINT64_FORMAT "/%u", target->space->id, run->expected.request);
}

static bool
is_good(const viommu_result *result, const viommu_run *run)
{
	return run->verdict == VIOMMU_MATCH && !viommu_run_is_fault(result, run);
}

/* Of mappings of which some page does not match: a set of their keys. */
static GHashTable *
in_part(const viommu_result *result)
{
	GHashTable *ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (guint i = 0; result->remarkable && i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (run->has_expected && run->verdict != VIOMMU_GONE && !is_good(result, run))
			g_hash_table_add(ret, mapping_key(result, run));
	}
	return ret;
}

static void
note_verified(viommu_watch_sum *self, const viommu_result *result)
{
	g_autoptr(GHashTable) partly = in_part(result);
	const viommu_run *before = NULL;

	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		g_autofree char *key = NULL;

		if (!is_good(result, run) || (before && before->target == run->target && before->expected.request == run->expected.request))
			continue;
		before = run;
		key = mapping_key(result, run);
		if (!g_hash_table_contains(partly, key))
			g_hash_table_add(self->verified, g_steal_pointer(&key));
	}
}

static void
tell_json(const viommu_report *report, const GArray *chosen)
{
	guint shown = report->all ? chosen->len : MIN(chosen->len, MAX_JSON);
	uint64_t pages = 0;

	for (guint i = 0; i < chosen->len; i++) {
		const viommu_run *run = &g_array_index(report->result->runs, viommu_run, g_array_index(chosen, guint, i));
		json_t *item = i < shown ? viommu_report_json_run(report, run) : NULL;

		if (item) {
			json_object_set_new(item, "event", json_string("fault"));
			viommu_cmd_print_json_line(item);
		} else {
			pages += viommu_run_pages(run);
		}
	}
	if (shown < chosen->len)
		viommu_cmd_print_json_line(json_pack("{s:s, s:I, s:I}", "event", "left-out", "runs", (json_int_t) (chosen->len - shown),
			"pages", (json_int_t) pages));
}

void
viommu_watch_sum_take(viommu_watch_sum *self, const viommu_report *report, gboolean json)
{
	const viommu_result *result = report->result;
	g_autoptr(GArray) chosen = g_array_new(FALSE, FALSE, sizeof(guint));

	note_verified(self, result);
	for (guint i = 0; result->remarkable && i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (!viommu_run_is_fault(result, run) || !g_hash_table_add(self->told, viommu_run_key(result, run)))
			continue;
		self->fault_pages += viommu_run_pages(run);
		g_array_append_val(chosen, i);
	}
	if (json)
		tell_json(report, chosen);
	else if (chosen->len)
		viommu_report_text_faults(stdout, report, chosen);
	fflush(stdout);
}

/* ---- the sum ------------------------------------------------------------------------------ */

uint64_t
viommu_watch_sum_made(const viommu_watch_sum *self)
{
	uint64_t ret = 0;

	for (guint i = 0; i < self->record->spaces->len; i++)
		ret += ((const viommu_space *) g_ptr_array_index(self->record->spaces, i))->requests->len;
	return ret;
}

static const char *
plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

char *
viommu_watch_sum_text(const viommu_watch_sum *self)
{
	uint64_t made = viommu_watch_sum_made(self);

	return g_strdup_printf("%s event%s, %s mapping%s made, %s of them verified, %s look%s, %s faulty page%s at the last, %s in all",
		viommu_count_text(self->record->events).text, plural(self->record->events), viommu_count_text(made).text, plural(made),
		viommu_count_text(g_hash_table_size(self->verified)).text, viommu_count_text(self->looks).text, plural(self->looks),
		viommu_count_text(self->now_faults).text, plural(self->now_faults), viommu_count_text(self->fault_pages).text);
}

/* The first note of pages that could not be told. */
static char *
why_open(const viommu_result *result)
{
	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (run->verdict == VIOMMU_UNVERIFIED && run->note)
			return viommu_report_shown(run->note);
	}
	return g_strdup("no reason is known");
}

static void
add_reason(GPtrArray *reasons, uint64_t count, const char *one, const char *several)
{
	if (count)
		g_ptr_array_add(reasons, g_strdup_printf("%s %s", viommu_count_text(count).text, count == 1 ? one : several));
}

/* Why it is not all right, though nothing is known to be wrong: of strings, with a NULL behind them. */
static GPtrArray *
find_reasons(const viommu_watch_sum *self, const viommu_result *last)
{
	GPtrArray *ret = g_ptr_array_new_with_free_func(g_free);
	uint64_t made = viommu_watch_sum_made(self), unseen = made - g_hash_table_size(self->verified);

	if (last && last->pages[VIOMMU_UNVERIFIED]) {
		g_autofree char *why = why_open(last);
		g_autofree char *one = g_strconcat("page at the last look (", why, ")", NULL);
		g_autofree char *several = g_strconcat("pages at the last look (", why, ")", NULL);

		add_reason(ret, last->pages[VIOMMU_UNVERIFIED], one, several);
	}
	if (last)
		add_reason(ret, self->doubtful, "page seemed wrong at the last look alone", "pages seemed wrong at the last look alone");
	if (unseen) {
		g_autofree char *of = g_strdup_printf("of %s mappings", viommu_count_text(made).text);
		g_autofree char *one = g_strconcat(of, " was seen by no look as a whole", NULL);
		g_autofree char *several = g_strconcat(of, " were seen by no look as a whole", NULL);

		add_reason(ret, unseen, one, several);
	}
	g_ptr_array_add(ret, NULL);
	return ret;
}

void
viommu_watch_sum_headline(const viommu_watch_sum *self, const viommu_result *last, viommu_headline *ret)
{
	g_autoptr(GPtrArray) reasons = find_reasons(self, last);
	uint64_t made = viommu_watch_sum_made(self);

	*ret = (viommu_headline){ .state = VIOMMU_HEADLINE_UNVERIFIED, .word = "UNVERIFIED", .faults = self->fault_pages };
	if (self->fault_pages) {
		ret->state = VIOMMU_HEADLINE_FAULT;
		ret->word = "FAULT";
		ret->sentence = g_strdup_printf("%s page%s not as L1 asked", viommu_count_text(self->fault_pages).text,
			self->fault_pages == 1 ? " was" : "s were");
	} else if (self->looks == 0) {
		ret->sentence = g_strdup("nothing was there to be looked at");
	} else if (g_ptr_array_index(reasons, 0)) {
		g_autofree char *text = g_strjoinv("; ", (char **) reasons->pdata);

		ret->sentence = g_strconcat("no page was found wrong, but not all could be verified: ", text, NULL);
	} else {
		ret->state = VIOMMU_HEADLINE_OK;
		ret->word = "OK";
		ret->sentence = made == 0 ? g_strdup("nothing was mapped, in L1 or in the table")
			: made == 1
			? g_strdup("the one mapping that was made was seen in the vIOMMU's tables as L1 asked")
			: g_strdup_printf("all %s mappings that were made were seen in the vIOMMU's tables as L1 asked", viommu_count_text(made).text);
	}
}

json_t *
viommu_watch_sum_json(const viommu_watch_sum *self, const viommu_headline *line)
{
	static const char *const names[] = { [VIOMMU_HEADLINE_OK] = "ok", [VIOMMU_HEADLINE_FAULT] = "fault",
		[VIOMMU_HEADLINE_UNVERIFIED] = "unverified" };

	json_t *ret = json_pack("{s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "event", "summary", "format", "viommu-watch",
		"version", 1, "result", line ? names[line->state] : "failed", "events", (json_int_t) self->record->events, "mappings",
		(json_int_t) viommu_watch_sum_made(self), "verified", (json_int_t) g_hash_table_size(self->verified), "looks",
		(json_int_t) self->looks, "faulty_pages_now", (json_int_t) self->now_faults, "faulty_pages",
		(json_int_t) self->fault_pages, "cut", (int) self->record->cut);

	if (line)
		json_object_set_new(ret, "sentence", viommu_report_string(line->sentence));
	return ret;
}
