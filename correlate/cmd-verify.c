/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <viommu/correlate.h>

#include "report/bundle-make.h"
#include "bundle/bundle-replay.h"
#include "cmd-verify.h"
#include "redact/redact-parts.h"
#include "verify-look.h"

static const char help[] =
	"Usage: viommu verify TARGET RECORD…\n\n"
	"Says page by page whether the mappings in a record (viommu-probe writes it in\n"
	"L1) are in the vIOMMU's tables: right page, right permissions, nothing left\n"
	"over. A RECORD of - is standard input.\n\n"
	"  viommu verify -q unix:/tmp/qmp maps.jsonl\n"
	"  viommu verify -s saved.elf maps.jsonl --at held\n"
	"  viommu verify bundle.tar.gz            # what viommu report put into it\n\n";

static const char options_help[] =
	"      --at MOMENT       the record up to a sequence number or a mark (held)\n"
	"      --save FILE       keep the snapshot that was judged\n"
	"      --force           replace FILE if it exists\n"
	"      --qemu-log FILE   QEMU's log or trace: what did QEMU notice?\n"
	"      --trace           the same from viommu trace, or switched on meanwhile\n"
	"      --pause           stop the guest meanwhile; it is resumed on every way out\n"
	"      --strict          status 3 also if unverified, or if a record is not whole\n"
	"      --all             every mapping and fault, however many\n"
	"      --shadow WHAT     what the host's IOMMU maps for assigned devices: in a\n"
	"                        record made on the host; in an outer vIOMMU (a snapshot\n"
	"                        or unix:PATH of its QEMU); in debugfs of this kernel\n"
	"                        (debugfs) or what it showed (debugfs:FILE)\n"
	"      --shadow-device [DEVICE=]HOST\n"
	"                        the host's name of an assigned device, if not QEMU's\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help   -V, --version\n";

static int
exit_status(const viommu_verify_options *options, const viommu_look *look)
{
	const viommu_result *result = look->result;

	if (viommu_result_faults(result))
		return VIOMMU_EXIT_FAULT;
	if (options->strict && (result->pages[VIOMMU_UNVERIFIED] || result->pages[VIOMMU_IN_FLUX] || !viommu_look_whole(look)))
		return VIOMMU_EXIT_FAULT;
	return VIOMMU_EXIT_CLEAN;
}

/* What is wrong besides the pages. */
static viommu_findings *
find(const viommu_look *self, GError **error)
{
	g_autoptr(viommu_findings) ret = viommu_findings_new();

	if (self->log)
		viommu_find_log(ret, self->log);
	viommu_find_notice(ret, self->result);
	return viommu_find_unit(ret, self->snapshot, error) && viommu_find_result(ret, self->result, self->snapshot, error)
		? g_steal_pointer(&ret)
		: NULL;
}

/* What the look is made of; the parts of the witnesses go into kept. */
static viommu_bundle *
bundle_of(const viommu_verify_options *options, const viommu_look *self, GPtrArray *kept, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(GBytes) text = options->replay && !options->qemu_log ? NULL : viommu_log_source_bytes(options->log, &local);
	const viommu_part *log = options->replay && !options->qemu_log ? viommu_bundle_next(options->replay, VIOMMU_PART_QEMU_LOG, NULL) : NULL;
	viommu_inputs inputs = { .result = self->result, .records = self->records, .parts = self->parts,
		.witnesses = kept, .shadows = self->shadows, .at = options->at, .now = self->witnesses.now, .strict = options->strict, .log = self->log,
		.log_open = text ? options->cmd.target.qmp != NULL : log && viommu_replay_log_open(options->replay), .from = options->replay };

	if (local) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	if (log)
		g_ptr_array_add(kept, viommu_part_like(log, log->label, log->bytes));
	if (text)
		g_ptr_array_add(kept, viommu_part_new("qemu.log", VIOMMU_PART_QEMU_LOG, viommu_qemu_log_path(self->log), text));
	for (guint i = 0; options->replay && !options->shadow.what && i < options->replay->parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(options->replay->parts, i);

		if (g_str_has_prefix(part->kind, "shadow-"))
			g_ptr_array_add(kept, viommu_part_like(part, part->label, part->bytes));
	}
	return viommu_bundle_of_inputs(&inputs, exit_status(options, self));
}

