/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The differential test: QEMU's own translation against our walker's.  See
 * NOTES.md for what was learned, and judge --help.
 */
#include "ask.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_COUNT 20000
#define MAX_DISAGREEMENTS 5
#define SKIPPED 77

static struct {
	char *qemu, *qemu_from, *props, *mode;
	gint64 seed, count, set;
	gboolean tap;
} options = { .seed = 1, .count = DEFAULT_COUNT, .set = -1 };

static const GOptionEntry entries[] = {
	{ "qemu", 'q', 0, G_OPTION_ARG_FILENAME, &options.qemu, "the QEMU to ask (default: qemu-system-x86_64)", "PATH" },
	{ "qemu-from", 0, 0, G_OPTION_ARG_STRING, &options.qemu_from, "the QEMU whose path this command prints; skip if it exits with 77", "COMMAND" },
	{ "props", 'p', 0, G_OPTION_ARG_STRING, &options.props, "properties of intel-iommu (default: a sweep)", "LIST" },
	{ "mode", 'm', 0, G_OPTION_ARG_STRING, &options.mode, "only tables of this mode: legacy, scalable, first stage, off", "MODE" },
	{ "seed", 's', 0, G_OPTION_ARG_INT64, &options.seed, "what the tables follow from (default: 1)", "N" },
	{ "count", 'n', 0, G_OPTION_ARG_INT64, &options.count, "questions, all properties together (default: 20000)", "N" },
	{ "set", 0, 0, G_OPTION_ARG_INT64, &options.set, "only this set of tables", "N" },
	{ "tap", 0, 0, G_OPTION_ARG_NONE, &options.tap, "for a test harness", NULL },
	{ 0 },
};

/* What is swept, as far as the QEMU has the properties. needs: all of these names. */
static const struct { const char *props, *needs; } sweep[] = {
	{ "aw-bits=39", "" },
	{ "aw-bits=48", "" },
	{ "aw-bits=48,device-iotlb=on", "" },
	{ "aw-bits=48,device-iotlb=on,stale-tm=on", "stale-tm" },
	{ "aw-bits=39,device-iotlb=on,pt=off", "" },
	{ "aw-bits=39,snoop-control=on,caching-mode=on", "snoop-control" },
	{ "aw-bits=39,@scalable=on", "@scalable" },
	{ "aw-bits=48,@scalable=on,device-iotlb=on", "@scalable" },
	{ "aw-bits=48,@scalable=on,pt=off,caching-mode=on", "@scalable" },
	{ "aw-bits=48,@scalable=on,@first=on", "@scalable @first" },
	{ "aw-bits=48,@scalable=on,@first=on,device-iotlb=on,caching-mode=on", "@scalable @first" },
	{ "aw-bits=48,@scalable=on,@first=on,pt=off,fs1gp=off", "@scalable @first fs1gp" },
};

/* These have had several names. */
static const struct { const char *word, *names[4]; } aliases[] = {
	{ "@scalable", { "scalable-mode", "x-scalable-mode" } },
	{ "@first", { "fsts", "flts", "x-flts" } },
};

static const char *
property_name(const char *known, const char *word)
{
	for (unsigned a = 0; a < G_N_ELEMENTS(aliases); a++)
		if (strcmp(aliases[a].word, word) == 0) {
			for (unsigned i = 0; aliases[a].names[i]; i++)
				if (guest_has_property(known, aliases[a].names[i]))
					return aliases[a].names[i];
			return NULL;
		}
	return guest_has_property(known, word) ? word : NULL;
}

/* The props of a row for this QEMU, NULL when it lacks one of them. */
static char *
sweep_props(unsigned row, const char *known)
{
	g_auto(GStrv) needs = g_strsplit(sweep[row].needs, " ", -1);
	GString *props = g_string_new(sweep[row].props);

	for (unsigned i = 0; needs[i]; i++) {
		const char *name = *needs[i] ? property_name(known, needs[i]) : needs[i];

		if (!name)
			return g_string_free(props, TRUE);
		if (*needs[i])
			g_string_replace(props, needs[i], name, 0);
	}
	return g_string_free(props, FALSE);
}

/* ---- running -------------------------------------------------------------------------- */

static bool failed;
static unsigned tests;

