/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <viommu/correlate.h>

#include "bundle-make.h"
#include "bundle-replay.h"
#include "cmd-verify.h"
#include "log-source.h"
#include "shadow-source.h"

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
	"      --strict          exit status 3 also when pages could not be verified\n"
	"      --all             every mapping and fault, however many\n"
	"      --shadow WHAT     what the host's IOMMU maps for assigned devices: in a\n"
	"                        record made on the host; in an outer vIOMMU (a snapshot\n"
	"                        or unix:PATH of its QEMU); in debugfs of this kernel\n"
	"                        (debugfs) or what it showed (debugfs:FILE)\n"
	"      --shadow-device [DEVICE=]HOST\n"
	"                        the host's name of an assigned device, if not QEMU's\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help            this text\n";

/* A mismatch counts when two reads in a row agree on it. */
#define MAX_READS 5
#define PAUSE_US (100 * 1000)

typedef struct {
	viommu_cmd cmd;
	char *at, *save, *qemu_log;
	gboolean trace;
	viommu_log_source *log;
	gboolean force, strict, all;
	viommu_capture_options capture;
	viommu_shadow_options shadow;
	gboolean keep;                /* what is read, for a bundle                        */
	const viommu_bundle *replay;  /* what is not named is in there; NULL: in no bundle */
} verify_options;

/* One look: the records as they are now, a snapshot, the result of both. */
typedef struct {
	GPtrArray *records;
	GPtrArray *parts; /* that they were read from, one for each; when they are kept */
	viommu_snapshot *snapshot; /* owned unless it is the target's */
	gboolean owns_snapshot;
	const viommu_qemu_log *log; /* the source's; NULL: there is none */
	viommu_qemu_log *own_log;   /* of a bundle */
	GPtrArray *shadows;
	viommu_witnesses witnesses;
	viommu_result *result;
} look;

static void
look_free(look *self)
{
	if (!self)
		return;
	viommu_result_free(self->result);
	if (self->owns_snapshot)
		viommu_snapshot_free(self->snapshot);
	viommu_qemu_log_free(self->own_log);
	g_clear_pointer(&self->shadows, g_ptr_array_unref);
	g_clear_pointer(&self->records, g_ptr_array_unref);
	g_clear_pointer(&self->parts, g_ptr_array_unref);
	g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(look, look_free)

static void
record_free(void *record)
{
	viommu_record_free(record);
}

static void
part_free(void *part)
{
	viommu_part_free(part);
}

/* Those of the bundle, when none is named. */
static gboolean
replay_records(look *self, const verify_options *options, GError **error)
{
	const viommu_part *part = NULL;

	while ((part = viommu_bundle_next(options->replay, VIOMMU_PART_RECORD, part))) {
		viommu_record *record = viommu_replay_record(part, options->cmd.target.snapshot, options->at, error);

		if (!record)
			return FALSE;
		g_ptr_array_add(self->records, record);
		g_ptr_array_add(self->parts, viommu_part_new(part->name, part->kind, record->path, part->bytes));
	}
	if (self->records->len)
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT, "%s has no record in it; name one", options->cmd.target.snapshot);
	return FALSE;
}

static gboolean
read_records(look *self, const verify_options *options, GError **error)
{
	self->records = g_ptr_array_new_with_free_func(record_free);
	self->parts = g_ptr_array_new_with_free_func(part_free);
	if (!options->cmd.arguments[0])
		return replay_records(self, options, error);
	for (char **path = options->cmd.arguments; *path; path++) {
		g_autoptr(GBytes) bytes = NULL;
		viommu_record *record = viommu_record_read_whole(*path, options->at, options->keep ? &bytes : NULL, error);
		g_autofree char *name = g_strdup_printf("records/%u.jsonl", self->parts->len + 1);

		if (!record)
			return FALSE;
		g_ptr_array_add(self->records, record);
		if (bytes)
			g_ptr_array_add(self->parts, viommu_part_new(name, VIOMMU_PART_RECORD, *path, bytes));
	}
	return TRUE;
}

