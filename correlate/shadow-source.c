/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shadow-source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "bundle/bundle.h"
#include "follow.h"
#include "shadow-pairs.h"
#include "target.h"
#include "text/text.h"

#define DEBUGFS "/sys/kernel/debug/iommu/intel"

typedef enum { FROM_RECORD, FROM_TARGET, FROM_TEXT, FROM_KERNEL } kind;

typedef struct {
	kind kind;
	char *path;
	viommu_target *target; /* FROM_TARGET */
	bool silent;           /* FROM_RECORD: a trace that came to no mark; it is not waited for again */
} source;

struct viommu_shadow_sources {
	GArray *sources; /* of source */
	GArray *pairs;   /* of viommu_shadow_pair */
	GPtrArray *kept; /* of viommu_part; NULL: nobody asks */
	bool live;       /* L1's tables are those of now */
};

void
viommu_shadow_options_clear(viommu_shadow_options *options)
{
	g_clear_pointer(&options->what, g_strfreev);
	g_clear_pointer(&options->devices, g_strfreev);
}

static void
source_clear(void *data)
{
	source *self = data;

	viommu_target_free(self->target);
	g_free(self->path);
}

void
viommu_shadow_sources_free(viommu_shadow_sources *self)
{
	if (!self)
		return;
	g_array_unref(self->sources);
	g_clear_pointer(&self->pairs, g_array_unref);
	g_free(self);
}

/* ---- opening ---------------------------------------------------------------------------- */

static gboolean
fail(GError **error, const char *path, int why)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read %s: %s", path, g_strerror(why));
	return FALSE;
}

/* A file says by its first bytes what it is. */
static gboolean
look_at_file(source *self, GError **error)
{
	char head[512] = { 0 };
	const char *what;
	struct stat st;
	size_t len;
	FILE *in;

	/* Opening a pipe would wait for somebody to write. */
	if (stat(self->path, &st) != 0)
		return fail(error, self->path, errno);
	if (!S_ISREG(st.st_mode))
		return fail(error, self->path, S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
	in = fopen(self->path, "re");
	if (!in)
		return fail(error, self->path, errno);
	len = fread(head, 1, sizeof(head), in);
	fclose(in);
	what = viommu_file_mistaken(head, len);
	if (what)
		return viommu_reject(error, self->path, "shadow", "%s", what);
	self->kind = memcmp(head, "\177ELF", 4) == 0 ? FROM_TARGET : head[0] == '{' ? FROM_RECORD : FROM_TEXT;
	return TRUE;
}

static gboolean
open_target(source *self, const viommu_target_options *options, GError **error)
{
	self->kind = FROM_TARGET;
	self->target = viommu_target_open(options, error);
	return self->target != NULL;
}

static gboolean
open_source(source *self, const char *what, const viommu_shadow_options *options, GError **error)
{
	viommu_target_options target = VIOMMU_TARGET_DEFAULTS;

	self->path = g_strdup(what);
	target.timeout = options->timeout;
	if (g_str_has_prefix(what, "unix:") || g_str_has_prefix(what, "tcp:") || g_str_has_prefix(what, "libvirt:") ||
		g_str_has_prefix(what, VIOMMU_HUMAN_SCHEME)) {
		target.qmp = self->path;
		return open_target(self, &target, error);
	}
	if (strcmp(what, "debugfs") == 0) {
		self->kind = FROM_KERNEL;
		return TRUE;
	}
	if (g_str_has_prefix(what, "debugfs:")) {
		g_free(self->path);
		self->path = g_strdup(what + strlen("debugfs:"));
		self->kind = FROM_TEXT;
		return TRUE;
	}
	if (!look_at_file(self, error))
		return FALSE;
	target.snapshot = self->path;
	return self->kind != FROM_TARGET || open_target(self, &target, error);
}

static gboolean
get_text(const char *path, char **text, gsize *len, GError **error)
{
	g_autoptr(GError) local = NULL;

	if (g_file_get_contents(path, text, len, &local))
		return TRUE;
	g_set_error(error, VIOMMU_ERROR,
		g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_ACCES) ? VIOMMU_ERROR_PERMISSION : VIOMMU_ERROR_FAILED,
		"cannot read what the host's IOMMU maps: %s", local->message);
	return FALSE;
}

