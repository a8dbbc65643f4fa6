/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replacing: what is known or has a private shape gives way to its placeholder. */
#include <string.h>

#include "redact/redact-store.h"
#include "redact/redact-words.h"

/* A secret of this length is replaced within words as well. */
#define MIN_UNBOUNDED 8

/* Stands for an entry in text that will be shown: MARK, its id, MARK.  Of the private use
 * area, so that JSON leaves it alone. */
#define MARK "\xee\x80\x81"

enum { MARKS = 1, NO_IPV4 = 2, SHORTENED = 4 };

static bool
is_word(char c)
{
	return g_ascii_isalnum(c) || c == '_' || (c & 0x80);
}

static const viommu_redact_entry *
known_at(viommu_redact *self, const char *text, size_t len, size_t at)
{
	const GPtrArray *bucket = len - at >= VIOMMU_REDACT_MIN_LITERAL ? self->buckets[viommu_redact_bucket(text + at)] : NULL;

	for (guint i = 0; bucket && i < bucket->len; i++) {
		const viommu_redact_entry *e = g_ptr_array_index(bucket, i);
		size_t end = at + e->len;

		if (e->len > len - at || memcmp(text + at, e->literal, e->len) != 0)
			continue;
		if (e->kind == VIOMMU_REDACT_SECRET && e->len >= MIN_UNBOUNDED)
			return e;
		if ((at == 0 || !is_word(text[at - 1]) || !is_word(text[at])) &&
			(end == len || !is_word(text[end]) || !is_word(text[end - 1])))
			return e;
	}
	return NULL;
}

/* Text that was cut off can end with the beginning of what is known.  Of a secret so much is
 * no accident in any text. */
static const viommu_redact_entry *
begun_at(viommu_redact *self, const char *text, size_t len, size_t at, bool shortened)
{
	const GPtrArray *bucket = len - at >= VIOMMU_REDACT_MIN_LITERAL ? self->buckets[viommu_redact_bucket(text + at)] : NULL;

	for (guint i = 0; bucket && i < bucket->len; i++) {
		const viommu_redact_entry *e = g_ptr_array_index(bucket, i);
		bool secret = e->kind == VIOMMU_REDACT_SECRET && e->len >= MIN_UNBOUNDED;

		if (e->len <= len - at || memcmp(text + at, e->literal, len - at) != 0)
			continue;
		if ((shortened || (secret && len - at >= MIN_UNBOUNDED)) &&
			(secret || at == 0 || !is_word(text[at - 1]) || !is_word(text[at])))
			return e;
	}
	return NULL;
}

size_t
viommu_redact_placeholder_at(const char *text, size_t len, size_t at)
{
	size_t end = at + 1;

	if (text[at] != '<')
		return 0;
	for (unsigned k = 0; k < VIOMMU_REDACT_KINDS; k++) {
		const char *name = viommu_redact_kind_name(k);
		size_t n = strlen(name);

		if (n < len - end && memcmp(text + end, name, n) == 0 && text[end + n] == '-') {
			end += n + 1;
			while (end < len && g_ascii_isdigit(text[end]))
				end++;
			return end < len && text[end] == '>' && g_ascii_isdigit(text[end - 1]) ? end + 1 - at : 0;
		}
	}
	return 0;
}

static void
put_entry(viommu_redact *self, GString *out, viommu_redact_entry *e)
{
	if (!e->number) {
		e->number = ++self->kinds[e->kind].last;
		self->kinds[e->kind].count++;
	}
	self->kinds[e->kind].times++;
	g_string_append_printf(out, "<%s-%u>", viommu_redact_kind_name(e->kind), e->number);
}

static void
put_placeholder(viommu_redact *self, GString *out, viommu_redact_kind kind, const char *literal)
{
	put_entry(self, out, viommu_redact_entry_of(self, kind, literal));
}