/* QEMU's log and the shadows. */
static gboolean
read_witnesses(look *self, const verify_options *options, viommu_shadow_sources *shadows, GError **error)
{
	if (options->replay && !options->qemu_log)
		self->log = self->own_log = viommu_replay_log(options->replay);
	else if (!viommu_log_source_read(options->log, &self->log, error))
		return FALSE;
	self->shadows = options->replay && !options->shadow.what
		? viommu_replay_shadows(options->replay, options->cmd.target.snapshot, error)
		: viommu_shadow_sources_read(shadows, error);
	self->witnesses = (viommu_witnesses){ self->log, self->shadows };
	return self->shadows != NULL;
}

/* before: a look whose records are used again; NULL: they are read now. */
static look *
take_look(const verify_options *options, viommu_target *target, viommu_shadow_sources *shadows, const look *before,
	GError **error)
{
	g_autoptr(look) self = g_new0(look, 1);

	if (before) {
		self->records = g_ptr_array_ref(before->records);
		self->parts = g_ptr_array_ref(before->parts);
	} else if (!read_records(self, options, error)) {
		return NULL;
	}
	self->snapshot = target->snapshot;
	if (target->live) {
		self->snapshot = viommu_live_capture(target->live, &options->capture, error);
		self->owns_snapshot = TRUE;
	}
	if (!self->snapshot || !read_witnesses(self, options, shadows, error))
		return NULL;
	self->result = viommu_verify(self->records, self->snapshot, &self->witnesses, error);
	/* What only the live looks could tell is told of the same records. */
	if (self->result && options->replay && !options->cmd.arguments[0] &&
		(!viommu_replay_looks(options->replay, self->result, self->records, error) ||
			!viommu_result_add_evidence(self->result, self->snapshot, error)))
		return NULL;
	return self->result ? g_steal_pointer(&self) : NULL;
}

/* Can a record be read again, to see what L1 did since? */
static gboolean
can_reread(const verify_options *options)
{
	for (char **path = options->cmd.arguments; *path; path++) {
		struct stat st;

		if (strcmp(*path, "-") == 0 || stat(*path, &st) != 0 || !S_ISREG(st.st_mode))
			return FALSE;
	}
	return TRUE;
}

/* Does every record end where nothing can be missing behind it? */
static gboolean
all_settled(const GPtrArray *records)
{
	for (guint i = 0; i < records->len; i++)
		if (!((const viommu_record *) g_ptr_array_index(records, i))->settled)
			return FALSE;
	return TRUE;
}

/* A running guest moves, and a record may come in late, even one of a guest that is
 * stopped: looks again until a fault stands in two looks, and calls what does not in
 * flux.  A record that is still being written may come to its mark meanwhile. */
static look *
look_until_sure(const verify_options *options, viommu_target *target, viommu_shadow_sources *shadows, const look *first,
	GError **error)
{
	gboolean reread = can_reread(options);
	g_autoptr(look) now = take_look(options, target, shadows, first, error);

	for (unsigned reads = 2; now && target->live && reads <= MAX_READS; reads++) {
		g_autoptr(look) next = NULL;
		uint64_t doubtful;
		gboolean unsettled = reread && now->result->pages[VIOMMU_UNVERIFIED] && !all_settled(now->records);

		if (!unsettled && viommu_result_faults(now->result) == 0)
			break;
		g_usleep(PAUSE_US);
		next = take_look(options, target, shadows, reread ? NULL : now, error);
		if (!next)
			return NULL;
		next->result->reads = reads;
		doubtful = viommu_result_doubt(next->result, now->result, reads == MAX_READS);
		if (!viommu_result_add_evidence(next->result, next->snapshot, error))
			return NULL;
		look_free(g_steal_pointer(&now));
		now = g_steal_pointer(&next);
		if (doubtful == 0 && !unsettled)
			break;
	}
	return g_steal_pointer(&now);
}

static int
exit_status(const verify_options *options, const viommu_result *result)
{
	if (viommu_result_faults(result))
		return VIOMMU_EXIT_FAULT;
	if (options->strict && (result->pages[VIOMMU_UNVERIFIED] || result->pages[VIOMMU_IN_FLUX]))
		return VIOMMU_EXIT_FAULT;
	return VIOMMU_EXIT_CLEAN;
}

