/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verify-look.h"

#include <string.h>
#include <sys/stat.h>

#include "bundle/bundle-replay.h"
#include "follow.h"

void
viommu_look_free(viommu_look *self)
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

GPtrArray *
viommu_parts_new(void)
{
	return g_ptr_array_new_with_free_func(part_free);
}

/* A session twice is one thing counted twice. */
static gboolean
add_record(GPtrArray *records, viommu_record *record, GError **error)
{
	g_ptr_array_add(records, record);
	for (guint i = 0; record->session && *record->session && i + 1 < records->len; i++) {
		const viommu_record *before = g_ptr_array_index(records, i);

		if (g_strcmp0(before->session, record->session) == 0) {
			g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
				"%s and %s are records of one session (%s), whose mappings would count twice; give it once", before->path,
				record->path, record->session);
			return FALSE;
		}
	}
	return TRUE;
}

/* Those of the bundle, when none is named. */
static gboolean
replay_records(viommu_look *self, const viommu_verify_options *options, GError **error)
{
	const viommu_part *part = NULL;

	while ((part = viommu_bundle_next(options->replay, VIOMMU_PART_RECORD, part))) {
		viommu_record *record = viommu_replay_record(part, options->cmd.target.snapshot, options->at, error);

		/* It is the bundle that names the moment, not the command line. */
		if (!record && error && g_error_matches(*error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE) &&
			g_strcmp0(options->at, viommu_replay_at(options->replay)) == 0)
			(*error)->code = VIOMMU_ERROR_INPUT;
		if (!record || !add_record(self->records, record, error))
			return FALSE;
		g_ptr_array_add(self->parts, viommu_part_new(part->name, part->kind, record->path, part->bytes));
	}
	if (self->records->len)
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT, "%s has no record in it; name one", options->cmd.target.snapshot);
	return FALSE;
}

gboolean
viommu_look_read_records(viommu_look *self, const viommu_verify_options *options, GError **error)
{
	self->records = g_ptr_array_new_with_free_func(record_free);
	self->parts = viommu_parts_new();
	if (!options->cmd.arguments[0])
		return replay_records(self, options, error);
	for (char **path = options->cmd.arguments; *path; path++) {
		g_autoptr(GBytes) bytes = NULL;
		viommu_record *record = viommu_record_read_whole(*path, options->at, options->keep ? &bytes : NULL, error);
		g_autofree char *name = g_strdup_printf("records/%u.jsonl", self->parts->len + 1);

		if (!record || !add_record(self->records, record, error))
			return FALSE;
		if (bytes)
			g_ptr_array_add(self->parts, viommu_part_new(name, VIOMMU_PART_RECORD, *path, bytes));
	}
	return TRUE;
}

/* QEMU's log and the shadows. */
static gboolean
read_witnesses(viommu_look *self, const viommu_verify_options *options, viommu_shadow_sources *shadows, GError **error)
{
	if (options->replay && !options->qemu_log)
		self->log = self->own_log = viommu_replay_log(options->replay);
	else if (!viommu_log_source_read(options->log, &self->log, error))
		return FALSE;
	self->shadows = options->replay && !options->shadow.what
		? viommu_replay_shadows(options->replay, options->cmd.target.snapshot, error)
		: viommu_shadow_sources_read(shadows, error);
	/* Those of the bundle are of the moment of its own records. */
	for (guint i = 0; self->shadows && options->replay && !options->shadow.what && options->cmd.arguments[0] && i < self->shadows->len; i++) {
		viommu_shadow *shadow = g_ptr_array_index(self->shadows, i);

		if (shadow->now) {
			shadow->now = false;
			viommu_shadow_set_apart(shadow);
		}
	}
	self->witnesses.log = self->log;
	self->witnesses.shadows = self->shadows;
	return self->shadows != NULL;
}