/* In both the look and its bundle. *before: for the caller to free. */
static gboolean
replace_private(const viommu_verify_options *options, viommu_redact *redact, viommu_look **self, viommu_bundle **bundle,
	viommu_machine **before, GError **error)
{
	viommu_bundle *shown = viommu_redact_bundle(redact, *bundle, (*self)->snapshot, before, error);
	viommu_look *again = shown ? viommu_look_into(options, shown, (*self)->snapshot, error) : NULL;

	if (!again) {
		viommu_bundle_free(shown);
		return FALSE;
	}
	again->owns_snapshot = (*self)->owns_snapshot;
	(*self)->owns_snapshot = FALSE;
	viommu_look_free(*self);
	viommu_bundle_free(*bundle);
	*self = again;
	*bundle = shown;
	return TRUE;
}

/* What is not named is in the bundle. */
static void
use_bundle(viommu_verify_options *options, const viommu_target *target)
{
	options->replay = target->bundle;
	if (!options->replay || options->cmd.arguments[0])
		return;
	if (!options->at)
		options->at = g_strdup(viommu_replay_at(options->replay));
	options->strict = options->strict || viommu_replay_strict(options->replay);
}

static int
run(viommu_verify_options *options, const viommu_verify_variant *variant)
{
	g_autoptr(GError) error = NULL, save_error = NULL;
	g_autoptr(viommu_look) first = options->cmd.arguments[0] ? g_new0(viommu_look, 1) : NULL;
	g_autoptr(viommu_machine) before = NULL; /* of which others know until the end */
	g_autoptr(viommu_target) target = NULL;
	g_autoptr(viommu_log_source) log = NULL;
	g_autoptr(GPtrArray) kept = viommu_parts_new();
	g_autoptr(viommu_shadow_sources) shadows = NULL;
	g_autoptr(viommu_look) final = NULL;
	g_autoptr(viommu_findings) findings = NULL;
	viommu_redact *redact = variant->redact ? variant->redact(variant->user) : NULL;
	g_autoptr(viommu_bundle) bundle = NULL;
	viommu_report report = { .all = options->all, .redact = redact };

	options->keep = redact || (variant->keeps && variant->keeps(variant->user));
	if ((first && !viommu_look_read_records(first, options, &error)) ||
		(options->save && !viommu_cmd_may_write(options->save, options->force, &error)))
		return viommu_cmd_fail(variant->name, error);
	target = viommu_target_open(&options->cmd.target, &error);
	if (!target)
		return viommu_cmd_fail(variant->name, error);
	use_bundle(options, target);
	options->log = log = viommu_log_source_open(options->qemu_log, options->trace, target->live, options->cmd.target.qmp,
		options->cmd.target.pid, &error);
	if (!log)
		return viommu_cmd_fail(variant->name, error);
	options->shadow.timeout = options->cmd.target.timeout;
	options->capture.backing = options->shadow.what != NULL;
	shadows = viommu_shadow_sources_open(&options->shadow, target->machine, target->live != NULL, &error);
	if (!shadows)
		return viommu_cmd_fail(variant->name, error);
	if (options->keep)
		viommu_shadow_sources_keep(shadows, kept);
	final = viommu_look_until_sure(options, target, shadows, first, &error);
	viommu_cmd_progress_done();
	if (!final || (options->keep && !(bundle = bundle_of(options, final, kept, &error))))
		return viommu_cmd_fail(variant->name, error);
	if (options->save)
		viommu_snapshot_write(final->snapshot, options->save, options->force, &save_error);
	/* A report that tells nothing private is one of what is left without it. */
	if (redact && !replace_private(options, redact, &final, &bundle, &before, &error))
		return viommu_cmd_fail(variant->name, error);
	findings = find(final, &error);
	if (!findings)
		return viommu_cmd_fail(variant->name, error);
	report.result = final->result;
	report.snapshot = final->snapshot;
	report.findings = findings;
	report.bundle = bundle;
	report.exit_status = save_error ? VIOMMU_EXIT_FAILED : exit_status(options, final);
	if (!variant->deliver(&options->cmd, &report, options->force, variant->user, &error))
		return viommu_cmd_fail(variant->name, error);
	return save_error ? viommu_cmd_fail(variant->name, save_error) : report.exit_status;
}

/* The options of both, and of the variant alone. */
static GOptionEntry *
all_entries(const GOptionEntry *shared, const GOptionEntry *own)
{
	g_autoptr(GArray) ret = g_array_new(TRUE, FALSE, sizeof(GOptionEntry));

	for (; shared->long_name; shared++)
		g_array_append_val(ret, *shared);
	for (; own && own->long_name; own++)
		g_array_append_val(ret, *own);
	return (GOptionEntry *) (void *) g_array_free(g_steal_pointer(&ret), FALSE);
}

static gboolean
is_monitor(const char *text)
{
	static const char *const schemes[] = { "unix:", "tcp:", VIOMMU_HUMAN_SCHEME, "libvirt:" };

	for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
		if (g_str_has_prefix(text, schemes[i]))
			return TRUE;
	return FALSE;
}

