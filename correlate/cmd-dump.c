/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "cmd.h"
#include "dump/dump.h"
#include "text/json-text.h"
#include "report/render.h"

static const char help[] =
	"Usage: viommu dump TARGET [-d BDF]\n\n"
	"Shows every device that has a present context entry: its root and context\n"
	"entries and what its table translates, as runs of pages with consecutive IOVAs\n"
	"and GPAs. A table that several devices share is shown once.\n\n"
	"  viommu dump -q unix:/tmp/qmp\n"
	"  viommu dump -s saved.elf -d 00:04.0 --format json\n\n"
	"  -d, --device BDF      this device only\n"
	"      --entries         every paging entry that is in use, raw, with its place\n"
	"      --queue           the invalidation queue instead of the tables\n"
	"      --interrupts      the interrupt remapping table instead\n"
	"      --faults          the recorded faults instead, each with a walk\n"
	"      --format FORMAT   text (default) or json\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help   -V, --version\n";

/* What is shown instead of the tables. */
typedef struct {
	gboolean queue, interrupts, faults;
} parts;

static gboolean
show_parts(const viommu_target *target, const parts *p, GString *json, GError **error)
{
	return (!p->queue || viommu_dump_queue(target, json, error)) &&
		(!p->interrupts || viommu_dump_interrupts(target, json, error)) &&
		(!p->faults || viommu_dump_faults(target, json, error));
}

static gboolean
show(const viommu_target *target, const parts *p, const viommu_dump_options *options, GError **error)
{
	g_autoptr(GString) json = g_string_new(NULL);

	if (!options->json)
		viommu_render_machine(stdout, target->machine, &target->unit,
			target->snapshot ? viommu_snapshot_info(target->snapshot) : NULL, viommu_memory_name(target->memory));
	if (!p->queue && !p->interrupts && !p->faults)
		return viommu_dump_tables(target, options, error);
	if (!options->json)
		return show_parts(target, p, NULL, error);
	viommu_jt_begin(json, NULL, '{');
	viommu_jt_word(json, "format", "viommu-dump");
	viommu_jt_int(json, "version", 1);
	viommu_jt_json(json, "qemu", viommu_machine_summary_json(target->machine, &target->unit));
	if (!show_parts(target, p, json, error))
		return FALSE;
	viommu_jt_end(json, '}');
	puts(json->str);
	return TRUE;
}

int
viommu_cmd_dump(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_DEFAULTS;
	g_autofree char *device = NULL;
	viommu_dump_options options = { 0 };
	parts p = { 0 };
	const GOptionEntry own[] = {
		{ "device", 'd', 0, G_OPTION_ARG_STRING, &device, NULL, NULL },
		{ "entries", 0, 0, G_OPTION_ARG_NONE, &options.entries, NULL, NULL },
		{ "queue", 0, 0, G_OPTION_ARG_NONE, &p.queue, NULL, NULL },
		{ "interrupts", 0, 0, G_OPTION_ARG_NONE, &p.interrupts, NULL, NULL },
		{ "faults", 0, 0, G_OPTION_ARG_NONE, &p.faults, NULL, NULL },
		{ 0 },
	};
	g_autoptr(viommu_target) target = NULL;
	g_autoptr(GError) error = NULL;
	int status = viommu_cmd_parse(&cmd, argc, argv, own, TRUE, help);

	if (status >= 0)
		return status;
	if (cmd.arguments[0])
		return viommu_cmd_usage("dump", "it takes no argument, but got \"%s\" (name a device with -d)", cmd.arguments[0]);
	options.one_device = device != NULL;
	options.json = cmd.json;
	if (device && !viommu_parse_bdf(device, &options.sid))
		return viommu_cmd_usage("dump", "\"%s\" is not a device of segment 0 like 00:04.0; viommu info lists those there are", device);
	if ((device || options.entries) && (p.queue || p.interrupts || p.faults))
		return viommu_cmd_usage("dump", "--device and --entries are about the tables, not about --queue, --interrupts, --faults");
	target = viommu_target_open(&cmd.target, &error);
	if (!target || !show(target, &p, &options, &error))
		return viommu_cmd_fail("dump", error);
	return VIOMMU_EXIT_CLEAN;
}
