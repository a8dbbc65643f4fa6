/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The result as a page in one file, which asks nobody for anything: its security policy
 * lets in its own style and script, by their hashes, and nothing else. All that matters
 * is there without a script; the map, the table and the walks of all mappings need one.
 */
#include "report/report-html.h"

#include <inttypes.h>

#include "report/report-parts.h"

static void
print_head(FILE *out, const viommu_report *report)
{
	g_auto(viommu_headline) line = { 0 };

	viommu_headline_of(report->result, &line);
	fprintf(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; "
		"base-uri 'none'; form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"generator\" content=\"viommu " VIOMMU_VERSION "\">\n"
		"<link rel=\"icon\" href=\"data:,\">\n<title>",
		viommu_html_script_hash, viommu_html_style_hash);
	fprintf(out, "%s: ", line.word);
	viommu_html_text(out, line.sentence);
	fprintf(out, " \xe2\x80\x93 viommu</title>\n<style>%s</style>\n</head>\n<body>\n", viommu_html_style);
}

/* What is not in the file is said where it is missed. */
static void
print_bounds(FILE *out, const viommu_html_bounds *bounds)
{
	if (bounds->joined)
		fputs("<p class=\"faint\">There are many mappings: neighbours that match are one area, whichever event asked for them. "
		      "<code>viommu report --all</code> shows each.</p>\n", out);
	if (!bounds->areas_left_out && !bounds->walks_left_out && !bounds->tables.left_out)
		return;
	fputs("<p class=\"unsure\">To keep this file small,", out);
	if (bounds->areas_left_out)
		fprintf(out, " %s areas with %s pages", viommu_count_text(bounds->areas_left_out).text,
			viommu_count_text(bounds->pages_left_out).text);
	if (bounds->tables.left_out)
		fprintf(out, "%s %s tables (%s of them with faults)", bounds->areas_left_out ? "," : "",
			viommu_count_text(bounds->tables.left_out).text, viommu_count_text(bounds->tables.with_faults).text);
	if (bounds->walks_left_out)
		fprintf(out, "%s %s walks", bounds->areas_left_out || bounds->tables.left_out ? " and" : "",
			viommu_count_text(bounds->walks_left_out).text);
	fputs(" were left out: what is wrong was kept first. <code>viommu report --all</code> leaves out nothing.</p>\n", out);
}

static void
print_interactive(FILE *out, const viommu_html_bounds *bounds)
{
	static const char *const columns[] = { "IOVA", "size", "device", "prot", "GPA asked for", "GPA in the table", "links 12345",
		"verdict" };

	fputs("<h2 id=\"map\">IOVA space</h2>\n", out);
	print_bounds(out, bounds);
	fputs("<noscript><p>The map, the table of all mappings and their walks need JavaScript. All that is wrong is told without it."
	      "</p></noscript>\n<div id=\"interactive\" hidden>\n"
	      "<p class=\"faint\" id=\"keys\">What is not mapped is folded; the width of an area grows with the logarithm of its size, and "
	      "what is wrong stands out. <span class=\"no-print\">Click an area, or use the keys: arrows go from area to area (with Shift: "
	      "move), + and &minus; zoom (also: Shift and the wheel), 0 shows all, n and p go to the next and previous fault.</span></p>\n"
	      "<ul class=\"legend\" id=\"legend\"></ul>\n"
	      "<div class=\"controls\" role=\"search\"><label for=\"search\">Find</label> <input type=\"search\" id=\"search\" "
	      "placeholder=\"IOVA or GPA (0x40007000), verdict, device\" autocomplete=\"off\" spellcheck=\"false\"> "
	      "<label for=\"only\">Show</label> <select id=\"only\"></select> <span id=\"found\" role=\"status\" class=\"faint\"></span>"
	      "</div>\n<div id=\"maps\"></div>\n<p id=\"said\" class=\"hidden-text\" role=\"status\"></p>\n"
	      "<div id=\"detail\" role=\"region\" aria-label=\"the chosen area\"></div>\n<h2 id=\"table\">Mappings</h2>\n"
	      "<div class=\"controls\" id=\"pages\"><button type=\"button\" id=\"earlier\">previous 100</button> <button type=\"button\" id=\"later\">next "
	      "100</button></div>\n<p class=\"faint\" id=\"place\"></p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
	      "aria-label=\"table of mappings\"><table><thead><tr>",
		out);
	for (gsize i = 0; i < G_N_ELEMENTS(columns); i++)
		fprintf(out, "<th scope=\"col\">%s</th>", columns[i]);
	fputs("</tr></thead><tbody id=\"rows\"></tbody></table></div>\n"
	      "<p class=\"faint\">Links: 1 request, 2 table, 3 invalidation, 4 notice, 5 shadow; + ok, X broken, ? unverified, - not "
	      "needed.</p>\n</div>\n",
		out);
}

void
viommu_report_html(FILE *out, const viommu_report *report)
{
	g_autoptr(viommu_html_data) data = viommu_html_data_new(report);
	g_autofree char *redacted = NULL;

	print_head(out, report);
	fputs("<a class=\"skip\" href=\"#table\">to the table of mappings</a>\n<header>\n<h1>viommu report</h1>\n", out);
	viommu_html_verdict(out, report);
	fputs("</header>\n<main>\n", out);
	viommu_html_first_fault(out, report);
	viommu_html_chain(out, report);
	print_interactive(out, viommu_html_data_bounds(data));
	viommu_html_findings(out, report);
	viommu_html_environment(out, report);
	viommu_html_steps(out, report);
	redacted = viommu_report_redacted(report);
	if (redacted)
		fprintf(out, "<p class=\"faint\">Private texts were replaced by placeholders like &lt;path-1&gt;, the same text by the same "
			     "one: %s (<code>--no-redact</code> keeps them).</p>\n", redacted);
	fputs("</main>\n", out);
	viommu_html_data_print(out, data);
	fprintf(out, "<script>%s</script>\n</body>\n</html>\n", viommu_html_script);
}
