/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-parts.h"

#include <stdlib.h>
#include <string.h>

/* Pages whose table is as L1 asked, and a link behind it is not: mapped and unmapped ones; and by
 * their first broken link, in words. */
typedef struct {
	uint64_t mapped, gone;
	char *links;
} behind;

static behind
behind_table(const viommu_result *result)
{
	bool broken[VIOMMU_LINKS] = { false };
	g_autoptr(GString) links = g_string_new(NULL);
	behind ret = { 0 };

	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		viommu_link first = viommu_chain_first_broken(viommu_run_chain(result, run));

		if (run->verdict == VIOMMU_IN_FLUX || viommu_verdict_is_fault(run->verdict) || first <= VIOMMU_LINK_TABLE ||
			first == VIOMMU_LINKS)
			continue;
		*(run->verdict == VIOMMU_GONE ? &ret.gone : &ret.mapped) += viommu_run_pages(run);
		broken[first] = true;
	}
	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		if (broken[i])
			g_string_append_printf(links, "%slink %u (%s)", links->len ? " and " : "", i + 1, viommu_link_name((viommu_link) i));
	ret.links = g_strdup(links->str);
	return ret;
}

static char *
fault_sentence(const viommu_result *result, const viommu_headline *headline)
{
	behind later = behind_table(result);
	uint64_t wrong = headline->faults - later.mapped - later.gone;
	viommu_text of = viommu_count_text(headline->pages);
	GString *ret = g_string_new(NULL);

	if (wrong)
		g_string_append_printf(ret, "%s of %s page%s not as L1 asked", viommu_count_text(wrong).text, of.text, wrong == 1 ? "s is" : "s are");
	if (later.mapped || later.gone)
		g_string_append_printf(ret, "%sbehind the table the chain breaks for ", wrong ? ", and " : "");
	if (later.mapped)
		g_string_append_printf(ret, "%s of %s pages%s", viommu_count_text(later.mapped).text, of.text, later.gone ? " and for " : "");
	if (later.gone)
		g_string_append_printf(ret, "%s unmapped page%s", viommu_count_text(later.gone).text, later.gone == 1 ? "" : "s");
	if (*later.links)
		g_string_append_printf(ret, ", at %s", later.links);
	g_free(later.links);
	return g_string_free(ret, FALSE);
}

void
viommu_headline_of(const viommu_result *result, viommu_headline *ret)
{
	*ret = (viommu_headline){ VIOMMU_HEADLINE_UNVERIFIED, "UNVERIFIED", NULL, 0, viommu_result_faults(result) };
	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		if (v != VIOMMU_GONE)
			ret->pages += result->pages[v];
	if (ret->faults) {
		ret->state = VIOMMU_HEADLINE_FAULT;
		ret->word = "FAULT";
	} else if (result->pages[VIOMMU_MATCH] == ret->pages) {
		ret->state = VIOMMU_HEADLINE_OK;
		ret->word = "OK";
	}
	if (ret->faults)
		ret->sentence = fault_sentence(result, ret);
	else if (ret->pages == 0 && result->pages[VIOMMU_GONE])
		ret->sentence = g_strdup_printf("nothing is mapped, and of what L1 unmapped %s page%s gone from the vIOMMU's tables, as "
						"%s should be", viommu_count_text(result->pages[VIOMMU_GONE]).text,
			result->pages[VIOMMU_GONE] == 1 ? " is" : "s are", result->pages[VIOMMU_GONE] == 1 ? "it" : "they");
	else if (ret->pages == 0)
		ret->sentence = g_strdup("nothing is mapped, in L1 or in the table");
	else if (ret->state == VIOMMU_HEADLINE_OK)
		ret->sentence = g_strdup_printf("all %s pages are in the vIOMMU's tables as L1 asked",
			viommu_count_text(ret->pages).text);
	else
		ret->sentence = g_strdup("no page was found wrong, but not all could be verified");
}

void
viommu_headline_clear(viommu_headline *self)
{
	g_clear_pointer(&self->sentence, g_free);
}

