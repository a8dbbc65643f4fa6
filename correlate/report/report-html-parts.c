/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the page that need no script. */
#include <inttypes.h>
#include <string.h>

#include "report/render.h"
#include "report/report-first.h"
#include "report/report-html.h"
#include "report/report-parts.h"
#include "report/report-steps.h"

static const char *
class_of(viommu_headline_state state)
{
	return state == VIOMMU_HEADLINE_FAULT ? "bad" : state == VIOMMU_HEADLINE_OK ? "good" : "unsure";
}

/* Addresses stand out. */
static void
print_addresses(FILE *out, const char *text)
{
	while (*text) {
		size_t n = strncmp(text, "0x", 2) == 0 ? 2 + strspn(text + 2, "0123456789abcdefx-") : 0;
		g_autofree char *part = g_strndup(text, n ? n : 1);

		fputs(n ? "<code>" : "", out);
		viommu_html_text(out, part);
		fputs(n ? "</code>" : "", out);
		text += n ? n : 1;
	}
}

static void
print_values(FILE *out, const GArray *facts)
{
	for (guint i = 0; i < facts->len; i++) {
		const viommu_fact *fact = &g_array_index(facts, viommu_fact, i);

		fprintf(out, "<dt>%s</dt><dd%s>", fact->name, fact->known ? "" : " class=\"faint\"");
		print_addresses(out, fact->value);
		fputs("</dd>\n", out);
	}
}

static void
print_caveat(FILE *out, const viommu_report *report)
{
	const viommu_finding *caveat = viommu_report_caveat(report->findings);
	g_autofree char *seen = caveat ? viommu_report_shown(caveat->seen) : NULL;

	if (!caveat)
		return;
	fprintf(out, "<div class=\"verdict unsure caveat\">\n<p class=\"word unsure\">! Attention: <span>" VIOMMU_CAVEAT_TEXT
		     "</span></p>\n<p><code>%s</code>: ", caveat->kind->code);
	viommu_html_text(out, seen);
	fputs("</p>\n</div>\n", out);
}

void
viommu_html_verdict(FILE *out, const viommu_report *report)
{
	const viommu_result *result = report->result;
	g_autoptr(GArray) versions = viommu_report_versions(report);
	g_autofree char *time = viommu_escape(viommu_snapshot_info(report->snapshot)->time);
	g_auto(viommu_headline) line = { 0 };

	print_caveat(out, report);
	viommu_headline_of(result, &line);
	fprintf(out, "<div class=\"verdict %s\">\n<p class=\"word %s\">%s %s: <span>", class_of(line.state), class_of(line.state),
		line.state == VIOMMU_HEADLINE_FAULT ? "&#x2717;" : line.state == VIOMMU_HEADLINE_OK ? "&#x2713;" : "?", line.word);
	viommu_html_text(out, line.sentence);
	fputs("</span></p>\n<ul class=\"counts\">", out);
	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
		if (result->pages[v] && v != VIOMMU_GONE)
			fprintf(out, "<li class=\"%s\">%s %s</li>",
				viommu_verdict_is_fault((viommu_verdict) v) ? "bad" : v == VIOMMU_MATCH ? "good" : "unsure",
				viommu_verdict_name((viommu_verdict) v), viommu_count_text(result->pages[v]).text);
	fputs("</ul>\n<p>Every page that L1 (the guest) mapped for DMA was looked up in the tables of QEMU's intel-iommu", out);
	fputs(*time ? ", " : ".", out);
	viommu_html_text(out, time);
	fputs("</p>\n<dl class=\"versions\">", out);
	print_values(out, versions);
	fputs("</dl>\n</div>\n", out);
}

static void
print_link(FILE *out, unsigned i, viommu_link_state state, const char *counts, const char *note)
{
	static const char *const signs[VIOMMU_LINK_STATES] = { "?", "&#x2713;", "&#x2717;", "&#x2013;" };

	fprintf(out, "<li class=\"%s\"><span class=\"name\">%u %s</span><span class=\"state\">%s %s%s</span><span class=\"who\">%s</span>",
		viommu_link_state_name(state), i + 1, viommu_link_name((viommu_link) i), signs[state], viommu_link_state_name(state),
		counts, viommu_link_who[i]);
	if (*note) {
		fputs("<span class=\"note\">", out);
		viommu_html_text(out, note);
		fputs("</span>", out);
	}
	fputs("</li>\n", out);
}