static void
result(bool ok, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
result(bool ok, const char *format, ...)
{
	va_list args;

	failed |= !ok;
	tests++;
	va_start(args, format);
	if (options.tap)
		printf("%sok %u - ", ok ? "" : "not ", tests);
	else
		printf("%s: ", ok ? "agreed" : "FAILED");
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
}

static int
skip(const char *why)
{
	if (options.tap)
		printf("1..0 # SKIP %s\n", why);
	else
		fprintf(stderr, "judge: %s\n", why);
	return options.tap ? 0 : SKIPPED;
}

/* Questions to one configuration until there were enough of them. */
static void
run(const char *props, const char *version, const char *known, counts *all, uint64_t count)
{
	judge j = { .seed = (uint64_t) options.seed, .counts = all, .out = stdout };
	int stale_tm = guest_has_property(known, "stale-tm") ? strstr(props, "stale-tm=on") != NULL : -1;
	gint64 start = g_get_monotonic_time(), told = start;
	uint64_t asked = 0, idle = 0;
	g_autoptr(GError) error = NULL;

	if (!judge_start(&j, options.qemu, props, version, stale_tm, &error)) {
		result(false, "%s: %s", props, error->message);
		return;
	}
	for (uint64_t set = options.set < 0 ? 0 : (uint64_t) options.set; asked < count; set++) {
		uint64_t before = asked;

		if (!judge_set(&j, set, options.mode, &asked, &error)) {
			printf("# set %" PRIu64 ": %s\n", set, error->message);
			break;
		}
		/* 1000 sets in a row without one of that mode: it has none. */
		idle = asked == before ? idle + 1 : 0;
		if (options.set >= 0 || j.disagreements >= MAX_DISAGREEMENTS || idle > 1000)
			break;
		if (!options.tap && isatty(2) && g_get_monotonic_time() - told > G_USEC_PER_SEC) {
			told = g_get_monotonic_time();
			fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " ", props, asked, count);
		}
	}
	if (told != start)
		fputs("\r\033[K", stderr);
	judge_stop(&j);
	if (asked == 0 && !error) { /* --mode: this unit has no such tables */
		tests++;
		if (options.tap)
			printf("ok %u - %s # SKIP no tables of that mode\n", tests, props);
		else
			printf("%s: no tables of that mode\n", props);
		return;
	}
	result(!error && !j.disagreements, "%s: %" PRIu64 " questions, %u disagreements, %.1f s", props, asked, j.disagreements,
		(double) (g_get_monotonic_time() - start) / G_USEC_PER_SEC);
}

/* The path that a command prints. */
static char *
path_from(const char *command, int *status)
{
	g_autofree char *out = NULL, *err = NULL;

	if (!g_spawn_command_line_sync(command, &out, &err, status, NULL))
		*status = 1;
	if (*status != 0)
		return g_strdup(err ? g_strstrip(err) : "cannot be run");
	return g_strdup(g_strstrip(out));
}

int
main(int argc, char **argv)
{
	g_autoptr(GOptionContext) context = g_option_context_new("- ask a QEMU and our walker the same questions");
	g_autoptr(GError) error = NULL;
	g_autofree char *version = NULL, *known = NULL, *why = NULL;
	g_autoptr(counts) all = counts_new();
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
		fprintf(stderr, "judge: %s\n", error ? error->message : "too many arguments");
		return 2;
	}
	if (options.qemu_from) {
		int status;
		char *text = path_from(options.qemu_from, &status);

		if (status != 0) {
			why = text;
			return WEXITSTATUS(status) == SKIPPED ? skip(text) : (fprintf(stderr, "judge: %s\n", text), 1);
		}
		options.qemu = text;
	}
	if (!options.qemu)
		options.qemu = g_strdup("qemu-system-x86_64");
	version = guest_version(options.qemu, &error);
	known = version ? guest_properties(options.qemu, &error) : NULL;
	if (!known) {
		why = g_strdup_printf("%s: %s", options.qemu, error->message);
		return skip(why);
	}
	if (options.props)
		g_ptr_array_add(list, g_strdup(options.props));
	for (unsigned i = 0; !options.props && i < G_N_ELEMENTS(sweep); i++) {
		char *props = sweep_props(i, known);

		if (props)
			g_ptr_array_add(list, props);
	}
	if (options.tap)
		printf("1..%u\n", list->len);
	printf("# QEMU %s, seed %" G_GINT64_FORMAT "\n", version, options.seed);
	for (guint i = 0; i < list->len; i++)
		run(list->pdata[i], version, known, all, ((uint64_t) options.count + list->len - 1) / list->len);
	counts_print(all, stdout);
	return failed ? 1 : 0;
}