viommu_link_state
viommu_link_worse(viommu_link_state a, viommu_link_state b)
{
	static const int order[VIOMMU_LINK_STATES] = { [VIOMMU_LINK_BROKEN] = 3, [VIOMMU_LINK_UNVERIFIED] = 2,
		[VIOMMU_LINK_OK] = 1, [VIOMMU_LINK_NOT_NEEDED] = 0 };

	return order[a] > order[b] ? a : b;
}

static void
add_run(viommu_mapping *m, const viommu_result *result, guint index)
{
	const viommu_run *run = &g_array_index(result->runs, viommu_run, index);
	const viommu_chain *chain = viommu_run_chain(result, run);
	uint64_t pages = viommu_run_pages(run);

	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		m->links[i] = m->total ? viommu_link_worse(m->links[i], chain->links[i].state) : chain->links[i].state;
	if (m->total == 0) {
		m->gpa = run->expected.gpa.v;
		m->gpa_known = run->expected.gpa_known;
		m->first_bad = G_MAXUINT;
	}
	if (m->first_bad == G_MAXUINT && (run->verdict != VIOMMU_MATCH || viommu_run_is_fault(result, run)))
		m->first_bad = index;
	m->total += pages;
	m->extents++;
	m->pages[run->verdict] += pages;
	if (run->has_observed)
		m->page_shifts |= 1ull << run->page_shift;
	m->other_page_size |= run->other_page_size;
	m->read_added |= run->read_added;
}

/* Of a request that is mapped. */
static bool
in_mapping(const viommu_run *run)
{
	return run->has_expected && run->verdict != VIOMMU_STALE && run->verdict != VIOMMU_GONE;
}

static viommu_mapping_state
state_of(const viommu_result *result, const viommu_run *run)
{
	if (viommu_chain_first_broken(viommu_run_chain(result, run)) < VIOMMU_LINKS)
		return VIOMMU_MAPPING_BROKEN;
	return run->verdict == VIOMMU_MATCH ? VIOMMU_MAPPING_CLEAN : VIOMMU_MAPPING_OPEN;
}

static int
cmp_request(const void *key, const void *mapping)
{
	guint a = *(const guint *) key, b = ((const viommu_mapping *) mapping)->request;

	return a < b ? -1 : a > b;
}

/* A byte for each request first: a mapping is large, and few are shown. */
void
viommu_report_mappings(const viommu_result *result, uint32_t target, viommu_span span, guint most_clean,
	guint most_other, viommu_mappings *ret)
{
	const viommu_space *space = g_array_index(result->targets, viommu_target_result, target).space;
	g_autofree uint8_t *states = g_malloc0(space->requests->len + 1);
	uint64_t left[VIOMMU_MAPPING_STATES] = { [VIOMMU_MAPPING_CLEAN] = most_clean };
	enum { SHOWN = VIOMMU_MAPPING_STATES };

	*ret = (viommu_mappings){ .shown = g_array_new(FALSE, FALSE, sizeof(viommu_mapping)) };
	for (guint i = span.first; i < span.end; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);

		if (in_mapping(run))
			states[run->expected.request] = (uint8_t) MAX(states[run->expected.request], state_of(result, run));
	}
	for (guint i = 0; i < space->requests->len; i++)
		ret->of[states[i]]++;
	for (unsigned i = VIOMMU_MAPPING_CLEAN; i < VIOMMU_MAPPING_STATES; i++)
		ret->live += ret->of[i];
	left[VIOMMU_MAPPING_BROKEN] = MIN(ret->of[VIOMMU_MAPPING_BROKEN], most_other);
	left[VIOMMU_MAPPING_OPEN] = most_other - left[VIOMMU_MAPPING_BROKEN];
	for (guint i = 0; i < space->requests->len; i++) {
		viommu_mapping new = { .request = i, .state = states[i] };

		if (left[new.state]) {
			left[new.state]--;
			g_array_append_val(ret->shown, new);
			states[i] = SHOWN;
		}
	}
	for (guint i = span.first; ret->shown->len && i < span.end; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		viommu_mapping *m = in_mapping(run) && states[run->expected.request] == SHOWN
			? bsearch(&(guint){ run->expected.request }, ret->shown->data, ret->shown->len, sizeof(*m), cmp_request)
			: NULL;

		if (m)
			add_run(m, result, i);
	}
}

