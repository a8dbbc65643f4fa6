/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <viommu/capture.h>

#include "cmd.h"

static const struct {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "list", "QEMUs on this host, and how to reach each", viommu_cmd_list },
	{ "verify", "did the mappings in a record arrive in the vIOMMU's tables?", viommu_cmd_verify },
	{ "report", "the same as a report: Markdown, HTML, a bundle and more", viommu_cmd_report },
	{ "watch", "the same, while mappings come and go", viommu_cmd_watch },
	{ "walk", "one translation, entry by entry", viommu_cmd_walk },
	{ "dump", "root, context and page-table entries", viommu_cmd_dump },
	{ "info", "registers, devices and domains at a glance", viommu_cmd_info },
	{ "diff", "what changed between two snapshots?", viommu_cmd_diff },
	{ "doctor", "what is wrong with this vIOMMU, or worth knowing?", viommu_cmd_doctor },
	{ "explain", "what a finding means, and what to do about it", viommu_cmd_explain },
	{ "trace", "what QEMU notices, while mappings come and go", viommu_cmd_trace },
	{ "capture", "save registers and table pages for later", viommu_cmd_capture },
};

static void
help(FILE *out)
{
	fputs("viommu proves, page by page, that a DMA mapping asked for inside a guest (L1)\n"
	      "arrived in the page tables of QEMU's emulated Intel IOMMU.\n\n"
	      "Usage: viommu COMMAND [OPTIONS]\n\n", out);
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\n  viommu-probe map 00:04.0 --bind -o maps.jsonl    # in L1; held until Ctrl-D\n"
	      "  viommu verify -q unix:/tmp/qmp maps.jsonl        # on the host\n\n"
	      "More: viommu help COMMAND, viommu(1), viommu-COMMAND(1), viommu --version.\n"
	      "Exit status: 0 clean, 1 viommu failed, 2 wrong command line, 3 a fault (diff: a\n"
	      "change), 4 a record or snapshot was rejected.\n", out);
}

/* A caller may have closed 0, 1 or 2. The next file that is opened would take the
 * place, and what is printed would go to QEMU's monitor: fill the places with what
 * cannot be used in their direction. */
static void
fill_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* What was printed has to have arrived. */
static int
finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "viommu: cannot write the output: %s\n", g_strerror(errno));
	return VIOMMU_EXIT_FAILED;
}

static bool
is_command(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		if (strcmp(name, commands[i].name) == 0)
			return true;
	return false;
}

static int
run(int argc, char **argv)
{
	g_autofree char *safe = viommu_escape(argv[0]);

	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return finish(commands[i].run(argc, argv));
	for (int k = 1; argv[0][0] == '-' && k < argc; k++)
		if (is_command(argv[k])) {
			fprintf(stderr, "viommu: options come after the command: viommu %s %s...; viommu --help lists commands\n", argv[k], safe);
			return VIOMMU_EXIT_USAGE;
		}
	fprintf(stderr, "viommu: there is no command \"%s\"; viommu --help lists them\n", safe);
	return VIOMMU_EXIT_USAGE;
}

static int
refuse_help(const char *name)
{
	g_autofree char *safe = viommu_escape(name);

	fprintf(stderr, "viommu: help takes one command: viommu help %s\n", is_command(name) ? safe : "COMMAND");
	return VIOMMU_EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	fill_standard_files();
	setlocale(LC_CTYPE, "");
	if (argc == 3 && strcmp(name, VIOMMU_GUARD_COMMAND) == 0)
		return viommu_guard_main(argv[2]);
	if (argc == 3 && strcmp(name, "help") == 0) {
		char *words[] = { argv[2], (char *) "--help", NULL };

		return run(2, words);
	}
	if (argc > 3 && strcmp(name, "help") == 0)
		return refuse_help(argv[2]);
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		help(stdout);
		return finish(VIOMMU_EXIT_CLEAN);
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		puts("viommu " VIOMMU_VERSION);
		return finish(VIOMMU_EXIT_CLEAN);
	}
	if (*name)
		return run(argc - 1, argv + 1);
	help(stderr);
	return VIOMMU_EXIT_USAGE;
}
