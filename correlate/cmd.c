/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <viommu/error.h>

#include "given-twice.h"

void
viommu_cmd_clear(viommu_cmd *cmd)
{
	viommu_target_options_clear(&cmd->target);
	g_clear_pointer(&cmd->format_name, g_free);
	g_clear_pointer(&cmd->arguments, g_strfreev);
}

static GLogWriterOutput
log_writer(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user)
{
	const gboolean *debug = user;

	if (level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO) && !*debug)
		return G_LOG_WRITER_HANDLED;
	for (gsize i = 0; i < n; i++)
		if (strcmp(fields[i].key, "MESSAGE") == 0) {
			g_autofree char *safe = viommu_escape(fields[i].value);
			fprintf(stderr, "viommu: %s%s\n", level & G_LOG_LEVEL_DEBUG ? "debug: " : "", safe);
		}
	return G_LOG_WRITER_HANDLED;
}

int
viommu_cmd_usage(const char *name, const char *format, ...)
{
	g_autofree char *text = NULL;
	g_autofree char *safe = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	safe = viommu_escape(text);
	fprintf(stderr, "viommu %s: %s\nTry: viommu %s --help\n", name, safe, name);
	return VIOMMU_EXIT_USAGE;
}

int
viommu_cmd_fail(const char *name, const GError *error)
{
	g_autofree char *safe = viommu_escape(error->message);

	viommu_cmd_progress_done();
	if (g_error_matches(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE))
		return viommu_cmd_usage(name, "%s", error->message);
	fprintf(stderr, "viommu %s: %s\n", name, safe);
	return g_error_matches(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT) ? VIOMMU_EXIT_REJECTED : VIOMMU_EXIT_FAILED;
}

/* A bundle is a TARGET wherever it stands: nothing else that is named is one. */
static void
take_bundle(viommu_cmd *cmd)
{
	char **arguments = cmd->arguments;

	if (cmd->target.qmp || cmd->target.snapshot || !arguments[0] || !viommu_is_bundle(arguments[0]))
		return;
	cmd->target.snapshot = arguments[0];
	memmove(arguments, arguments + 1, g_strv_length(arguments) * sizeof(*arguments));
}

int
viommu_cmd_parse(viommu_cmd *cmd, int argc, char **argv, const GOptionEntry *own, gboolean with_target,
	const char *help)
{
	const GOptionEntry common[] = {
		{ "format", 0, 0, G_OPTION_ARG_STRING, &cmd->format_name, NULL, NULL },
		{ "debug", 0, 0, G_OPTION_ARG_NONE, &cmd->debug, NULL, NULL },
		{ "help", 'h', 0, G_OPTION_ARG_NONE, &cmd->help, NULL, NULL },
		{ "version", 'V', 0, G_OPTION_ARG_NONE, &cmd->version, NULL, NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &cmd->arguments, NULL, NULL },
		{ 0 },
	};
	g_autofree GOptionEntry *target = viommu_target_entries(&cmd->target);
	const GOptionEntry *const tables[] = { common, own ? own : target, own && with_target ? target : NULL, NULL };
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autofree char **words = g_memdup2(argv, ((gsize) argc + 1) * sizeof(*argv)); /* parsing takes away what it knows */
	const int n_words = argc;
	g_autofree char *twice = NULL;
	g_autoptr(GError) error = NULL;

	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, common, NULL);
	if (own)
		g_option_context_add_main_entries(context, own, NULL);
	if (with_target)
		g_option_context_add_main_entries(context, target, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return viommu_cmd_usage(argv[0], "%s", error->message);
	if (cmd->help) {
		printf("%s%s", help, with_target ? "\n" : "");
		if (with_target)
			viommu_target_help(cmd->live_only);
		return VIOMMU_EXIT_CLEAN;
	}
	if (cmd->version) {
		puts("viommu " VIOMMU_VERSION);
		return VIOMMU_EXIT_CLEAN;
	}
	twice = viommu_given_twice(tables, n_words, words);
	if (twice)
		return viommu_cmd_usage(argv[0], "%s", twice);
	if (with_target && !viommu_target_check(&cmd->target, &error))
		return viommu_cmd_fail(argv[0], error);
	if (g_strcmp0(cmd->format_name, "json") == 0)
		cmd->json = TRUE;
	else if (cmd->takes_markdown && g_strcmp0(cmd->format_name, "markdown") == 0)
		cmd->markdown = TRUE;
	else if (cmd->format_name && !cmd->any_format && strcmp(cmd->format_name, "text") != 0)
		return viommu_cmd_usage(argv[0], "--format takes text%s or json, not \"%s\"",
			cmd->takes_markdown ? ", markdown" : "", cmd->format_name);
	if (!cmd->arguments)
		cmd->arguments = g_new0(char *, 1);
	if (with_target)
		take_bundle(cmd);
	if (cmd->live_only && cmd->target.snapshot)
		return viommu_cmd_usage(argv[0], "it takes a live QEMU (-q or -p): a snapshot does not move");
	if (cmd->live_only && !cmd->target.qmp && !cmd->target.pid)
		return viommu_cmd_usage(argv[0], "name the live QEMU: -q unix:SOCKET, or -p PID (viommu list shows them)");
	g_log_set_writer_func(log_writer, &cmd->debug, NULL);
	viommu_tones_init(stdout);
	if (with_target && !viommu_target_find(&cmd->target, &error))
		return viommu_cmd_fail(argv[0], error);
	return -1;
}

