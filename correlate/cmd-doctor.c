/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include <viommu/finding.h>

#include "cmd.h"
#include "report/render.h"

static const char help[] =
	"Usage: viommu doctor TARGET\n\n"
	"Looks at a vIOMMU and its tables for what is wrong or worth knowing, without a\n"
	"record: caching mode, devices that are not behind it or not translated, entries\n"
	"that QEMU refuses, a queue that stands still, faults. The worst comes first,\n"
	"each with what mends it.\n\n"
	"  viommu doctor -q unix:/tmp/qmp\n\n"
	"      --qemu-log FILE   what QEMU said; TARGET may be left out, for a QEMU that\n"
	"                        did not start\n"
	"      --strict          exit status 3 also for a warning\n"
	"      --format FORMAT   text (default) or json\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help   -V, --version\n"
	"\nExit status: 0 nothing wrong, or notes and warnings only; 3 a fault or worse.\n";

/* A guest that runs moves: what is said was found in two looks. */
#define PAUSE_US (100 * 1000)

/* Takes a snapshot if target is live; else *owned stays NULL. */
static const viommu_snapshot *
take_snapshot(viommu_target *target, viommu_snapshot **owned, GError **error)
{
	const viommu_capture_options options = { .progress = viommu_cmd_progress };

	if (target->snapshot)
		return target->snapshot;
	*owned = viommu_live_capture(target->live, &options, error);
	return *owned;
}

static viommu_findings *
look(viommu_target *target, GError **error)
{
	g_autoptr(viommu_findings) ret = viommu_findings_new();
	g_autoptr(viommu_snapshot) owned = NULL;
	const viommu_snapshot *snapshot = take_snapshot(target, &owned, error);

	if (!snapshot || !viommu_find_unit(ret, snapshot, error) || !viommu_find_tables(ret, snapshot, error))
		return NULL;
	return g_steal_pointer(&ret);
}

static viommu_findings *
look_until_sure(viommu_target *target, GError **error)
{
	g_autoptr(viommu_findings) first = look(target, error), second = NULL;

	if (!first || !target->live || !viommu_findings_at_least(first, VIOMMU_SEVERITY_WARNING))
		return g_steal_pointer(&first);
	g_usleep(PAUSE_US);
	second = look(target, error);
	if (second)
		viommu_findings_keep(second, first);
	return g_steal_pointer(&second);
}

/* target is NULL when there is only a log. */
static void
print_text(const viommu_target *target, const viommu_qemu_log *log, const viommu_findings *findings)
{
	guint worse = viommu_findings_at_least(findings, VIOMMU_SEVERITY_FAULT);
	guint warnings = viommu_findings_at_least(findings, VIOMMU_SEVERITY_WARNING) - worse;
	viommu_tone tone = worse ? VIOMMU_BAD : warnings ? VIOMMU_UNSURE : VIOMMU_GOOD;

	if (target)
		viommu_render_machine(stdout, target->machine, &target->unit,
			target->snapshot ? viommu_snapshot_info(target->snapshot) : NULL, viommu_memory_name(target->memory));
	viommu_findings_text(stdout, findings, VIOMMU_SEVERITY_WARNING);
	printf("\n%s%s%s: ", viommu_tone_on(tone), worse ? "FAULT" : warnings ? "WARNING" : "OK", viommu_tone_off(tone));
	if (worse || warnings)
		printf("%u kind%s of fault, %u of warning", worse, worse == 1 ? "" : "s", warnings);
	else
		printf(target ? "nothing is wrong" : "nothing that is known to be wrong");
	printf(". Looked at: %s%s%s.\nviommu explain CODE says more of each; viommu verify looks "
	       "at what a record of L1 asked for.\n",
		target ? "registers, devices, queue, faults, tables" : "", target && log ? ", " : "", log ? "QEMU's log" : "");
}

int
viommu_cmd_doctor(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_DEFAULTS;
	g_autoptr(viommu_target) target = NULL;
	g_autoptr(viommu_findings) findings = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_qemu_log) log = NULL;
	g_autofree char *path = NULL;
	gboolean strict = FALSE;
	const GOptionEntry own[] = {
		{ "strict", 0, 0, G_OPTION_ARG_NONE, &strict, NULL, NULL },
		{ "qemu-log", 0, 0, G_OPTION_ARG_FILENAME, &path, NULL, NULL },
		{ 0 },
	};
	int status = viommu_cmd_parse(&cmd, argc, argv, own, TRUE, help);

	if (status >= 0)
		return status;
	if (cmd.arguments[0])
		return viommu_cmd_usage("doctor", "it takes no argument, but got \"%s\"", cmd.arguments[0]);
	if (path && !(log = viommu_cmd_qemu_log(path, &error)))
		return viommu_cmd_fail("doctor", error);
	if (!log || cmd.target.qmp || cmd.target.snapshot) {
		target = viommu_target_open(&cmd.target, &error);
		findings = target ? look_until_sure(target, &error) : NULL;
		viommu_cmd_progress_done();
		if (!findings)
			return viommu_cmd_fail("doctor", error);
	} else {
		findings = viommu_findings_new();
	}
	if (log)
		viommu_find_log(findings, log);
	status = viommu_findings_at_least(findings, strict ? VIOMMU_SEVERITY_WARNING : VIOMMU_SEVERITY_FAULT)
		? VIOMMU_EXIT_FAULT
		: VIOMMU_EXIT_CLEAN;
	if (cmd.json)
		viommu_cmd_print_json(json_pack("{s:s, s:i, s:i, s:o, s:o}", "format", "viommu-doctor", "version", 1, "exit_status",
			status, "qemu", target ? viommu_machine_summary_json(target->machine, &target->unit) : json_null(), "findings",
			viommu_findings_json(findings, true)));
	else
		print_text(target, log, findings);
	return status;
}