/* A monitor in the place of a record; -1: there is none. */
static int
check_records(const viommu_verify_variant *variant, const viommu_cmd *cmd)
{
	for (char *const *record = cmd->arguments; *record; record++) {
		if (!is_monitor(*record) || g_file_test(*record, G_FILE_TEST_EXISTS))
			continue;
		if (cmd->target.qmp && !is_monitor(cmd->target.qmp))
			return viommu_cmd_usage(variant->name, "\"%s\" is a monitor: name it with -q, and the record \"%s\" without",
				*record, cmd->target.qmp);
		return viommu_cmd_usage(variant->name, "\"%s\" is a monitor: name it with -q", *record);
	}
	return -1;
}

int
viommu_cmd_verify_as(const viommu_verify_variant *variant, int argc, char **argv)
{
	viommu_verify_options options = { .cmd = VIOMMU_CMD_DEFAULTS, .capture = { .progress = viommu_cmd_progress } };
	const GOptionEntry shared[] = {
		{ "at", 0, 0, G_OPTION_ARG_FILENAME, &options.at, NULL, NULL },
		{ "save", 0, 0, G_OPTION_ARG_FILENAME, &options.save, NULL, NULL },
		{ "force", 0, 0, G_OPTION_ARG_NONE, &options.force, NULL, NULL },
		{ "trace", 0, 0, G_OPTION_ARG_NONE, &options.trace, NULL, NULL },
		{ "qemu-log", 0, 0, G_OPTION_ARG_FILENAME, &options.qemu_log, NULL, NULL },
		{ "pause", 0, 0, G_OPTION_ARG_NONE, &options.capture.pause, NULL, NULL },
		{ "strict", 0, 0, G_OPTION_ARG_NONE, &options.strict, NULL, NULL },
		{ "all", 0, 0, G_OPTION_ARG_NONE, &options.all, NULL, NULL },
		{ "shadow", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.shadow.what, NULL, NULL },
		{ "shadow-device", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.shadow.devices, NULL, NULL },
		{ 0 },
	};
	g_autofree GOptionEntry *entries = all_entries(shared, variant->own);
	g_autofree char *whole_help = g_strconcat(variant->help, variant->own_help, options_help, NULL);
	int status;

	options.cmd.any_format = variant->any_format;
	status = viommu_cmd_parse(&options.cmd, argc, argv, entries, TRUE, whole_help);
	if (status < 0 && !options.cmd.arguments[0] &&
		!(options.cmd.target.snapshot && viommu_is_bundle(options.cmd.target.snapshot)))
		status = viommu_cmd_usage(variant->name,
			"name at least one record (viommu-probe map BDF -o FILE writes one in L1)");
	if (status < 0)
		status = check_records(variant, &options.cmd);
	if (status < 0 && options.cmd.target.snapshot && (options.capture.pause || options.save))
		status = viommu_cmd_usage(variant->name, "--pause and --save are for a live QEMU, not for a snapshot");
	if (status < 0 && options.trace && (options.qemu_log || options.cmd.target.snapshot))
		status = viommu_cmd_usage(variant->name, "--trace is for a live QEMU, and stands in place of --qemu-log");
	if (status < 0 && options.cmd.target.qmp && g_strcmp0(options.qemu_log, "-") == 0)
		status = viommu_cmd_usage(variant->name, "a live QEMU is looked at more than once: --qemu-log takes a file, not standard input");
	if (status < 0 && options.shadow.devices && !options.shadow.what)
		status = viommu_cmd_usage(variant->name, "--shadow-device is for --shadow");
	if (status < 0 && variant->check)
		status = variant->check(&options.cmd, options.force, variant->user);
	if (status < 0)
		status = run(&options, variant);
	viommu_shadow_options_clear(&options.shadow);
	viommu_cmd_clear(&options.cmd);
	g_free(options.at);
	g_free(options.save);
	g_free(options.qemu_log);
	return status;
}

static gboolean
print(const viommu_cmd *cmd, const viommu_report *report, G_GNUC_UNUSED gboolean force, G_GNUC_UNUSED void *user,
	G_GNUC_UNUSED GError **error)
{
	if (cmd->json)
		viommu_report_json(stdout, report);
	else
		viommu_report_text(stdout, report);
	return TRUE;
}

int
viommu_cmd_verify(int argc, char **argv)
{
	static const viommu_verify_variant verify = { .name = "verify", .help = help,
		.own_help = "      --format FORMAT   text (default) or json\n", .deliver = print };

	return viommu_cmd_verify_as(&verify, argc, argv);
}