gboolean
viommu_cmd_may_write(const char *path, gboolean force, GError **error)
{
	if (g_file_test(path, G_FILE_TEST_IS_DIR))
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "%s is a directory; name a file in it", path);
	/* A new file takes the name of the old one: nobody means that for /dev/null. */
	else if (force && g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_REGULAR))
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "%s is not a regular file, and is not replaced", path);
	else if (!force && g_file_test(path, G_FILE_TEST_EXISTS))
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
			"%s exists already; choose another name, or add --force to replace it", path);
	else
		return TRUE;
	return FALSE;
}

viommu_qemu_log *
viommu_cmd_qemu_log(const char *path, GError **error)
{
	viommu_qemu_log *ret = viommu_qemu_log_read(path, error);

	if (ret && viommu_qemu_log_known(ret) == 0)
		g_message("%s has nothing that viommu knows of QEMU's vIOMMU or vfio", path);
	if (ret && viommu_qemu_log_dropped(ret))
		g_message("%s is very long: its first %" G_GUINT64_FORMAT " events were left out", path,
			viommu_qemu_log_dropped(ret));
	return ret;
}

/* ASCII only: JSON goes to terminals too, and what is above can turn text around. */
static void
print_json(json_t *json, size_t flags)
{
	if (!json) {
		fputs("viommu: the result cannot be written as JSON\n", stderr);
		exit(VIOMMU_EXIT_FAILED);
	}
	json_dumpf(json, stdout, flags | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(json);
}

void
viommu_cmd_print_json(json_t *json)
{
	print_json(json, JSON_INDENT(2));
}

void
viommu_cmd_print_json_line(json_t *json)
{
	print_json(json, JSON_COMPACT);
}

static struct {
	gint64 began, shown;
	gboolean line;
} progress;

void
viommu_cmd_progress(size_t pages, G_GNUC_UNUSED void *user)
{
	gint64 now = g_get_monotonic_time();
	gboolean terminal = isatty(STDERR_FILENO);

	if (!progress.began)
		progress.began = progress.shown = now;
	if (now - progress.began < G_USEC_PER_SEC || now - progress.shown < (terminal ? 200 * 1000 : 5 * G_USEC_PER_SEC))
		return;
	progress.shown = now;
	fprintf(stderr, terminal ? "\r\033[Kviommu: %s table pages read" : "viommu: %s table pages read\n",
		viommu_count_text(pages).text);
	progress.line = terminal;
}

void
viommu_cmd_progress_wait(const char *what)
{
	progress.began = 0;
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[Kviommu: waiting for %s", what);
	progress.line = TRUE;
}

void
viommu_cmd_progress_done(void)
{
	if (progress.line)
		fputs("\r\033[K", stderr);
	progress.line = FALSE;
	progress.began = 0;
}