/* blame: what is wrong ends at its last entry. */
static void
print_walk(FILE *out, const viommu_report *report, const vtd_translation *walk, bool blame)
{
	vtd_unit unit;

	viommu_machine_unit(viommu_snapshot_machine(report->snapshot), viommu_snapshot_registers(report->snapshot), &unit);
	fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"the walk to the first fault, entry by entry\">"
	      "<table class=\"walk\"><thead><tr><th scope=\"col\">entry</th><th scope=\"col\">at GPA</th><th scope=\"col\">raw</th>"
	      "<th scope=\"col\">fields</th></tr></thead><tbody>\n", out);
	for (unsigned i = 0; i < walk->n_steps; i++) {
		const vtd_step *step = &walk->steps[i];
		vtd_field_value fields[VTD_MAX_FIELDS];
		unsigned n = vtd_step_fields(&unit, step, fields);

		fprintf(out, "<tr%s><td>%s<br><span class=\"faint\">index %u</span></td><td class=\"address\">0x%" PRIx64
			"<br><span class=\"faint\">table 0x%" PRIx64 "</span></td><td class=\"address\">",
			blame && i + 1 == walk->n_steps ? " class=\"blame\"" : "", vtd_step_name(step), step->index, step->entry.v, step->table.v);
		if (!step->words)
			viommu_html_text(out, viommu_page_status_text(step->status));
		for (unsigned k = 0; k < step->words; k++)
			fprintf(out, "%s0x%016" PRIx64, k ? "<br>" : "", step->raw[k]);
		fputs("</td><td><div class=\"fields\">", out);
		for (unsigned k = 0; k < n; k++) {
			fprintf(out, fields[k].wide ? "<span><code>%s=0x%" PRIx64 "</code>" : "<span><code>%s=%" PRIu64 "</code>",
				fields[k].name, fields[k].value);
			if (fields[k].meaning) {
				fputs(" <small>(", out);
				viommu_html_text(out, fields[k].meaning);
				fputs(")</small>", out);
			}
			fputs("</span>", out);
		}
		fputs("</div></td></tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

void
viommu_html_first_fault(FILE *out, const viommu_report *report)
{
	const viommu_run *run = viommu_report_first_fault(report->result);
	g_autoptr(GArray) facts = NULL;
	const viommu_chain *chain;
	viommu_link broken;

	if (!run)
		return;
	facts = viommu_report_first_facts(report, run);
	chain = viommu_run_chain(report->result, run);
	broken = viommu_chain_first_broken(chain);
	fputs("<h2>The first broken mapping</h2>\n<dl>\n<dt>What</dt><dd><strong class=\"bad\">", out);
	if (broken < VIOMMU_LINKS)
		fprintf(out, "link %u, %s, is broken</strong>: ", broken + 1, viommu_link_name(broken));
	else
		fprintf(out, "%s</strong>: ", viommu_verdict_name(run->verdict));
	viommu_html_text(out, broken == VIOMMU_LINK_TABLE || broken == VIOMMU_LINKS ? viommu_verdict_meaning(run->verdict)
										    : viommu_link_broken_text(broken));
	fputs("</dd>\n", out);
	print_values(out, facts);
	fputs("</dl>\n<ol class=\"chain\" aria-label=\"the five links of this mapping\">\n", out);
	for (unsigned i = 0; i < VIOMMU_LINKS; i++) {
		g_autofree char *why = viommu_report_shown(chain->links[i].note);

		print_link(out, i, chain->links[i].state, "", why);
	}
	fputs("</ol>\n", out);
	if (run->evidence) {
		fputs("<h3>The walk, with the entries as they stand in L1's memory</h3>\n", out);
		print_walk(out, report, run->evidence, viommu_verdict_is_fault(run->verdict));
	}
}

/* The picture: each link in the worst state that a page has. */
static void
print_chain(FILE *out, const viommu_report *report)
{
	fputs("<ol class=\"chain\" aria-label=\"the five links, each in its worst state\">\n", out);
	for (unsigned i = 0; i < VIOMMU_LINKS; i++) {
		g_autoptr(GArray) shares = viommu_report_all_shares(report->result, (viommu_link) i);
		viommu_link_state worst = VIOMMU_LINK_NOT_NEEDED;
		uint64_t pages[VIOMMU_LINK_STATES] = { 0 }, unmapped[VIOMMU_LINK_STATES] = { 0 };
		g_autoptr(GString) counts = g_string_new(NULL);

		for (guint k = 0; k < shares->len; k++) {
			const viommu_share *share = &g_array_index(shares, viommu_share, k);

			worst = viommu_link_worse(worst, share->status.state);
			pages[share->status.state] += share->pages;
			unmapped[share->status.state] += share->unmapped;
		}
		g_string_append_printf(counts, " %s", viommu_count_text(pages[worst]).text);
		if (unmapped[worst])
			g_string_append_printf(counts, " + %s unmapped", viommu_count_text(unmapped[worst]).text);
		print_link(out, i, worst, counts->str, "");
	}
	fputs("</ol>\n", out);
}

static void
print_shares(FILE *out, const viommu_report *report, viommu_link link)
{
	static const char *const classes[VIOMMU_LINK_STATES] = { "unsure", "good", "bad", "faint" };
	g_autoptr(GArray) shares = viommu_report_all_shares(report->result, link);

	for (guint k = 0; k < shares->len; k++) {
		const viommu_share *share = &g_array_index(shares, viommu_share, k);
		g_autofree char *note = viommu_report_shown(share->status.note);

		fprintf(out, "<tr><td>%u %s</td><td class=\"%s\">%s</td><td class=\"number\">%s</td><td class=\"number\">%s</td><td>",
			link + 1, viommu_link_name(link), classes[share->status.state], viommu_link_state_name(share->status.state),
			viommu_count_text(share->pages).text, share->unmapped ? viommu_count_text(share->unmapped).text : "");
		viommu_html_text(out, note);
		fputs("</td></tr>\n", out);
	}
}

void
viommu_html_chain(FILE *out, const viommu_report *report)
{
	fputs("<h2>The five links, over all pages</h2>\n", out);
	if (!viommu_report_first_fault(report->result))
		print_chain(out, report);
	fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"the five links\">"
	      "<table class=\"links\"><thead><tr><th scope=\"col\">link</th><th scope=\"col\">state</th><th scope=\"col\">pages</th>"
	      "<th scope=\"col\">unmapped pages</th><th scope=\"col\">why</th></tr></thead><tbody>\n", out);
	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		print_shares(out, report, (viommu_link) i);
	fputs("</tbody></table></div>\n", out);
	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		if (report->result->broken[i]) {
			fprintf(out, "<p><strong class=\"bad\">First broken link of %s page%s: %u %s</strong>: ",
				viommu_count_text(report->result->broken[i]).text, report->result->broken[i] == 1 ? "" : "s", i + 1,
				viommu_link_name((viommu_link) i));
			viommu_html_text(out, viommu_link_broken_text((viommu_link) i));
			fputs(".</p>\n", out);
		}
}

static void
print_paragraph(FILE *out, const char *label, const char *text)
{
	fprintf(out, "<p><strong>%s</strong> ", label);
	viommu_html_text(out, text);
	fputs("</p>\n", out);
}

static void
print_finding(FILE *out, const viommu_finding_group *group)
{
	const viommu_finding_kind *kind = group->kind;
	const char *class = kind->severity >= VIOMMU_SEVERITY_FAULT ? "bad" : kind->severity == VIOMMU_SEVERITY_WARNING ? "unsure" : "none";
	g_auto(GStrv) refs = g_strsplit(kind->refs ? kind->refs : "", "\n", -1);

	fprintf(out, "<section class=\"finding %s\">\n<h3><span class=\"tag %s\">%s</span> <code>%s</code>: ", class, class,
		viommu_severity_name(kind->severity), kind->code);
	viommu_html_text(out, kind->title);
	fputs("</h3>\n<ul>\n", out);
	for (guint i = 0; i < group->list->len; i++) {
		const viommu_finding *item = g_ptr_array_index(group->list, i);
		g_autofree char *where = viommu_report_shown(item->where);
		g_autofree char *seen = viommu_report_shown(item->seen);

		fputs("<li><code>", out);
		viommu_html_text(out, where);
		fputs("</code>: ", out);
		viommu_html_text(out, seen);
		fputs("</li>\n", out);
	}
	fputs("</ul>\n", out);
	if (group->count > group->list->len)
		fprintf(out, "<p>… and %s more</p>\n", viommu_count_text(group->count - group->list->len).text);
	fprintf(out, "<details%s><summary>what it means, and what to do</summary>\n",
		kind->severity >= VIOMMU_SEVERITY_WARNING ? " open" : "");
	print_paragraph(out, "Means", kind->meaning);
	print_paragraph(out, "To do", kind->todo);
	if (refs[0]) {
		fputs("<p><strong>References</strong></p>\n<ul>\n", out);
		for (char **line = refs; *line; line++)
			if (**line) {
				fputs("<li>", out);
				viommu_html_text(out, *line);
				fputs("</li>\n", out);
			}
		fputs("</ul>\n", out);
	}
	fputs("</details>\n</section>\n", out);
}

void
viommu_html_findings(FILE *out, const viommu_report *report)
{
	g_autoptr(GPtrArray) groups = report->findings ? viommu_findings_groups(report->findings) : NULL;

	if (!groups || !groups->len)
		return;
	fputs("<h2>Findings</h2>\n", out);
	for (guint i = 0; i < groups->len; i++)
		print_finding(out, g_ptr_array_index(groups, i));
}

static void
print_facts(FILE *out, const GArray *facts)
{
	fputs("<dl>\n", out);
	print_values(out, facts);
	fputs("</dl>\n", out);
}

void
viommu_html_environment(FILE *out, const viommu_report *report)
{
	g_autoptr(GArray) host = viommu_report_host_facts(report);
	g_autoptr(GArray) iommu = viommu_report_iommu_facts(report);
	g_autoptr(GPtrArray) guests = viommu_report_guest_facts(report);
	g_autoptr(GPtrArray) checks = viommu_report_checks(report);
	g_autofree char *command = viommu_report_command_line(report);
	g_autofree char *registers = viommu_report_registers(report);

	fputs("<h2>Host environment</h2>\n", out);
	print_facts(out, host);
	fputs("<h3>QEMU command line</h3>\n", out);
	if (command) {
		fputs("<pre>", out);
		viommu_html_text(out, command);
		fputs("</pre>\n", out);
	} else {
		fputs("<p class=\"faint\">not known: QEMU's process was not at hand when it was looked at</p>\n", out);
	}
	fputs("<h3>vIOMMU</h3>\n", out);
	print_facts(out, iommu);
	fputs("<details><summary>registers that are not 0</summary><pre>", out);
	viommu_html_text(out, registers);
	fputs("</pre></details>\n<h2>Guest (L1)</h2>\n", out);
	for (guint i = 0; i < guests->len; i++) {
		print_facts(out, g_ptr_array_index(guests, i));
		if (!g_ptr_array_index(checks, i))
			continue;
		fputs("<details><summary>what viommu-probe doctor found in L1</summary><pre>", out);
		viommu_html_text(out, g_ptr_array_index(checks, i));
		fputs("</pre></details>\n", out);
	}
}

/* What stands between two backticks is a command. */
static void
print_step(FILE *out, const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "`", -1);

	for (guint i = 0; parts[i]; i++) {
		fputs(i % 2 ? "<code>" : "", out);
		viommu_html_text(out, parts[i]);
		fputs(i % 2 ? "</code>" : "", out);
	}
}

void
viommu_html_steps(FILE *out, const viommu_report *report)
{
	g_autoptr(GPtrArray) steps = viommu_report_steps(report);
	g_autofree char *replay = viommu_report_replay(report);

	fputs("<h2>To see it again</h2>\n<ol class=\"steps\">\n", out);
	for (guint i = 0; i < steps->len; i++) {
		fputs("<li>", out);
		print_step(out, g_ptr_array_index(steps, i));
		fputs("</li>\n", out);
	}
	fputs("</ol>\n<p>", out);
	print_step(out, replay);
	fputs("</p>\n", out);
}
