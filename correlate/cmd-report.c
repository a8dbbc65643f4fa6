/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verify finds, as a report in a file. */
#include <string.h>
#include <unistd.h>

#include "report/bundle-make.h"
#include "cmd-verify.h"
#include "report/report-file.h"
#include "report/report-parts.h"

static const char help[] =
	"Usage: viommu report TARGET RECORD… -o FILE\n\n"
	"Does what viommu verify does, and writes a report: to file a bug with, or for a\n"
	"CI system. FILE's suffix says in which form.\n\n"
	"  viommu report -q unix:/tmp/qmp maps.jsonl -o report.html\n"
	"  viommu report -s saved.elf maps.jsonl --format markdown > bug.md\n"
	"  viommu report -q unix:/tmp/qmp maps.jsonl -o bundle.tar.gz\n\n"
	"Private texts (names, paths, addresses, secrets) are replaced by placeholders.\n\n";

static const char own_help[] =
	"  -o, --output FILE     where to; - is standard output (the default)\n"
	"      --format FORM     markdown (.md), html, json, bundle (.tar.gz),\n"
	"                        junit (.xml), tap or text\n"
	"      --no-redact       keep private texts as they are\n";

typedef struct {
	const char *name;
	const char *suffixes[3];
	void (*write)(FILE *out, const viommu_report *report); /* NULL: a bundle */
} form;

static const form forms[] = {
	{ "markdown", { ".md", ".markdown" }, viommu_report_markdown },
	{ "html", { ".html", ".htm" }, viommu_report_html },
	{ "json", { ".json" }, viommu_report_json },
	{ "junit", { ".xml" }, viommu_report_junit },
	{ "tap", { ".tap" }, viommu_report_tap },
	{ "bundle", { ".tar.gz", ".tgz" }, NULL },
	{ "text", { ".txt" }, viommu_report_text },
};

typedef struct {
	char *path; /* NULL: standard output */
	const form *form;
	gboolean no_redact;
	viommu_redact *redact;
} report_options;

static const form *
form_named(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(forms); i++)
		if (strcmp(forms[i].name, name) == 0)
			return &forms[i];
	return NULL;
}

static const form *
form_of_path(const char *path)
{
	for (gsize i = 0; i < G_N_ELEMENTS(forms); i++)
		for (const char *const *suffix = forms[i].suffixes; *suffix; suffix++)
			if (g_str_has_suffix(path, *suffix))
				return &forms[i];
	return NULL;
}

static int
fail_suffix(const char *path)
{
	g_autoptr(GString) list = g_string_new(NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(forms); i++)
		for (const char *const *suffix = forms[i].suffixes; *suffix; suffix++)
			g_string_append_printf(list, "%s%s", !list->len ? "" : i + 1 == G_N_ELEMENTS(forms) && !suffix[1] ? " or " : ", ", *suffix);
	return viommu_cmd_usage("report", "the form of \"%s\" is not known: end its name in %s, or name the form with --format", path, list->str);
}

static int
check(const viommu_cmd *cmd, gboolean force, void *user)
{
	report_options *self = user;
	g_autoptr(GError) error = NULL;
	gboolean to_file = self->path && strcmp(self->path, "-") != 0;

	if (cmd->format_name && !(self->form = form_named(cmd->format_name)))
		return viommu_cmd_usage("report", "--format takes markdown, html, json, bundle, junit, tap or text, not \"%s\"",
			cmd->format_name);
	if (!cmd->format_name && to_file && !(self->form = form_of_path(self->path)))
		return fail_suffix(self->path);
	if (!self->form)
		self->form = form_named("markdown");
	if (!to_file && !self->form->write && isatty(STDOUT_FILENO))
		return viommu_cmd_usage("report", "a bundle is not for a terminal: name a file (-o FILE.tar.gz), or send it into a pipe");
	if (to_file && !viommu_cmd_may_write(self->path, force, &error))
		return viommu_cmd_fail("report", error);
	return -1;
}

static gboolean
keeps(void *user)
{
	return ((const report_options *) user)->form->write == NULL;
}

static viommu_redact *
redact(void *user)
{
	report_options *self = user;

	if (!self->no_redact && !self->redact)
		self->redact = viommu_redact_new();
	return self->redact;
}

static void
say_done(const char *path, const viommu_report *report)
{
	g_autofree char *safe = viommu_escape(path);
	g_auto(viommu_headline) line = { 0 };

	viommu_headline_of(report->result, &line);
	printf("%s: %s: %s\n", safe, line.word, line.sentence);
	if (viommu_report_caveat(report->findings))
		printf("Attention: " VIOMMU_CAVEAT_TEXT "\n");
}

static gboolean
deliver(G_GNUC_UNUSED const viommu_cmd *cmd, const viommu_report *report, gboolean force, void *user, GError **error)
{
	const report_options *self = user;
	g_autoptr(viommu_report_file) file = viommu_report_file_open(self->path ? self->path : "-", self->no_redact ? 0600 : 0666, error);
	FILE *out = file ? viommu_report_file_stream(file) : NULL;

	if (!file)
		return FALSE;
	viommu_tones_init(self->form->write == viommu_report_text ? out : NULL);
	if (self->form->write)
		self->form->write(out, report);
	else if (!viommu_bundle_finish(report->bundle, report, out, error)) {
		if (self->path && strcmp(self->path, "-") != 0)
			g_prefix_error(error, "%s: ", self->path);
		return FALSE;
	}
	if (!viommu_report_file_commit(file, force, error))
		return FALSE;
	if (self->path && strcmp(self->path, "-") != 0)
		say_done(self->path, report);
	return TRUE;
}

int
viommu_cmd_report(int argc, char **argv)
{
	report_options options = { 0 };
	const GOptionEntry own[] = {
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.path, NULL, NULL },
		{ "no-redact", 0, 0, G_OPTION_ARG_NONE, &options.no_redact, NULL, NULL },
		{ 0 },
	};
	const viommu_verify_variant variant = { .name = "report", .help = help, .own_help = own_help, .own = own,
		.any_format = TRUE, .check = check, .keeps = keeps, .redact = redact, .deliver = deliver, .user = &options };
	int status = viommu_cmd_verify_as(&variant, argc, argv);

	g_free(options.path);
	viommu_redact_free(options.redact);
	return status;
}
