/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/archive-calls.h"
#include "bundle/bundle.h"

/* The manifest is the first file, so that whoever unpacks by hand meets it first. */
static json_t *
parts_json(const viommu_bundle *self)
{
	json_t *ret = json_array();

	for (guint i = 0; i < self->parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(self->parts, i);
		g_autofree char *sum = viommu_bytes_sha256(part->bytes);
		json_t *item = json_pack("{s:s, s:s, s:I, s:s}", "name", part->name, "kind", part->kind, "size",
			(json_int_t) g_bytes_get_size(part->bytes), "sha256", sum);

		if (part->label) {
			g_autofree char *label = g_utf8_make_valid(part->label, -1);

			json_object_set_new(item, "path", json_string(label));
		}
		if (part->now)
			json_object_set_new(item, "now", json_true());
		json_array_append_new(ret, item);
	}
	return ret;
}

typedef struct {
	const viommu_archive_calls *la;
	struct archive *archive;
	FILE *out;
} writer;

static la_ssize_t
put(struct archive *archive, void *user, const void *bytes, size_t len)
{
	const writer *self = user;

	if (fwrite(bytes, 1, len, self->out) == len)
		return (la_ssize_t) len;
	self->la->archive_set_error(archive, errno ? errno : EIO, "%s", g_strerror(errno ? errno : EIO));
	return -1;
}

/* Nothing of this host or moment goes into the header. */
static gboolean
put_file(const writer *self, const char *name, const void *bytes, size_t len)
{
	g_autofree char *path = g_strconcat(VIOMMU_BUNDLE_FOLDER, name, NULL);
	const viommu_archive_calls *la = self->la;
	struct archive_entry *entry = la->archive_entry_new();
	gboolean ok;

	la->archive_entry_set_pathname(entry, path);
	la->archive_entry_set_filetype(entry, AE_IFREG);
	la->archive_entry_set_perm(entry, 0644);
	la->archive_entry_set_mtime(entry, 0, 0);
	la->archive_entry_set_size(entry, (la_int64_t) len);
	ok = la->archive_write_header(self->archive, entry) == ARCHIVE_OK;
	la->archive_entry_free(entry);
	for (size_t done = 0; ok && done < len;) {
		la_ssize_t n = la->archive_write_data(self->archive, (const char *) bytes + done, MIN(len - done, (size_t) 1 << 20));

		ok = n > 0;
		done += ok ? (size_t) n : 0;
	}
	return ok;
}

static gboolean
put_all(const viommu_bundle *self, writer *to, const char *manifest)
{
	const viommu_archive_calls *la = to->la;
	gboolean ok = la->archive_write_set_format_ustar(to->archive) == ARCHIVE_OK &&
		la->archive_write_add_filter_gzip(to->archive) == ARCHIVE_OK &&
		la->archive_write_set_filter_option(to->archive, "gzip", "timestamp", NULL) == ARCHIVE_OK &&
		la->archive_write_set_bytes_in_last_block(to->archive, 1) == ARCHIVE_OK &&
		la->archive_write_open(to->archive, to, NULL, put, NULL) == ARCHIVE_OK &&
		put_file(to, VIOMMU_BUNDLE_MANIFEST, manifest, strlen(manifest));

	for (guint i = 0; ok && i < self->parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(self->parts, i);
		gsize len;
		const void *bytes = g_bytes_get_data(part->bytes, &len);

		ok = put_file(to, part->name, bytes, len);
	}
	return ok && la->archive_write_close(to->archive) == ARCHIVE_OK;
}

static gboolean
is_readable(const viommu_bundle *self, GError **error)
{
	guint64 total = 0;

	for (guint i = 0; i < self->parts->len; i++)
		total += g_bytes_get_size(((const viommu_part *) g_ptr_array_index(self->parts, i))->bytes);
	if (total < VIOMMU_BUNDLE_MAX_SIZE - (1 << 20) && self->parts->len < VIOMMU_BUNDLE_MAX_PARTS)
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
		"it is too much for a bundle (%" G_GUINT64_FORMAT " MiB in %u parts); attach the snapshot (--save) and the records instead",
		total >> 20, self->parts->len);
	return FALSE;
}

gboolean
viommu_bundle_write(viommu_bundle *self, FILE *out, GError **error)
{
	writer to = { .la = viommu_archive(error), .out = out };
	g_autofree char *text = NULL;
	char *dumped;
	gboolean ok;

	if (!to.la || !is_readable(self, error))
		return FALSE;
	json_object_set_new(self->manifest, "parts", parts_json(self));
	dumped = json_dumps(self->manifest, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	text = g_strconcat(dumped, "\n", NULL);
	free(dumped);
	to.archive = to.la->archive_write_new();
	errno = 0;
	ok = put_all(self, &to, text);
	if (!ok)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot write the bundle: %s",
			to.la->archive_error_string(to.archive) ? to.la->archive_error_string(to.archive) : g_strerror(EIO));
	to.la->archive_write_free(to.archive);
	return ok;
}
