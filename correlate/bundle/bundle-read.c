/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a bundle, which is hostile: only plain files, only names that the manifest has,
 * nothing that is not counted as it comes.  Nothing is written anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>
#include <viommu/json.h>
#include <viommu/record.h>

#include "bundle/archive-calls.h"
#include "bundle/bundle.h"

#define CHUNK (128u << 10)
#define MANIFEST_LIMIT (16u << 20)

/* The decompressed file, in one layer: libarchive itself would take off 25. */
typedef struct {
	int fd;
	GConverter *gunzip;
	guint8 *in, *out;
	gsize in_at, in_len;
	guint64 read, written;
	bool in_ended, finished;
	GError *error; /* why it stopped; owned */
} stream;

typedef struct {
	const char *path;
	stream s;
	const viommu_archive_calls *la;
	struct archive *archive;
	GHashTable *files; /* name -> GBytes */
	guint8 head[512]; /* of what was unpacked */
	gsize head_len;
} reader;

#define reject(path, error, ...) viommu_reject(error, path, "bundle", __VA_ARGS__)

/* ---- gzip --------------------------------------------------------------------------------- */

static bool
fill(reader *self)
{
	stream *s = &self->s;
	ssize_t n;

	memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
	s->in_len -= s->in_at;
	s->in_at = 0;
	do
		n = read(s->fd, s->in + s->in_len, CHUNK - s->in_len);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		g_set_error(&s->error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read the bundle %s: %s", self->path, g_strerror(errno));
		return false;
	}
	s->in_ended = n == 0;
	s->in_len += (gsize) n;
	s->read += (guint64) n;
	return true;
}

/* Bytes that were seen count, not what a header promises. */
static bool
is_within_limits(reader *self)
{
	stream *s = &self->s;

	if (s->written > VIOMMU_BUNDLE_MAX_SIZE)
		return reject(self->path, &s->error, "it unpacks to more than %u GiB", (unsigned) (VIOMMU_BUNDLE_MAX_SIZE >> 30));
	if (s->written > VIOMMU_BUNDLE_FREE_SIZE && s->written / VIOMMU_BUNDLE_MAX_RATIO > s->read)
		return reject(self->path, &s->error, "it unpacks to more than %u times its size", VIOMMU_BUNDLE_MAX_RATIO);
	return true;
}

/* The next bytes: their number, 0 at the end, -1 with s->error. */
static gssize
unpack(reader *self)
{
	stream *s = &self->s;

	while (!s->error && !s->finished) {
		g_autoptr(GError) local = NULL;
		gsize used = 0, made = 0;
		GConverterResult result;

		if (s->in_at == s->in_len && !s->in_ended && !fill(self))
			break;
		result = g_converter_convert(s->gunzip, s->in + s->in_at, s->in_len - s->in_at, s->out, CHUNK,
			s->in_ended ? G_CONVERTER_INPUT_AT_END : G_CONVERTER_NO_FLAGS, &used, &made, &local);
		s->in_at += used;
		s->written += made;
		if (result == G_CONVERTER_ERROR) {
			bool partial = g_error_matches(local, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT);

			if (partial && !s->in_ended && fill(self))
				continue;
			if (partial)
				reject(self->path, &s->error, "it is cut short");
			else
				reject(self->path, &s->error, "its compression is damaged (%s)", local->message);
			break;
		}
		if (!is_within_limits(self))
			break;
		if (result == G_CONVERTER_FINISHED) {
			s->finished = true;
			if ((s->in_at == s->in_len && !fill(self)) || s->in_at < s->in_len)
				reject(self->path, &s->error, "something stands behind its end");
		}
		if (made && !s->error)
			return (gssize) made;
	}
	return s->error ? -1 : 0;
}

static la_ssize_t
get(struct archive *archive, void *user, const void **bytes)
{
	reader *self = user;
	gssize n = unpack(self);

	*bytes = self->s.out;
	if (n > 0 && !self->head_len)
		memcpy(self->head, self->s.out, self->head_len = MIN((gsize) n, sizeof(self->head)));
	if (n < 0)
		self->la->archive_set_error(archive, EIO, "%s", self->s.error->message);
	return n;
}

/* ---- tar ------------------------------------------------------------------------------------- */

static gboolean
fail_archive(const reader *self, GError **error)
{
	const char *why = self->la->archive_error_string(self->archive);

	if (self->s.error) {
		g_propagate_error(error, g_error_copy(self->s.error));
		return FALSE;
	}
	if (self->head_len >= 4 && memcmp(self->head, "\177ELF", 4) == 0)
		return reject(self->path, error, "it is a compressed snapshot, or another ELF file; gunzip unpacks it");
	if (self->head[0] == '{' && memmem(self->head, self->head_len, VIOMMU_RECORD_FORMAT, strlen(VIOMMU_RECORD_FORMAT)))
		return reject(self->path, error, "it is a compressed record; gunzip unpacks it");
	return reject(self->path, error, "it is no tar archive, or a damaged one (%s)", why ? why : "no reason given");
}

