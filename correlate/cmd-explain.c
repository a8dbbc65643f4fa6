/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include <viommu/correlate.h>
#include <viommu/finding.h>

#include "cmd.h"
#include "find/finding-kinds.h"

static const char help[] =
	"Usage: viommu explain [CODE…]\n\n"
	"What a finding means, what to do about it, and where to read on; or what a\n"
	"verdict on a page means. Without a CODE: all findings, one a line.\n\n"
	"  viommu explain\n"
	"  viommu explain caching-mode-needed\n\n"
	"      --format FORMAT   text (default), json, or markdown (as in docs/findings)\n"
	"      --debug           nothing more for this command\n"
	"  -h, --help   -V, --version\n";

static json_t *
kind_json(const viommu_finding_kind *kind)
{
	g_auto(GStrv) refs = g_strsplit(kind->refs, "\n", -1);
	json_t *list = json_array();

	for (char **ref = refs; *ref; ref++)
		json_array_append_new(list, json_string(*ref));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "code", kind->code, "severity",
		viommu_severity_name(kind->severity), "title", kind->title, "meaning", kind->meaning, "todo", kind->todo,
		"references", list, "shown_by", kind->shown_by);
}

static void
print_text(const viommu_finding_kind *kind)
{
	g_auto(GStrv) refs = g_strsplit(kind->refs, "\n", -1);

	printf("%s%s%s (%s): %s\n", viommu_tone_on(VIOMMU_STRONG), kind->code, viommu_tone_off(VIOMMU_STRONG),
		viommu_severity_name(kind->severity), kind->title);
	viommu_print_wrapped(stdout, "means", kind->meaning);
	viommu_print_wrapped(stdout, "to do", kind->todo);
	for (char **ref = refs; *ref; ref++)
		viommu_print_wrapped(stdout, ref == refs ? "see" : "", *ref);
	viommu_print_wrapped(stdout, "shown", kind->shown_by);
}

/* What markdown would take for something else. */
static char *
markdown(const char *text)
{
	GString *ret = g_string_new(NULL);

	for (; *text; text++) {
		if (strchr("\\`*_{}[]<>#|", *text))
			g_string_append_c(ret, '\\');
		g_string_append_c(ret, *text);
	}
	return g_string_free(ret, FALSE);
}

static void
print_markdown(const viommu_finding_kind *kind)
{
	g_autofree char *title = markdown(kind->title), *meaning = markdown(kind->meaning), *todo = markdown(kind->todo);
	g_autofree char *shown = markdown(kind->shown_by);
	g_auto(GStrv) refs = g_strsplit(kind->refs, "\n", -1);

	printf("<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n# %s\n\n**%s**: %s\n\n## What it means\n%s\n\n"
	       "## What to do\n%s\n\n## See also\n",
		kind->code, viommu_severity_name(kind->severity), title, meaning, todo);
	for (char **ref = refs; *ref; ref++) {
		g_autofree char *text = markdown(*ref);
		printf("- %s\n", text);
	}
	printf("\n## Shown by\n%s\n", shown);
}

static void
print_list(void)
{
	const viommu_finding_kind *kind;

	for (guint i = 0; (kind = viommu_finding_kind_at(i)); i++)
		printf("%-29s %-9s %s\n", kind->code, viommu_severity_name(kind->severity), kind->title);
}

static void
print_index(void)
{
	const viommu_finding_kind *kind;

	printf("<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n# Findings\n\n"
	       "What `viommu doctor` and `viommu verify` can find. Made from the program's own catalogue by\n"
	       "`docs/findings/regenerate`; `viommu explain CODE` prints the same.\n\n"
	       "| code | severity | |\n|---|---|---|\n");
	for (guint i = 0; (kind = viommu_finding_kind_at(i)); i++) {
		g_autofree char *title = markdown(kind->title);
		printf("| [%s](%s.md) | %s | %s |\n", kind->code, kind->code, viommu_severity_name(kind->severity), title);
	}
}

static void
print_json(char **codes)
{
	const viommu_finding_kind *kind;
	json_t *list = json_array();

	for (guint i = 0; (kind = viommu_finding_kind_at(i)); i++)
		if (!*codes || g_strv_contains((const char *const *) codes, kind->code))
			json_array_append_new(list, kind_json(kind));
	viommu_cmd_print_json(json_pack("{s:s, s:i, s:o}", "format", "viommu-findings", "version", 1, "findings", list));
}

/* A word that verify says of a page, which reports show like a finding; VIOMMU_VERDICTS: it is none. */
static viommu_verdict
verdict_of(const char *word)
{
	unsigned v = 0;

	while (v < VIOMMU_VERDICTS && strcmp(viommu_verdict_name((viommu_verdict) v), word) != 0)
		v++;
	return (viommu_verdict) v;
}

static void
print_verdict(viommu_verdict verdict)
{
	printf("%s%s%s (verdict on a page)\n", viommu_tone_on(VIOMMU_STRONG), viommu_verdict_name(verdict), viommu_tone_off(VIOMMU_STRONG));
	viommu_print_wrapped(stdout, "means", viommu_verdict_meaning(verdict));
	viommu_print_wrapped(stdout, "see", "viommu-verify(1)");
}

static void
print_kinds(const viommu_cmd *cmd)
{
	for (char **code = cmd->arguments; *code; code++) {
		const viommu_finding_kind *kind = viommu_finding_kind_of(*code);

		if (code != cmd->arguments)
			putchar('\n');
		if (!kind)
			print_verdict(verdict_of(*code));
		else if (cmd->markdown)
			print_markdown(kind);
		else
			print_text(kind);
	}
}

/* Those that have the text in them are likely meant. */
static int
unknown(const char *code)
{
	const viommu_finding_kind *kind;
	g_autoptr(GString) like = g_string_new(NULL);

	for (guint i = 0; *code && (kind = viommu_finding_kind_at(i)); i++)
		if (strstr(kind->code, code))
			g_string_append_printf(like, "%s%s", like->len ? ", " : "", kind->code);
	return viommu_cmd_usage("explain", "there is no finding \"%s\"; %s%s%sviommu explain lists them all", code,
		like->len ? "there are " : "", like->str, like->len ? "; " : "");
}

int
viommu_cmd_explain(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_DEFAULTS;
	int status;

	cmd.takes_markdown = TRUE;
	status = viommu_cmd_parse(&cmd, argc, argv, NULL, FALSE, help);
	if (status >= 0)
		return status;
	for (char **code = cmd.arguments; *code; code++)
		if (!viommu_finding_kind_of(*code) && (cmd.json || cmd.markdown || verdict_of(*code) == VIOMMU_VERDICTS))
			return unknown(*code);
	if (cmd.json)
		print_json(cmd.arguments);
	else if (*cmd.arguments)
		print_kinds(&cmd);
	else if (cmd.markdown)
		print_index();
	else
		print_list();
	return VIOMMU_EXIT_CLEAN;
}
