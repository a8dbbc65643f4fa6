/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a record (viommu-record(5)) and plays it up to the chosen moment.
 * Records come out of a guest: every number is checked, and one line that is not
 * what the format says rejects the record with its line number.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viommu/json.h>
#include <viommu/record.h>

#include "record/record-reader.h"
#include "text/hash.h"
#include "text/text.h"

#define LINE_LIMIT (256u << 20) /* bytes: a map of a million extents is about 50 MB */
#define CHUNK (256u << 10)
#define KEEP_LIMIT (3u << 30)
/* Of a pipe, behind the chosen moment: so many bytes at most, until nothing comes for so long. */
#define BEHIND (256u << 20)
#define BEHIND_MS 300

static const char past_mark[] = "a trace tells what L1 did up to its last mark, and not what came since";
static const char past_end[] = "the trace has ended, and does not tell what L1 did since: let it go on while QEMU is looked at";

struct viommu_record_player {
	viommu_record_reader r;
	GByteArray *partial; /* a line that has begun */
};

void
viommu_record_free(viommu_record *self)
{
	if (!self)
		return;
	g_ptr_array_unref(self->spaces);
	g_array_unref(self->announcements);
	g_ptr_array_unref(self->marks);
	g_free(self->path);
	g_free(self->session);
	g_free(self->kernel);
	g_free(self->cmdline);
	g_free(self->program);
	g_free(self->lost_reason);
	json_decref(self->checks);
	g_free(self);
}

static bool
read_header(viommu_record_reader *r, const json_t *json)
{
	viommu_record *record = r->record;
	json_int_t version = json_integer_value(json_object_get(json, "version"));
	const json_t *iommu = json_array_get(json_object_get(json, "iommus"), 0);

	if (g_strcmp0(json_string_value(json_object_get(json, "event")), VIOMMU_EVENT_HEADER) != 0 ||
		g_strcmp0(json_string_value(json_object_get(json, "format")), VIOMMU_RECORD_FORMAT) != 0 || version < 1)
		return viommu_record_reject(r, "it does not begin with a viommu-record header; make one in L1 with: viommu-probe map BDF -o FILE");
	if (version > VIOMMU_RECORD_VERSION)
		return viommu_record_reject(r, "it has format version %" JSON_INTEGER_FORMAT " and this viommu reads up to %d; use a newer viommu",
			version, VIOMMU_RECORD_VERSION);
	record->session = viommu_json_dup_text(json, "session");
	record->kernel = viommu_json_dup_text(json, "kernel");
	record->cmdline = viommu_json_dup_text(json, "cmdline");
	record->program = viommu_json_dup_text(json, "program");
	viommu_json_get_hex(iommu, "cap", &record->cap);
	viommu_json_get_hex(iommu, "ecap", &record->ecap);
	return true;
}

/* The beginning of a result in JSON, of a page, of Markdown. */
static bool
is_own_report(const char *text, size_t len)
{
	static const char *const begins[] = { "{", "<!DOCTYPE html", "<!doctype html", "**OK", "**FAULT", "**UNVERIFIED", "TAP version",
		"<?xml" };

	for (size_t i = 0; i < G_N_ELEMENTS(begins); i++)
		if (len >= strlen(begins[i]) && memcmp(text, begins[i], strlen(begins[i])) == 0 && (i > 0 || len == 1))
			return true;
	return false;
}

/* Another file than a record, by its first line: says what it is. */
static bool
is_mistaken(const viommu_record_reader *r, const char *text, size_t len)
{
	const char *what = viommu_file_mistaken(text, len), *next = "";

	if (len >= 4 && memcmp(text, "\177ELF", 4) == 0)
		what = "it is an ELF file; a snapshot is named with -s";
	else if (what && memcmp(text, "\037\213", 2) == 0)
		next = ", or if it is a bundle: a bundle stands first, in the place of a TARGET";
	else if (is_own_report(text, len))
		what = "it looks like a report; give the record that it was made of, or a bundle, which viommu report -o FILE.tar.gz "
		       "writes";
	return what && !viommu_reject(r->error, r->record->path, "record", "%s%s", what, next);
}

static bool
read_line(viommu_record_reader *r, const char *text, size_t len)
{
	json_error_t why;
	json_t *json;
	bool ok = true;

	if (!r->reached && r->line > 1 && viommu_map_line_parse(text, len, &r->map))
		return viommu_record_map(r);
	json = viommu_json_load(text, len, JSON_REJECT_DUPLICATES, &why);

	if (r->reached) {
		viommu_record_after(r, json);
		json_decref(json);
		return true;
	}
	if (!json_is_object(json)) {
		g_autofree char *safe = viommu_escape(json ? "not an object" : why.text);

		json_decref(json);
		if (r->line == 1 && is_mistaken(r, text, len))
			return false;
		return viommu_record_reject(r, "not a JSON object (%s)", safe);
	}
	ok = r->line == 1 ? read_header(r, json) : viommu_record_event(r, json);
	json_decref(json);
	return ok;
}