void
viommu_mappings_clear(viommu_mappings *self)
{
	g_clear_pointer(&self->shown, g_array_unref);
}

viommu_text
viommu_mapping_page_sizes(const viommu_mapping *self)
{
	static const unsigned shifts[] = { 12, 21, 30 };
	viommu_text ret = { "-" };
	bool first = true;

	for (size_t i = 0; i < G_N_ELEMENTS(shifts); i++)
		if (self->page_shifts >> shifts[i] & 1) {
			if (first)
				ret.text[0] = '\0';
			g_strlcat(ret.text, first ? "" : "+", sizeof(ret.text));
			g_strlcat(ret.text, shifts[i] == 12 ? "4K" : shifts[i] == 21 ? "2M" : "1G", sizeof(ret.text));
			first = false;
		}
	return ret;
}

GArray *
viommu_report_spans(const viommu_result *result)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(viommu_span));
	guint end = 0;

	for (guint i = 0; i < result->targets->len; i++) {
		viommu_span span = { end, end };

		while (span.end < result->runs->len && g_array_index(result->runs, viommu_run, span.end).target == i)
			span.end++;
		end = span.end;
		g_array_append_val(ret, span);
	}
	return ret;
}

static void
free_text(gpointer text)
{
	g_free(text);
}

GPtrArray *
viommu_report_sharers(const viommu_result *result, guint limit)
{
	g_autofree guint *named = g_new0(guint, result->targets->len + 1);
	g_autoptr(GPtrArray) texts = g_ptr_array_new_full(result->targets->len, NULL); /* of GString */
	GPtrArray *ret = g_ptr_array_new_full(result->targets->len, free_text);

	g_ptr_array_set_size(texts, (gint) result->targets->len);
	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, i);
		GString *text = g_ptr_array_index(texts, target->same_as);

		if (!text)
			text = g_ptr_array_index(texts, target->same_as) = g_string_new(NULL);
		if (named[target->same_as]++ >= limit)
			continue;
		g_string_append(text, text->len ? ", " : "");
		g_string_append(text, !target->any_device ? viommu_bdf_text(target->sid).text
				: target->space->attached ? "no device" : "any device");
	}
	for (guint i = 0; i < result->targets->len; i++) {
		GString *text = g_ptr_array_index(texts, i);

		if (text && named[i] > limit)
			g_string_append_printf(text, " and %s more", viommu_count_text(named[i] - limit).text);
		g_ptr_array_add(ret, text ? g_string_free(text, FALSE) : NULL);
	}
	return ret;
}

const viommu_finding *
viommu_report_caveat(const viommu_findings *findings)
{
	g_autoptr(GPtrArray) groups = findings ? viommu_findings_groups(findings) : g_ptr_array_new();

	for (guint i = 0; i < groups->len; i++) {
		const viommu_finding_group *group = g_ptr_array_index(groups, i);

		if (strcmp(group->kind->code, "record-of-another-iommu") == 0 && group->list->len)
			return g_ptr_array_index(group->list, 0);
	}
	return NULL;
}

const viommu_run *
viommu_report_first_fault(const viommu_result *result)
{
	const viommu_run *ret = NULL;
	viommu_link best = VIOMMU_LINKS;

	for (guint i = 0; result->remarkable && i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		viommu_link broken;

		if (!viommu_run_is_fault(result, run))
			continue;
		broken = viommu_chain_first_broken(viommu_run_chain(result, run));
		if (!ret || broken < best) {
			ret = run;
			best = broken;
		}
	}
	return ret;
}
