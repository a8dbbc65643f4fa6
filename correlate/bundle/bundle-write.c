/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

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
		json_array_append_new(ret, item);
	}
	return ret;
}

static la_ssize_t
put(struct archive *archive, void *user, const void *bytes, size_t len)
{
	if (fwrite(bytes, 1, len, user) == len)
		return (la_ssize_t) len;
	archive_set_error(archive, errno ? errno : EIO, "%s", g_strerror(errno ? errno : EIO));
	return -1;
}

/* Nothing of this host or moment goes into the header. */
static gboolean
put_file(struct archive *archive, const char *name, const void *bytes, size_t len)
{
	g_autofree char *path = g_strconcat(VIOMMU_BUNDLE_FOLDER, name, NULL);
	struct archive_entry *entry = archive_entry_new();
	gboolean ok;

	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_mtime(entry, 0, 0);
	archive_entry_set_size(entry, (la_int64_t) len);
	ok = archive_write_header(archive, entry) == ARCHIVE_OK;
	archive_entry_free(entry);
	for (size_t done = 0; ok && done < len;) {
		la_ssize_t n = archive_write_data(archive, (const char *) bytes + done, MIN(len - done, (size_t) 1 << 20));

		ok = n > 0;
		done += ok ? (size_t) n : 0;
	}
	return ok;
}

static gboolean
put_all(const viommu_bundle *self, struct archive *archive, const char *manifest, FILE *out)
{
	gboolean ok = archive_write_set_format_ustar(archive) == ARCHIVE_OK && archive_write_add_filter_gzip(archive) == ARCHIVE_OK &&
		archive_write_set_filter_option(archive, "gzip", "timestamp", NULL) == ARCHIVE_OK &&
		archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
		archive_write_open(archive, out, NULL, put, NULL) == ARCHIVE_OK &&
		put_file(archive, VIOMMU_BUNDLE_MANIFEST, manifest, strlen(manifest));

	for (guint i = 0; ok && i < self->parts->len; i++) {
		const viommu_part *part = g_ptr_array_index(self->parts, i);
		gsize len;
		const void *bytes = g_bytes_get_data(part->bytes, &len);

		ok = put_file(archive, part->name, bytes, len);
	}
	return ok && archive_write_close(archive) == ARCHIVE_OK;
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
	struct archive *archive;
	g_autofree char *text = NULL;
	char *dumped;
	gboolean ok;

	if (!is_readable(self, error))
		return FALSE;
	json_object_set_new(self->manifest, "parts", parts_json(self));
	dumped = json_dumps(self->manifest, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	text = g_strconcat(dumped, "\n", NULL);
	free(dumped);
	archive = archive_write_new();
	errno = 0;
	ok = put_all(self, archive, text, out);
	if (!ok)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot write the bundle: %s",
			archive_error_string(archive) ? archive_error_string(archive) : g_strerror(EIO));
	archive_write_free(archive);
	return ok;
}