/* What is wrong besides the pages. */
static viommu_findings *
find(const look *self, GError **error)
{
	g_autoptr(viommu_findings) ret = viommu_findings_new();

	if (self->log)
		viommu_find_log(ret, self->log);
	viommu_find_notice(ret, self->result);
	return viommu_find_unit(ret, self->snapshot, error) && viommu_find_result(ret, self->result, self->snapshot, error)
		? g_steal_pointer(&ret)
		: NULL;
}

/* What a bundle needs besides the look; the parts of the witnesses go into kept. */
static gboolean
keep_inputs(const verify_options *options, const look *self, GPtrArray *kept, viommu_inputs *ret, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(GBytes) text = options->replay && !options->qemu_log ? NULL : viommu_log_source_bytes(options->log, &local);
	const viommu_part *log = options->replay && !options->qemu_log ? viommu_bundle_next(options->replay, VIOMMU_PART_QEMU_LOG, NULL) : NULL;

	if (local) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (log)
		g_ptr_array_add(kept, viommu_part_new(log->name, log->kind, log->label, log->bytes));
	if (text)
		g_ptr_array_add(kept, viommu_part_new("qemu.log", VIOMMU_PART_QEMU_LOG, viommu_qemu_log_path(self->log), text));
	for (guint i = 0; options->replay && !options->shadow.what && i < options->replay->parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(options->replay->parts, i);

		if (g_str_has_prefix(part->kind, "shadow-"))
			g_ptr_array_add(kept, viommu_part_new(part->name, part->kind, part->label, part->bytes));
	}
	*ret = (viommu_inputs){ .records = self->records, .parts = self->parts, .witnesses = kept, .shadows = self->shadows,
		.at = options->at, .strict = options->strict, .log = self->log, .log_open = text && options->cmd.target.qmp,
		.from = options->replay };
	return TRUE;
}

/* What is not named is in the bundle. */
static void
use_bundle(verify_options *options, const viommu_target *target)
{
	options->replay = target->bundle;
	if (!options->replay || options->cmd.arguments[0])
		return;
	if (!options->at)
		options->at = g_strdup(viommu_replay_at(options->replay));
	options->strict = options->strict || viommu_replay_strict(options->replay);
}

static int
run(verify_options *options, const viommu_verify_variant *variant)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(look) first = options->cmd.arguments[0] ? g_new0(look, 1) : NULL;
	g_autoptr(viommu_target) target = NULL;
	g_autoptr(viommu_log_source) log = NULL;
	g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(part_free);
	g_autoptr(viommu_shadow_sources) shadows = NULL;
	g_autoptr(look) final = NULL;
	g_autoptr(viommu_findings) findings = NULL;
	viommu_report report = { .all = options->all };
	viommu_inputs inputs;

	options->keep = variant->keeps && variant->keeps(variant->user);
	if ((first && !read_records(first, options, &error)) ||
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
	shadows = viommu_shadow_sources_open(&options->shadow, target->machine, &error);
	if (!shadows)
		return viommu_cmd_fail(variant->name, error);
	if (options->keep)
		viommu_shadow_sources_keep(shadows, kept);
	final = look_until_sure(options, target, shadows, first, &error);
	viommu_cmd_progress_done();
	findings = final ? find(final, &error) : NULL;
	if (!findings || (options->keep && !keep_inputs(options, final, kept, &inputs, &error)))
		return viommu_cmd_fail(variant->name, error);
	if (options->save)
		viommu_snapshot_write(final->snapshot, options->save, options->force, &error);
	report.result = final->result;
	report.snapshot = final->snapshot;
	report.findings = findings;
	report.inputs = options->keep ? &inputs : NULL;
	report.exit_status = error ? VIOMMU_EXIT_FAILED : exit_status(options, final->result);
	variant->deliver(&options->cmd, &report, options->force, variant->user, error ? NULL : &error);
	return error ? viommu_cmd_fail(variant->name, error) : report.exit_status;
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

int
viommu_cmd_verify_as(const viommu_verify_variant *variant, int argc, char **argv)
{
	verify_options options = { .cmd = VIOMMU_CMD_DEFAULTS, .capture = { .progress = viommu_cmd_progress } };
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