/* What opening it does not show. */
static gboolean
can_be_read(const source *from, GError **error)
{
	g_autoptr(viommu_record) record = from->kind == FROM_RECORD ? viommu_record_read(from->path, NULL, error) : NULL;
	g_autofree char *text = NULL;

	return from->kind == FROM_RECORD ? record != NULL : from->kind != FROM_TEXT || get_text(from->path, &text, NULL, error);
}

viommu_shadow_sources *
viommu_shadow_sources_open(const viommu_shadow_options *options, const viommu_machine *machine, bool live, GError **error)
{
	g_autoptr(viommu_shadow_sources) self = g_new0(viommu_shadow_sources, 1);

	self->sources = g_array_new(FALSE, TRUE, sizeof(source));
	g_array_set_clear_func(self->sources, source_clear);
	self->live = live;
	if (!options->what)
		return g_steal_pointer(&self);
	self->pairs = viommu_shadow_pairs(options->devices, machine, error);
	if (!self->pairs)
		return NULL;
	for (char *const *what = options->what; *what; what++) {
		source *from;

		g_array_set_size(self->sources, self->sources->len + 1);
		from = &g_array_index(self->sources, source, self->sources->len - 1);
		if (!open_source(from, *what, options, error) || (self->pairs->len == 0 && !can_be_read(from, error)))
			return NULL;
	}
	/* They were looked at since what is named has to be there; they have nothing to say. */
	if (self->pairs->len == 0) {
		g_array_set_size(self->sources, 0);
		g_message("--shadow: QEMU has no assigned device (vfio-pci), so no IOMMU of the host takes part");
	}
	return g_steal_pointer(&self);
}

/* ---- reading ------------------------------------------------------------------------------ */

static void
keep(const viommu_shadow_sources *self, const char *what, const char *path, GBytes *bytes, bool now)
{
	g_autofree char *name = NULL;
	const viommu_part *last = self->kept && self->kept->len ? g_ptr_array_index(self->kept, self->kept->len - 1) : NULL;

	/* One file can tell of several devices. */
	if (!self->kept || (last && g_strcmp0(last->label, path) == 0 && strcmp(last->kind, what) == 0))
		return;
	name = g_strdup_printf("shadow/%u.%s", self->kept->len + 1,
		strcmp(what, VIOMMU_PART_SHADOW_SNAPSHOT) == 0 ? "elf" : strcmp(what, VIOMMU_PART_SHADOW_RECORD) == 0 ? "jsonl" : "txt");
	g_ptr_array_add(self->kept, viommu_part_new(name, what, path, bytes));
	((viommu_part *) g_ptr_array_index(self->kept, self->kept->len - 1))->now = now;
}

void
viommu_shadow_sources_keep(viommu_shadow_sources *self, GPtrArray *kept)
{
	self->kept = kept;
}

/* A file of debugfs, by whatever name, is written as it is read. */
static bool
is_of_kernel(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == DEBUGFS_MAGIC;
}

static viommu_shadow *
read_text(const viommu_shadow_sources *self, const char *path, const viommu_shadow_pair *p, GError **error)
{
	g_autofree char *text = NULL;
	g_autoptr(GBytes) bytes = NULL;
	viommu_shadow *ret;
	gsize len;

	if (!get_text(path, &text, &len, error))
		return NULL;
	bytes = g_bytes_new(text, len);
	keep(self, VIOMMU_PART_SHADOW_TEXT, path, bytes, is_of_kernel(path));
	ret = viommu_shadow_of_debugfs(text, len, path, p->device, p->host, error);
	if (ret)
		ret->now = is_of_kernel(path);
	return ret;
}

/* Reading the tables of a device that is passed through crashes Linux 6.7 to 6.17
 * (CVE-2025-40155): only a device that a VFIO driver has is asked for. */
static gboolean
may_be_read(const char *host, GError **error)
{
	g_autofree char *link = g_strdup_printf("/sys/bus/pci/devices/%s/driver", host);
	g_autofree char *driver = g_file_read_link(link, NULL);
	g_autofree char *name = driver ? g_path_get_basename(driver) : NULL;

	if (name && strstr(name, "vfio"))
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
		"--shadow debugfs: no VFIO driver has the device %s on this host (%s), and to read its tables can crash "
		"some kernels; debugfs:PATH reads a file whatever it is", host, name ? name : "it has no driver");
	return FALSE;
}