/* The part's name in ret, a place in the entry's. */
static gboolean
check_entry(const reader *self, struct archive_entry *entry, const char **ret, GError **error)
{
	const char *name = self->la->archive_entry_pathname(entry);
	size_t folder = strlen(VIOMMU_BUNDLE_FOLDER);

	if (!name)
		return reject(self->path, error, "an entry has no readable name");
	if (self->la->archive_entry_hardlink(entry) || self->la->archive_entry_symlink(entry) ||
		self->la->archive_entry_filetype(entry) != AE_IFREG)
		return reject(self->path, error, "the entry \"%.100s\" is not a plain file", name);
	if (self->la->archive_entry_sparse_count(entry) > 0)
		return reject(self->path, error, "the entry \"%.100s\" has holes", name);
	if (strncmp(name, VIOMMU_BUNDLE_FOLDER, folder) != 0 || !viommu_bundle_is_name(name + folder))
		return reject(self->path, error, "the entry \"%.100s\" is not named as in a bundle, and may lead out of it", name);
	*ret = name + folder;
	if (g_hash_table_contains(self->files, *ret))
		return reject(self->path, error, "the entry \"%.100s\" is there twice", name);
	if (g_hash_table_size(self->files) >= VIOMMU_BUNDLE_MAX_PARTS)
		return reject(self->path, error, "it has more than %d entries", VIOMMU_BUNDLE_MAX_PARTS);
	return TRUE;
}

static GBytes *
read_entry(const reader *self, const char *name, GError **error)
{
	g_autoptr(GByteArray) ret = g_byte_array_new();
	la_int64_t at;
	const void *block;
	size_t len;
	int status;

	while ((status = self->la->archive_read_data_block(self->archive, &block, &len, &at)) == ARCHIVE_OK) {
		if (at != (la_int64_t) ret->len || len > VIOMMU_BUNDLE_MAX_SIZE - ret->len) {
			reject(self->path, error, "the entry \"%s\" has holes", name);
			return NULL;
		}
		if (len)
			g_byte_array_append(ret, block, (guint) len);
	}
	if (status != ARCHIVE_EOF) {
		fail_archive(self, error);
		return NULL;
	}
	return g_byte_array_free_to_bytes(g_steal_pointer(&ret));
}

static gboolean
read_entries(reader *self, GError **error)
{
	struct archive_entry *entry;
	int status;

	while ((status = self->la->archive_read_next_header(self->archive, &entry)) == ARCHIVE_OK) {
		const char *part = NULL;
		g_autofree char *name = NULL;
		GBytes *bytes;

		if (!check_entry(self, entry, &part, error))
			return FALSE;
		name = g_strdup(part);
		bytes = read_entry(self, name, error);
		if (!bytes)
			return FALSE;
		g_hash_table_insert(self->files, g_steal_pointer(&name), bytes);
	}
	if (status != ARCHIVE_EOF)
		return fail_archive(self, error);
	/* What stands behind the last entry has to be whole as well: a file that was cut off there
	 * is not what was sent. */
	while (unpack(self) > 0)
		;
	return !self->s.error || fail_archive(self, error);
}

/* ---- the manifest -------------------------------------------------------------------------------- */

