/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain: how many pages passed each link, and how that is known. */
#include "report/report-parts.h"
#include "report/report.h"
#include "text/text.h"

static void
add(GArray *shares, const viommu_link_status *status, uint64_t pages)
{
	viommu_share new = { *status, pages, 0 };

	for (guint i = 0; i < shares->len; i++) {
		viommu_share *old = &g_array_index(shares, viommu_share, i);

		if (old->status.state == status->state && old->status.note == status->note) {
			old->pages += pages;
			return;
		}
	}
	g_array_append_val(shares, new);
}

static int
cmp_share(const void *a, const void *b)
{
	static const int order[VIOMMU_LINK_STATES] = { [VIOMMU_LINK_BROKEN] = 0, [VIOMMU_LINK_OK] = 1,
		[VIOMMU_LINK_UNVERIFIED] = 2, [VIOMMU_LINK_NOT_NEEDED] = 3 };
	const viommu_share *x = a, *y = b;

	if (x->status.state != y->status.state)
		return order[x->status.state] - order[y->status.state];
	return x->pages < y->pages ? 1 : x->pages > y->pages ? -1 : 0;
}

/* Pages by status of one link: of what is mapped, or of what is unmapped. */
GArray *
viommu_report_shares(const viommu_result *result, viommu_link link, bool gone)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(viommu_share));

	for (guint i = 0; i < result->chains->len; i++) {
		const viommu_chain_pages *of = &g_array_index(result->chain_pages, viommu_chain_pages, i);
		uint64_t pages = gone ? of->gone : of->mapped;

		if (pages)
			add(ret, &g_array_index(result->chains, viommu_chain, i).links[link], pages);
	}
	g_array_sort(ret, cmp_share);
	return ret;
}

GArray *
viommu_report_all_shares(const viommu_result *result, viommu_link link)
{
	g_autoptr(GArray) gone = viommu_report_shares(result, link, true);
	GArray *ret = viommu_report_shares(result, link, false);

	for (guint i = 0; i < gone->len; i++) {
		viommu_share new = g_array_index(gone, viommu_share, i);
		viommu_share *old = NULL;

		for (guint k = 0; k < ret->len && !old; k++) {
			old = &g_array_index(ret, viommu_share, k);
			if (old->status.state != new.status.state || old->status.note != new.status.note)
				old = NULL;
		}
		new.unmapped = new.pages;
		new.pages = 0;
		if (old)
			old->unmapped = new.unmapped;
		else
			g_array_append_val(ret, new);
	}
	g_array_sort(ret, cmp_share);
	return ret;
}

static viommu_tone
tone_of(viommu_link_state state)
{
	switch (state) {
	case VIOMMU_LINK_OK:
		return VIOMMU_GOOD;
	case VIOMMU_LINK_BROKEN:
		return VIOMMU_BAD;
	case VIOMMU_LINK_NOT_NEEDED:
		return VIOMMU_FAINT;
	default:
		return VIOMMU_UNSURE;
	}
}

static void
print_shares(FILE *out, const GArray *shares, const char *what)
{
	for (guint i = 0; i < shares->len; i++) {
		const viommu_share *s = &g_array_index(shares, viommu_share, i);
		viommu_tone tone = tone_of(s->status.state);
		g_autofree char *note = s->status.note ? viommu_report_shown(s->status.note) : NULL;

		fprintf(out, "%s%s%s %s%s%s%s", i ? "\n                  " : "", viommu_tone_on(tone),
			viommu_link_state_name(s->status.state), viommu_count_text(s->pages).text, what, viommu_tone_off(tone),
			note ? ": " : "");
		if (note)
			fprintf(out, "%s", note);
	}
}

void
viommu_report_text_chain(FILE *out, const viommu_report *report)
{
	fprintf(out, "\nchain (pages; in the column 12345: + ok, X broken, ? unverified, - not needed)\n");
	for (unsigned i = 0; i < VIOMMU_LINKS; i++) {
		g_autoptr(GArray) mapped = viommu_report_shares(report->result, (viommu_link) i, false);
		g_autoptr(GArray) gone = viommu_report_shares(report->result, (viommu_link) i, true);

		fprintf(out, "  %u %-13s ", i + 1, viommu_link_name((viommu_link) i));
		print_shares(out, mapped, "");
		if (mapped->len && gone->len)
			fprintf(out, "\n                  ");
		print_shares(out, gone, " unmapped");
		fputc('\n', out);
	}
	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		if (report->result->broken[i])
			fprintf(out, "first broken link of %s page%s: %s%u %s%s\n  %s\n",
				viommu_count_text(report->result->broken[i]).text, report->result->broken[i] == 1 ? "" : "s", viommu_tone_on(VIOMMU_BAD), i + 1,
				viommu_link_name((viommu_link) i), viommu_tone_off(VIOMMU_BAD),
				viommu_link_broken_text((viommu_link) i));
}

json_t *
viommu_report_json_chain(const viommu_report *report)
{
	const viommu_result *result = report->result;
	json_t *ret = json_array();

	for (unsigned i = 0; i < VIOMMU_LINKS; i++) {
		json_t *states = json_array();

		for (unsigned gone = 0; gone < 2; gone++) {
			g_autoptr(GArray) shares = viommu_report_shares(result, (viommu_link) i, gone);

			for (guint k = 0; k < shares->len; k++) {
				const viommu_share *s = &g_array_index(shares, viommu_share, k);
				g_autofree char *note = s->status.note ? g_utf8_make_valid(s->status.note, -1) : NULL;

				json_array_append_new(states, json_pack("{s:s, s:b, s:I, s:s*}", "state",
					viommu_link_state_name(s->status.state), "unmapped", (int) gone, "pages",
					(json_int_t) s->pages, "note", note));
			}
		}
		json_array_append_new(ret, json_pack("{s:s, s:o}", "link", viommu_link_name((viommu_link) i), "pages", states));
	}
	return ret;
}