static viommu_shadow *
read_kernel(const viommu_shadow_sources *self, const viommu_shadow_pair *p, GError **error)
{
	g_autofree char *path = g_strdup_printf(DEBUGFS "/%s/domain_translation_struct", p->host);

	if (!may_be_read(p->host, error))
		return NULL;
	if (!g_file_test(path, G_FILE_TEST_EXISTS)) { /* before Linux 6.7 */
		g_free(path);
		path = g_strdup(DEBUGFS "/domain_translation_struct");
	}
	return read_text(self, path, p, error);
}

/* What a source has of all devices. */
typedef struct {
	viommu_record *record;          /* FROM_RECORD */
	const viommu_snapshot *outer;   /* FROM_TARGET */
	viommu_snapshot *taken;         /* the same when it was live */
	bool now;                       /* these two tell of the time after this began */
} whole;

static void
whole_clear(whole *self)
{
	viommu_record_free(self->record);
	viommu_snapshot_free(self->taken);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(whole, whole_clear)

/* A trace that goes on tells of now up to its next mark. */
static gboolean
read_record(const viommu_shadow_sources *self, source *from, whole *ret, GError **error)
{
	g_autoptr(GBytes) bytes = NULL;
	viommu_record *record = ret->record = viommu_record_read_told(from->path, !from->silent, self->kept ? &bytes : NULL, error);

	if (!record)
		return FALSE;
	/* One that is no trace looks the same when it is a copy: beside a saved snapshot it is taken for one. */
	ret->now = !record->ended && (record->looks_back ? record->caught_up : record->settled && self->live);
	from->silent = !ret->now;
	if (bytes)
		keep(self, VIOMMU_PART_SHADOW_RECORD, from->path, bytes, ret->now);
	return TRUE;
}

static gboolean
read_target(const viommu_shadow_sources *self, const source *from, whole *ret, GError **error)
{
	const viommu_capture_options plain = { 0 };
	g_autoptr(GBytes) bytes = NULL;

	ret->outer = from->target->snapshot;
	ret->now = from->target->live != NULL;
	if (ret->now)
		ret->outer = ret->taken = viommu_live_capture(from->target->live, &plain, error);
	if (!ret->outer || (self->kept && !(bytes = viommu_snapshot_bytes(ret->outer, error))))
		return FALSE;
	if (bytes)
		keep(self, VIOMMU_PART_SHADOW_SNAPSHOT, from->path, bytes, ret->now);
	return TRUE;
}

static viommu_shadow *
read_device(const viommu_shadow_sources *self, const source *from, const viommu_shadow_pair *p, const whole *all, GError **error)
{
	viommu_shadow *ret = NULL;

	switch (from->kind) {
	case FROM_RECORD:
		return viommu_shadow_of_record(all->record, p->device, p->host, all->now, error);
	case FROM_TARGET:
		ret = viommu_shadow_of_snapshot(all->outer, from->path, p->device, p->host, error);
		if (ret)
			ret->now = all->now;
		return ret;
	case FROM_TEXT:
		return read_text(self, from->path, p, error);
	case FROM_KERNEL:
		return read_kernel(self, p, error);
	}
	return NULL;
}

/* A source need not have every device, but one. */
static gboolean
read_source(const viommu_shadow_sources *self, source *from, GPtrArray *ret, GError **error)
{
	g_auto(whole) all = { 0 };
	g_autoptr(GError) first = NULL;
	guint before = ret->len;

	if ((from->kind == FROM_RECORD && !read_record(self, from, &all, error)) ||
		(from->kind == FROM_TARGET && !read_target(self, from, &all, error)))
		return FALSE;
	for (guint i = 0; i < self->pairs->len; i++) {
		g_autoptr(GError) local = NULL;
		viommu_shadow *shadow = read_device(self, from, &g_array_index(self->pairs, viommu_shadow_pair, i), &all, &local);

		if (shadow && self->live)
			viommu_shadow_set_apart(shadow);
		if (shadow)
			g_ptr_array_add(ret, shadow);
		else if (!first)
			first = g_steal_pointer(&local);
	}
	if (ret->len > before)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&first));
	return FALSE;
}

static void
shadow_free(void *shadow)
{
	viommu_shadow_free(shadow);
}

GPtrArray *
viommu_shadow_sources_read(viommu_shadow_sources *self, GError **error)
{
	g_autoptr(GPtrArray) ret = g_ptr_array_new_with_free_func(shadow_free);

	if (self->kept)
		g_ptr_array_set_size(self->kept, 0);
	for (guint i = 0; i < self->sources->len; i++)
		if (!read_source(self, &g_array_index(self->sources, source, i), ret, error))
			return NULL;
	return g_steal_pointer(&ret);
}
