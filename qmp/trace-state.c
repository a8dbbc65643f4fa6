/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace-state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib/gstdio.h>
#include <viommu/json.h>
#include <viommu/monitor.h>

void
trace_state_free(trace_state *self)
{
	if (!self)
		return;
	g_free(self->path);
	g_free(self->address);
	g_free(self->file);
	g_free(self->source);
	g_free(self->log_was);
	g_ptr_array_unref(self->events);
	g_free(self);
}

static char *
notes_folder(void)
{
	return g_build_filename(g_get_user_runtime_dir(), "viommu", NULL);
}

#define NOTE_BEGIN "trace-"
#define NOTE_END ".json"

/* One file for each monitor, whichever way its path is written. */
static char *
path_of(const char *monitor)
{
	const char *address = g_str_has_prefix(monitor, VIOMMU_HUMAN_SCHEME) ? monitor + strlen(VIOMMU_HUMAN_SCHEME) : monitor;
	const char *path = g_str_has_prefix(address, "unix:") ? address + 5 : address;
	g_autofree char *folder = g_path_get_dirname(path), *name = g_path_get_basename(path), *notes = notes_folder();
	bool no_path = g_str_has_prefix(address, "tcp:") || g_str_has_prefix(address, "libvirt:");
	char *real = no_path ? NULL : realpath(folder, NULL); /* the socket may have gone */
	g_autofree char *whole = real ? g_build_filename(real, name, NULL) : g_strdup(address);
	g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, whole, -1);

	free(real);
	return g_strdup_printf("%s/" NOTE_BEGIN "%.16s" NOTE_END, notes, hash);
}

static trace_state *
new_at(char *path)
{
	trace_state *self = g_new0(trace_state, 1);

	self->path = path;
	self->events = g_ptr_array_new_with_free_func(g_free);
	return self;
}

trace_state *
trace_state_new(const char *address)
{
	trace_state *self = new_at(path_of(address));

	self->address = g_strdup(address);
	return self;
}

gboolean
trace_state_write(const trace_state *self, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(self->path);
	g_autoptr(GError) local = NULL;
	json_t *events = json_array();
	gboolean ok = FALSE;
	json_t *json;
	char *text;

	for (guint i = 0; i < self->events->len; i++)
		json_array_append_new(events, json_string(g_ptr_array_index(self->events, i)));
	json = json_pack("{s:s, s:i, s:s, s:s, s:s*, s:s*, s:I, s:I, s:I, s:I, s:b, s:o}", "format", "viommu-trace", "version", 1, "monitor",
		self->address, "file", self->file, "source", self->source, "log_was", self->log_was, "viommu",
		(json_int_t) self->viommu, "viommu_began", (json_int_t) self->viommu_began, "qemu", (json_int_t) self->qemu, "qemu_began",
		(json_int_t) self->qemu_began, "own_folder", (int) self->own_folder, "events", events);
	text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	json_decref(json);
	if (!text)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "a path is not UTF-8: what would have to be undone cannot be noted");
	else if (g_mkdir_with_parents(folder, 0700) != 0 ||
		!g_file_set_contents_full(self->path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &local))
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
			"cannot note in %s what would have to be undone%s%s; not tracing", self->path, local ? ": " : "",
			local ? local->message : "");
	else
		ok = TRUE;
	free(text);
	return ok;
}

static char *
string_of(const json_t *json, const char *name)
{
	return g_strdup(json_string_value(json_object_get(json, name)));
}

static trace_state *
read_note(char *path)
{
	g_autoptr(trace_state) self = new_at(path);
	g_autofree char *text = NULL;
	json_t *json, *event;
	gsize len, i;

	if (!g_file_get_contents(path, &text, &len, NULL))
		return NULL;
	json = viommu_json_load(text, len, JSON_REJECT_DUPLICATES, NULL);
	self->address = string_of(json, "monitor");
	self->file = string_of(json, "file");
	self->source = string_of(json, "source");
	self->log_was = string_of(json, "log_was");
	self->viommu = (pid_t) json_integer_value(json_object_get(json, "viommu"));
	self->viommu_began = (uint64_t) json_integer_value(json_object_get(json, "viommu_began"));
	self->qemu = (pid_t) json_integer_value(json_object_get(json, "qemu"));
	self->qemu_began = (uint64_t) json_integer_value(json_object_get(json, "qemu_began"));
	self->own_folder = json_is_true(json_object_get(json, "own_folder"));
	json_array_foreach (json_object_get(json, "events"), i, event)
		if (json_is_string(event))
			g_ptr_array_add(self->events, g_strdup(json_string_value(event)));
	json_decref(json);
	return self->file ? g_steal_pointer(&self) : NULL;
}

trace_state *
trace_state_read(const char *address)
{
	return read_note(path_of(address));
}

trace_state *
trace_state_read_of_process(pid_t qemu)
{
	g_autofree char *folder = notes_folder();
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	uint64_t began = dir ? trace_process_began(qemu) : 0;
	const char *name;

	while (began && (name = g_dir_read_name(dir))) {
		bool may_be = g_str_has_prefix(name, NOTE_BEGIN) && g_str_has_suffix(name, NOTE_END);
		g_autoptr(trace_state) note = may_be ? read_note(g_build_filename(folder, name, NULL)) : NULL;

		if (note && note->qemu == qemu && note->qemu_began == began)
			return g_steal_pointer(&note);
	}
	return NULL;
}

void
trace_state_remove(const trace_state *self)
{
	g_unlink(self->path);
}

uint64_t
trace_process_began(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int) pid);
	g_autofree char *text = NULL;
	g_auto(GStrv) words = NULL;
	const char *rest;

	/* The name stands in parentheses, and may hold anything. */
	if (pid <= 0 || !g_file_get_contents(path, &text, NULL, NULL) || !(rest = strrchr(text, ')')))
		return 0;
	words = g_strsplit(rest, " ", 0);
	/* proc(5): the parenthesis ends field 2, the state is field 3 and starttime field 22.  What
	 * is dead keeps its entry until its parent asks for it, and does nothing more. */
	if (g_strv_length(words) <= 20 || strchr("ZX", *words[1]))
		return 0;
	return g_ascii_strtoull(words[20], NULL, 10);
}