viommu_record_player *
viommu_record_player_new(const char *path, const char *at)
{
	viommu_record_player *self = g_new0(viommu_record_player, 1);

	self->r.record = g_new0(viommu_record, 1);
	self->r.record->path = g_strdup(path);
	self->r.record->spaces = g_ptr_array_new_with_free_func(viommu_space_free);
	self->r.record->marks = g_ptr_array_new_with_free_func(g_free);
	self->r.record->announcements = g_array_new(FALSE, FALSE, sizeof(viommu_announcement));
	self->r.spaces = g_hash_table_new(viommu_number_hash, g_int64_equal);
	self->r.at = at;
	self->r.space_of = g_hash_table_new(NULL, NULL);
	self->r.map.extents = g_array_new(FALSE, FALSE, sizeof(viommu_line_extent));
	self->partial = g_byte_array_new();
	return self;
}

void
viommu_record_player_free(viommu_record_player *self)
{
	if (!self)
		return;
	g_hash_table_unref(self->r.spaces);
	viommu_record_free(self->r.record);
	g_hash_table_unref(self->r.space_of);
	g_array_unref(self->r.map.extents);
	g_byte_array_unref(self->partial);
	g_free(self);
}

const viommu_record *
viommu_record_player_record(const viommu_record_player *self)
{
	return self->r.record;
}

/* Nothing that the writer knows of is missing behind what was fed.  Within a mapping that
 * takes long, and in a part of a record, a writer of marks looks as if it rested. */
static bool
is_settled(const viommu_record_player *self, bool open)
{
	const viommu_record_reader *r = &self->r;

	return r->reached || (self->partial->len == 0 && (r->at_rest || (open && !r->tells_rest)));
}

static bool
is_past(const char *text)
{
	return text == past_mark || text == past_end;
}

/* Why a trace tells nothing of now. */
static const char *
past_of(const viommu_record *record)
{
	return record->ended ? past_end : past_mark;
}

void
viommu_record_player_settle(viommu_record_player *self, bool open)
{
	self->r.record->cut = self->partial->len && !self->r.reached; /* being written, or cut off: valid up to here */
	self->r.record->settled = is_settled(self, open);
	if (self->r.reached && !self->r.record->lost_behind && (self->partial->len || (self->r.behind_seq && !self->r.behind_rest)))
		self->r.record->lost_behind = "the record goes on behind the moment that was chosen, and ends with no mark and no end there";
	if (!self->r.record->lost_behind || is_past(self->r.record->lost_behind))
		self->r.record->lost_behind = self->r.record->looks_back ? past_of(self->r.record) : NULL;
}

viommu_record *
viommu_record_player_take(viommu_record_player *self)
{
	return g_steal_pointer(&self->r.record);
}

bool
viommu_record_is_open_trace(const viommu_record *self)
{
	return self->looks_back && !self->ended;
}

void
viommu_record_catch_up(viommu_record *self)
{
	self->caught_up = viommu_record_is_open_trace(self);
	if (self->caught_up && is_past(self->lost_behind))
		self->lost_behind = NULL;
}

void
viommu_record_player_assume(viommu_record_player *self, bool whole)
{
	viommu_record *record = self->r.record;

	record->settled |= whole;
	record->lost_behind = whole ? NULL : past_of(record);
}

/* Appends to the line that has begun, within the limit. */
static bool
keep(viommu_record_player *self, const char *bytes, size_t len)
{
	if (len > LINE_LIMIT - self->partial->len) {
		self->r.line++;
		return viommu_record_reject(&self->r, "the line is longer than %u MiB", LINE_LIMIT >> 20);
	}
	g_byte_array_append(self->partial, (const guint8 *) bytes, (guint) len);
	return true;
}

static gboolean
forgive(const viommu_record_reader *r, GError **error)
{
	if (r->reached)
		g_clear_error(error);
	return r->reached;
}

gboolean
viommu_record_player_feed(viommu_record_player *self, const char *bytes, size_t len, GError **error)
{
	self->r.error = error;
	while (len) {
		const char *end = memchr(bytes, '\n', len);
		size_t part = end ? (size_t) (end - bytes) : len;
		bool ok;

		/* Behind the chosen moment nothing can make the record a bad one. */
		if (!end)
			return keep(self, bytes, len) || forgive(&self->r, error);
		if (self->partial->len && !keep(self, bytes, part))
			return forgive(&self->r, error);
		self->r.line++;
		ok = self->partial->len ? read_line(&self->r, (const char *) self->partial->data, self->partial->len)
					: read_line(&self->r, bytes, part);
		g_byte_array_set_size(self->partial, 0);
		if (!ok)
			return FALSE;
		bytes += part + 1;
		len -= part + 1;
	}
	return TRUE;
}

