/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static const char help[] =
	"Usage: viommu capture TARGET -o FILE\n\n"
	"Saves the vIOMMU's registers and every table page that they lead to, so that\n"
	"walk, dump, info and verify can be run later with -s FILE, with QEMU gone, on\n"
	"any machine. The file is an ELF core (viommu-snapshot(5)) and holds no guest\n"
	"data but table pages.\n\n"
	"  viommu capture -q unix:/tmp/qmp -o before.elf\n\n"
	"  -o, --output FILE     where to; refused if it exists\n"
	"      --force           replace FILE if it exists\n"
	"      --pause           stop the guest meanwhile; it is resumed on every way out\n"
	"      --backing         also which pages of the host stand behind those that\n"
	"                        assigned devices reach, to judge a shadow; takes root\n"
	"      --reproducible    leave out the time and the way the memory was read\n"
	"      --format FORMAT   text (default) or json\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help   -V, --version\n";

int
viommu_cmd_capture(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_LIVE;
	g_autofree char *output = NULL;
	gboolean force = FALSE;
	viommu_capture_options options = { .progress = viommu_cmd_progress };
	const GOptionEntry own[] = {
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, NULL, NULL },
		{ "force", 0, 0, G_OPTION_ARG_NONE, &force, NULL, NULL },
		{ "pause", 0, 0, G_OPTION_ARG_NONE, &options.pause, NULL, NULL },
		{ "backing", 0, 0, G_OPTION_ARG_NONE, &options.backing, NULL, NULL },
		{ "reproducible", 0, 0, G_OPTION_ARG_NONE, &options.reproducible, NULL, NULL },
		{ 0 },
	};
	g_autoptr(viommu_target) target = NULL;
	g_autoptr(viommu_snapshot) snapshot = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *safe = NULL;
	int status = viommu_cmd_parse(&cmd, argc, argv, own, TRUE, help);

	if (status >= 0)
		return status;
	if (cmd.arguments[0])
		return viommu_cmd_usage("capture", "it takes no argument, but got \"%s\"", cmd.arguments[0]);
	if (!output || !*output)
		return viommu_cmd_usage("capture", "say where to save the snapshot: -o FILE");
	if (strcmp(output, "-") == 0)
		return viommu_cmd_usage("capture", "a snapshot goes to a file, not to standard output: -o FILE (./- for one of that name)");
	if (!viommu_cmd_may_write(output, force, &error))
		return viommu_cmd_fail("capture", error);
	target = viommu_target_open(&cmd.target, &error);
	if (!target)
		return viommu_cmd_fail("capture", error);
	snapshot = viommu_live_capture(target->live, &options, &error);
	viommu_cmd_progress_done();
	if (!snapshot || !viommu_snapshot_write(snapshot, output, force, &error))
		return viommu_cmd_fail("capture", error);
	if (viommu_snapshot_backing_unknown(snapshot))
		g_message("--backing: not all is known: %s", viommu_snapshot_backing_unknown(snapshot));
	safe = viommu_escape(output);
	if (cmd.json)
		viommu_cmd_print_json(json_pack("{s:s, s:i, s:o, s:I}", "format", "viommu-capture", "version", 1, "file",
			viommu_json_path(output),
			"table_pages", (json_int_t) viommu_snapshot_pages(snapshot)));
	else
		printf("%s: %s table pages\n", safe, viommu_count_text(viommu_snapshot_pages(snapshot)).text);
	return VIOMMU_EXIT_CLEAN;
}