void
viommu_redact_put_mark(viommu_redact *self, GString *out, viommu_redact_kind kind, const char *literal)
{
	g_autofree char *valid = g_utf8_make_valid(literal, -1);

	/* What was redacted before stays as it is. */
	if (*valid && viommu_redact_placeholder_at(valid, strlen(valid), 0) == strlen(valid))
		g_string_append(out, valid);
	else
		g_string_append_printf(out, MARK "%u" MARK, viommu_redact_entry_of(self, kind, valid)->id);
}

/* The entry of the mark that stands here; *n is its length. */
static viommu_redact_entry *
marked_at(const viommu_redact *self, const char *text, size_t *n)
{
	char *end;
	guint64 id;

	if (!g_str_has_prefix(text, MARK) || !g_ascii_isdigit(text[strlen(MARK)]))
		return NULL;
	id = g_ascii_strtoull(text + strlen(MARK), &end, 10);
	*n = (size_t) (end - text) + strlen(MARK);
	return g_str_has_prefix(end, MARK) && id < self->list->len ? g_ptr_array_index(self->list, (guint) id) : NULL;
}

static char *
replace(viommu_redact *self, const char *text, unsigned flags)
{
	g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
	size_t len = strlen(valid), at = 0;
	GString *out = g_string_sized_new(len);

	while (at < len) {
		viommu_redact_kind kind = VIOMMU_REDACT_TEXT;
		const viommu_redact_entry *known = known_at(self, valid, len, at);
		size_t n = viommu_redact_placeholder_at(valid, len, at);
		const viommu_redact_entry *begun = known ? NULL : begun_at(self, valid, len, at, flags & SHORTENED);
		viommu_redact_entry *marked = flags & MARKS && !n ? marked_at(self, valid + at, &n) : NULL;

		if (marked) {
			put_entry(self, out, marked);
			at += n;
			continue;
		}
		n = viommu_redact_placeholder_at(valid, len, at);
		if (n) {
			g_string_append_len(out, valid + at, (gssize) n);
			at += n;
			continue;
		}
		n = viommu_redact_shape(valid, len, at, !(flags & NO_IPV4), &kind);
		if (known && known->len >= n) {
			put_placeholder(self, out, known->kind, known->literal);
			n = known->len;
		} else if (begun && len - at >= n) {
			put_placeholder(self, out, begun->kind, begun->literal);
			n = len - at;
		} else if (n) {
			g_autofree char *literal = g_strndup(valid + at, n);

			put_placeholder(self, out, kind, literal);
		} else {
			g_string_append_c(out, valid[at]);
			n = 1;
		}
		at += n;
	}
	return g_string_free(out, FALSE);
}

char *
viommu_redact_text(viommu_redact *self, const char *text)
{
	return replace(self, text, 0);
}

char *
viommu_redact_shortened(viommu_redact *self, const char *text)
{
	return replace(self, text, SHORTENED);
}

char *
viommu_redact_version(viommu_redact *self, const char *text)
{
	return replace(self, text, NO_IPV4);
}

char *
viommu_redact_whole(viommu_redact *self, viommu_redact_kind kind, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	GString *out = g_string_new(NULL);

	if (*valid && viommu_redact_placeholder_at(valid, strlen(valid), 0) == strlen(valid))
		g_string_append(out, valid);
	else
		put_placeholder(self, out, kind, valid);
	return g_string_free(out, FALSE);
}

char *
viommu_redact_marked(viommu_redact *self, const char *shown)
{
	return replace(self, shown, MARKS);
}

char *
viommu_redact_argument(viommu_redact *self, const char *argument)
{
	const char *shown = g_hash_table_lookup(self->arguments, argument);

	return replace(self, shown ? shown : argument, shown ? MARKS : 0);
}

bool
viommu_redact_is_term(const viommu_redact *self, const char *text)
{
	return g_hash_table_contains(self->terms, text);
}

char *
viommu_redact_path(viommu_redact *self, const char *path)
{
	return strchr(path, '/') && !viommu_redact_is_public_path(path, strlen(path))
		? viommu_redact_whole(self, VIOMMU_REDACT_PATH, path)
		: viommu_redact_text(self, path);
}