static json_t *
read_manifest(const reader *self, GError **error)
{
	GBytes *bytes = g_hash_table_lookup(self->files, VIOMMU_BUNDLE_MANIFEST);
	json_int_t version;
	json_t *ret;
	gsize len;
	const char *text;

	if (!bytes) {
		reject(self->path, error, "it has no manifest (" VIOMMU_BUNDLE_FOLDER VIOMMU_BUNDLE_MANIFEST "); viommu report -o FILE.tar.gz makes one");
		return NULL;
	}
	text = g_bytes_get_data(bytes, &len);
	ret = len <= MANIFEST_LIMIT ? viommu_json_load(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	version = json_integer_value(json_object_get(ret, "version"));
	if (g_strcmp0(json_string_value(json_object_get(ret, "format")), VIOMMU_BUNDLE_FORMAT) != 0 || version < 1)
		reject(self->path, error, "its manifest is not what viommu-bundle(5) says");
	else if (version > VIOMMU_BUNDLE_VERSION)
		reject(self->path, error, "it has format version %" JSON_INTEGER_FORMAT " and this viommu reads up to %d; use a newer viommu",
			version, VIOMMU_BUNDLE_VERSION);
	else
		return ret;
	json_decref(ret);
	return NULL;
}

static gboolean
add_part(const reader *self, viommu_bundle *bundle, const json_t *item, GError **error)
{
	const char *name = json_string_value(json_object_get(item, "name"));
	const char *kind = json_string_value(json_object_get(item, "kind"));
	const char *sum = json_string_value(json_object_get(item, "sha256"));
	const json_t *label = json_object_get(item, "path"), *size = json_object_get(item, "size");
	GBytes *bytes = name ? g_hash_table_lookup(self->files, name) : NULL;
	g_autofree char *found = NULL;

	if (!name || !kind || !sum || !json_is_integer(size) || (label && !json_is_string(label)) || !viommu_bundle_is_name(name) ||
		strcmp(name, VIOMMU_BUNDLE_MANIFEST) == 0)
		return reject(self->path, error, "its manifest is not what viommu-bundle(5) says");
	if (!bytes)
		return reject(self->path, error, "its part %s is missing, or named twice", name);
	if (json_integer_value(size) != (json_int_t) g_bytes_get_size(bytes))
		return reject(self->path, error, "its part %s has %" G_GSIZE_FORMAT " bytes, and %" JSON_INTEGER_FORMAT " in the manifest", name,
			g_bytes_get_size(bytes), json_integer_value(size));
	found = viommu_bytes_sha256(bytes);
	if (g_ascii_strcasecmp(found, sum) != 0)
		return reject(self->path, error, "its part %s is not the one that was put in: the checksum differs", name);
	viommu_bundle_add(bundle, viommu_part_new(name, kind, json_string_value(label), bytes));
	((viommu_part *) g_ptr_array_index(bundle->parts, bundle->parts->len - 1))->now = json_is_true(json_object_get(item, "now"));
	g_hash_table_remove(self->files, name);
	return TRUE;
}

static viommu_bundle *
from_files(const reader *self, GError **error)
{
	json_t *manifest = read_manifest(self, error), *item;
	g_autoptr(viommu_bundle) ret = manifest ? viommu_bundle_new(manifest) : NULL;
	const json_t *parts = json_object_get(manifest, "parts");
	const viommu_part *snapshot;
	GHashTableIter iter;
	gpointer name;
	size_t i;

	if (!ret)
		return NULL;
	json_array_foreach ((json_t *) parts, i, item)
		if (!add_part(self, ret, item, error))
			return NULL;
	g_hash_table_remove(self->files, VIOMMU_BUNDLE_MANIFEST);
	g_hash_table_iter_init(&iter, self->files);
	if (g_hash_table_iter_next(&iter, &name, NULL)) {
		reject(self->path, error, "its manifest does not name the part %s", (const char *) name);
		return NULL;
	}
	snapshot = viommu_bundle_next(ret, VIOMMU_PART_SNAPSHOT, NULL);
	if (!snapshot || viommu_bundle_next(ret, VIOMMU_PART_SNAPSHOT, snapshot)) {
		reject(self->path, error, "it has %s snapshot", snapshot ? "more than one" : "no");
		return NULL;
	}
	return g_steal_pointer(&ret);
}

/* ---- files ------------------------------------------------------------------------------------------ */

static int
open_file(const char *path, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read the bundle %s: %s", path,
		fd < 0 ? g_strerror(errno) : "it is not a file");
	if (fd >= 0)
		close(fd);
	return -1;
}

gboolean
viommu_is_bundle(const char *path)
{
	static const guint8 gzip[] = { 0x1f, 0x8b };
	guint8 head[sizeof(gzip)];
	int fd = open_file(path, NULL);
	gboolean ret = fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t) sizeof(head) && memcmp(head, gzip, sizeof(gzip)) == 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

static void
free_bytes(void *bytes)
{
	g_bytes_unref(bytes);
}

viommu_bundle *
viommu_bundle_read(const char *path, GError **error)
{
	reader self = { .path = path, .la = viommu_archive(error) };
	viommu_bundle *ret = NULL;

	self.s.fd = self.la ? open_file(path, error) : -1;
	if (self.s.fd < 0)
		return NULL;
	self.s.gunzip = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP));
	self.s.in = g_malloc(CHUNK);
	self.s.out = g_malloc(CHUNK);
	self.files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_bytes);
	self.archive = self.la->archive_read_new();
	self.la->archive_read_support_format_tar(self.archive);
	if (self.la->archive_read_open(self.archive, &self, NULL, get, NULL) != ARCHIVE_OK)
		fail_archive(&self, error);
	else if (read_entries(&self, error))
		ret = from_files(&self, error);
	self.la->archive_read_free(self.archive);
	g_hash_table_unref(self.files);
	g_object_unref(self.s.gunzip);
	g_free(self.s.in);
	g_free(self.s.out);
	g_clear_error(&self.s.error);
	close(self.s.fd);
	return ret;
}