/* L1's traces up to a mark that is younger than its tables, as far as they come to one. */
static gboolean
catch_up(viommu_look *self, const viommu_verify_options *options, GArray *silent, GError **error)
{
	for (guint i = 0; i < self->records->len; i++) {
		const viommu_record *record = g_ptr_array_index(self->records, i);
		g_autoptr(GBytes) bytes = NULL;
		viommu_record *now;

		if (!viommu_record_is_open_trace(record) || g_array_index(silent, bool, i))
			continue;
		now = viommu_record_read_told(options->cmd.arguments[i], true, &bytes, error);
		if (!now)
			return FALSE;
		g_array_index(silent, bool, i) = !now->caught_up;
		viommu_record_free(self->records->pdata[i]);
		self->records->pdata[i] = now;
		if (options->keep) {
			const viommu_part *part = g_ptr_array_index(self->parts, i);
			viommu_part *again = viommu_part_like(part, part->label, bytes);

			again->now = now->caught_up;
			viommu_part_free(self->parts->pdata[i]);
			self->parts->pdata[i] = again;
		}
	}
	return TRUE;
}

viommu_look *
viommu_look_take(const viommu_verify_options *options, viommu_target *target, viommu_shadow_sources *shadows, const viommu_look *before,
	GArray *silent, GError **error)
{
	g_autoptr(viommu_look) self = g_new0(viommu_look, 1);

	if (before) {
		self->records = g_ptr_array_ref(before->records);
		self->parts = g_ptr_array_ref(before->parts);
	} else if (!viommu_look_read_records(self, options, error)) {
		return NULL;
	}
	self->snapshot = target->snapshot;
	if (target->live) {
		self->snapshot = viommu_live_capture(target->live, &options->capture, error);
		self->owns_snapshot = TRUE;
	}
	self->witnesses.now = target->live || (options->replay && !options->cmd.arguments[0] && viommu_replay_now(options->replay));
	if (!self->snapshot || (silent && !catch_up(self, options, silent, error)) || !read_witnesses(self, options, shadows, error))
		return NULL;
	self->result = viommu_verify(self->records, self->snapshot, &self->witnesses, error);
	/* What only the live looks could tell is told of the same records. */
	if (self->result && options->replay && !options->cmd.arguments[0] &&
		(!viommu_replay_looks(options->replay, self->result, self->records, options->shadow.what != NULL, error) ||
			!viommu_result_add_evidence(self->result, self->snapshot, error)))
		return NULL;
	return self->result && viommu_result_has_pages(self->result, self->records, error) ? g_steal_pointer(&self) : NULL;
}

bool
viommu_look_can_reread(const viommu_verify_options *options)
{
	for (char **path = options->cmd.arguments; *path; path++) {
		struct stat st;

		if (strcmp(*path, "-") == 0 || stat(*path, &st) != 0 || !S_ISREG(st.st_mode))
			return false;
	}
	return true;
}

gboolean
viommu_look_settled(const viommu_look *self)
{
	for (guint i = 0; i < self->records->len; i++) {
		const viommu_record *record = g_ptr_array_index(self->records, i);

		if (!record->settled || (self->witnesses.now && record->looks_back && !record->caught_up))
			return FALSE;
	}
	return TRUE;
}

gboolean
viommu_look_whole(const viommu_look *self)
{
	for (guint i = 0; i < self->records->len; i++)
		if (((const viommu_record *) g_ptr_array_index(self->records, i))->lost_reason)
			return FALSE;
	return viommu_look_settled(self);
}

viommu_look *
viommu_look_into(const viommu_verify_options *options, viommu_bundle *bundle, viommu_snapshot *snapshot, GError **error)
{
	static char *no_arguments[] = { NULL };
	char name[] = "what was made of it for the report";
	viommu_verify_options again = { .cmd.target.snapshot = name, .cmd.arguments = no_arguments,
		.at = (char *) viommu_replay_at(bundle), .strict = options->strict, .replay = bundle };
	viommu_target target = { .snapshot = snapshot };

	return viommu_look_take(&again, &target, NULL, NULL, NULL, error);
}