static gboolean
reject_empty(const viommu_record_reader *r)
{
	g_set_error(r->error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
		"%s is not a usable record: it is empty; viommu-probe map, record or trace writes one in L1, to be copied here",
		r->record->path);
	return FALSE;
}

/* Not the record is wrong, but what was asked of it. */
static gboolean
no_moment(const viommu_record_reader *r)
{
	const viommu_record *record = r->record;
	g_autoptr(GString) marks = g_string_new(record->marks->len == 0 ? "no marks" : record->marks->len == 1 ? "the mark" : "the marks");

	for (guint i = 0; i < record->marks->len; i++)
		g_string_append_printf(marks, "%s %s", i ? "," : "", (const char *) g_ptr_array_index(record->marks, i));
	g_set_error(r->error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
		"the record %s has no moment \"%s\": --at takes the number of an event, up to %" G_GUINT64_FORMAT
		" here, or the name of a mark; this record has %s", record->path, r->at, record->last_seq, marks->str);
	return FALSE;
}

gboolean
viommu_record_player_finish(viommu_record_player *self, GError **error)
{
	viommu_record_reader *r = &self->r;

	r->error = error;
	viommu_record_player_settle(self, false);
	if (r->line == 0 && self->partial->len > 1 && is_mistaken(r, (const char *) self->partial->data, self->partial->len))
		return FALSE;
	if (r->line == 0)
		return r->record->cut ? viommu_record_reject(r, "it is cut off within its header") : reject_empty(r);
	if (r->at && !r->reached)
		return no_moment(r);
	return TRUE;
}

static gboolean
fail_read(const char *path, const char *doing, GError **error)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot %s the record %s: %s%s", doing, path, g_strerror(errno),
		errno == ENOENT || errno == EISDIR ? "; viommu-probe map, record or trace writes one in L1, to be copied here" : "");
	return FALSE;
}

/* keep may be NULL: gets what was read. */
static gboolean
read_all(viommu_record_player *player, int fd, const char *path, GByteArray *keep, GError **error)
{
	g_autofree char *bytes = g_malloc(CHUNK);
	struct stat st;
	bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	struct pollfd input = { .fd = fd, .events = POLLIN };
	uint64_t behind = 0;

	/* What stands behind the moment is looked at as well; but a pipe may never end. */
	while (!player->r.reached || is_file || (behind < BEHIND && poll(&input, 1, BEHIND_MS) > 0)) {
		ssize_t n = read(fd, bytes, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_read(path, "read", error);
		if (n == 0)
			break;
		if (keep && keep->len > KEEP_LIMIT - CHUNK) {
			g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "the record %s is too long to be kept whole", path);
			return FALSE;
		}
		if (keep)
			g_byte_array_append(keep, (const guint8 *) bytes, (guint) n);
		behind += player->r.reached ? (uint64_t) n : 0;
		if (!viommu_record_player_feed(player, bytes, (size_t) n, error))
			return FALSE;
	}
	if (!is_file && behind >= BEHIND)
		player->r.record->lost_behind = "the record goes on behind the moment that was chosen, for too long to be read";
	return viommu_record_player_finish(player, error);
}

viommu_record *
viommu_record_parse(GBytes *bytes, const char *name, const char *at, GError **error)
{
	g_autoptr(viommu_record_player) player = viommu_record_player_new(name, at);
	gsize len;
	const char *text = g_bytes_get_data(bytes, &len);

	return viommu_record_player_feed(player, text, len, error) && viommu_record_player_finish(player, error)
		? g_steal_pointer(&player->r.record)
		: NULL;
}

viommu_record *
viommu_record_read(const char *path, const char *at, GError **error)
{
	return viommu_record_read_whole(path, at, NULL, error);
}

viommu_record *
viommu_record_read_whole(const char *path, const char *at, GBytes **bytes, GError **error)
{
	g_autoptr(GByteArray) keep = bytes ? g_byte_array_new() : NULL;
	g_autoptr(viommu_record_player) player = viommu_record_player_new(path, at);
	bool input = strcmp(path, "-") == 0;
	int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	gboolean ok;

	if (fd < 0) {
		fail_read(path, "open", error);
		return NULL;
	}
	ok = read_all(player, fd, path, keep, error);
	if (!input)
		close(fd);
	if (ok && bytes)
		*bytes = g_byte_array_free_to_bytes(g_steal_pointer(&keep));
	return ok ? g_steal_pointer(&player->r.record) : NULL;
}
