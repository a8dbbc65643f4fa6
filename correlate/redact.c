/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "redact-words.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* Shorter than this it would be found in other words. */
#define MIN_LITERAL 3
/* A secret of this length is replaced within words as well. */
#define MIN_UNBOUNDED 8
#define BUCKETS 4096

static const struct {
	const char *name, *one, *many;
} kinds[VIOMMU_REDACT_KINDS] = {
	[VIOMMU_REDACT_HOST] = { "host", "host name or address", "host names or addresses" },
	[VIOMMU_REDACT_USER] = { "user", "user name", "user names" },
	[VIOMMU_REDACT_NAME] = { "name", "name", "names" },
	[VIOMMU_REDACT_PATH] = { "path", "path", "paths" },
	[VIOMMU_REDACT_URL] = { "url", "URL", "URLs" },
	[VIOMMU_REDACT_MAC] = { "mac", "MAC address", "MAC addresses" },
	[VIOMMU_REDACT_SERIAL] = { "serial", "serial number", "serial numbers" },
	[VIOMMU_REDACT_UUID] = { "uuid", "UUID", "UUIDs" },
	[VIOMMU_REDACT_TEXT] = { "text", "text for the guest", "texts for the guest" },
	[VIOMMU_REDACT_SECRET] = { "secret", "secret", "secrets" },
};

typedef struct {
	char *literal;
	size_t len;
	viommu_redact_kind kind;
	unsigned number; /* 0: not shown yet. Numbers go by what is shown, not by what is known. */
	guint id;        /* in list */
} entry;

/* Stands for an entry in text that will be shown: MARK, its id, MARK.  Of the private use
 * area, so that JSON leaves it alone. */
#define MARK "\xee\x80\x81"

struct viommu_redact {
	GHashTable *entries;          /* literal -> entry */
	GPtrArray *list;              /* of the same */
	GPtrArray *buckets[BUCKETS];  /* of entries to look for, longest first; NULL: none */
	GHashTable *arguments;        /* argument -> what it is shown as */
	struct {
		unsigned last, count;
		uint64_t times;
	} kinds[VIOMMU_REDACT_KINDS];
};

const char *
viommu_redact_kind_name(viommu_redact_kind kind)
{
	return kinds[kind].name;
}

const char *
viommu_redact_kind_text(viommu_redact_kind kind)
{
	return kinds[kind].many;
}

static void
entry_free(gpointer data)
{
	entry *self = data;

	g_free(self->literal);
	g_free(self);
}

viommu_redact *
viommu_redact_new(void)
{
	viommu_redact *self = g_new0(viommu_redact, 1);

	self->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
	self->list = g_ptr_array_new();
	self->arguments = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return self;
}

void
viommu_redact_free(viommu_redact *self)
{
	if (!self)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		if (self->buckets[i])
			g_ptr_array_unref(self->buckets[i]);
	g_hash_table_unref(self->entries);
	g_ptr_array_unref(self->list);
	g_hash_table_unref(self->arguments);
	g_free(self);
}

/* ---- learning ----------------------------------------------------------------------- */

static entry *
get_entry(viommu_redact *self, viommu_redact_kind kind, const char *literal)
{
	g_autofree char *lower = kind == VIOMMU_REDACT_MAC || kind == VIOMMU_REDACT_UUID ? g_ascii_strdown(literal, -1) : NULL;
	entry *ret;

	literal = lower ? lower : literal;
	ret = g_hash_table_lookup(self->entries, literal);
	if (ret)
		return ret;
	ret = g_new0(entry, 1);
	ret->literal = g_strdup(literal);
	ret->len = strlen(literal);
	ret->kind = kind;
	ret->id = self->list->len;
	g_ptr_array_add(self->list, ret);
	g_hash_table_insert(self->entries, ret->literal, ret);
	return ret;
}

static unsigned
bucket_of(const char *text)
{
	const unsigned char *t = (const unsigned char *) text;

	return (t[0] * 961u + t[1] * 31u + t[2]) % BUCKETS;
}

static void
look_for(viommu_redact *self, entry *e)
{
	GPtrArray **bucket = &self->buckets[bucket_of(e->literal)];
	guint at = 0;

	if (!*bucket)
		*bucket = g_ptr_array_new();
	for (; at < (*bucket)->len; at++) {
		const entry *other = g_ptr_array_index(*bucket, at);

		if (other == e)
			return;
		if (other->len < e->len)
			break;
	}
	g_ptr_array_insert(*bucket, (gint) at, e);
}

/* Words that stand everywhere, and are nobody's. */
static bool
is_common(const char *literal)
{
	static const char *const common[] = { "root", "nobody", "none", "localhost", "localhost.localdomain", "default", "dhcp",
		"auto", "true", "false", "yes", "off", "any", "qemu", "linux", "stdio", "unix", "tcp" };

	for (gsize i = 0; i < G_N_ELEMENTS(common); i++)
		if (strcmp(literal, common[i]) == 0)
			return true;
	return false;
}

void
viommu_redact_learn(viommu_redact *self, viommu_redact_kind kind, const char *literal)
{
	g_autofree char *valid = g_utf8_make_valid(literal, -1), *escaped = NULL;

	if (strlen(valid) < MIN_LITERAL || (kind != VIOMMU_REDACT_SECRET && is_common(valid)))
		return;
	look_for(self, get_entry(self, kind, valid));
	/* What is escaped where it is kept. */
	escaped = viommu_escape(valid);
	if (strcmp(escaped, valid) != 0)
		look_for(self, get_entry(self, kind, escaped));
}

void
viommu_redact_learn_path(viommu_redact *self, const char *path)
{
	g_autofree char *base = g_path_get_basename(path);

	viommu_redact_learn(self, VIOMMU_REDACT_PATH, path);
	viommu_redact_learn_homes(self, path, strlen(path));
	if (strchr(path, '/') && strlen(base) > MIN_LITERAL && strcmp(base, path) != 0)
		viommu_redact_learn(self, VIOMMU_REDACT_PATH, base);
}

void
viommu_redact_learn_here(viommu_redact *self)
{
	const struct passwd *user = getpwuid(getuid());
	const char *sudo = getenv("SUDO_USER");
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) == 0) {
		viommu_redact_learn(self, VIOMMU_REDACT_HOST, host);
		host[strcspn(host, ".")] = '\0';
		viommu_redact_learn(self, VIOMMU_REDACT_HOST, host);
	}
	if (user)
		viommu_redact_learn(self, VIOMMU_REDACT_USER, user->pw_name);
	if (sudo)
		viommu_redact_learn(self, VIOMMU_REDACT_USER, sudo);
}

void
viommu_redact_learn_homes(viommu_redact *self, const char *text, size_t len)
{
	static const char *const roots[] = { "/home/", "/Users/" };

	for (gsize i = 0; i < G_N_ELEMENTS(roots); i++) {
		const char *end = text + len, *at = text;

		while ((at = memmem(at, (size_t) (end - at), roots[i], strlen(roots[i])))) {
			size_t n = 0;

			at += strlen(roots[i]);
			while (at + n < end && (g_ascii_isalnum(at[n]) || (at[n] & 0x80) || (at[n] && strchr("_.-", at[n]))))
				n++;
			if (n && n < 64) {
				g_autofree char *user = g_strndup(at, n);

				viommu_redact_learn(self, VIOMMU_REDACT_USER, user);
			}
		}
	}
}

void
viommu_redact_taken(viommu_redact *self, viommu_redact_kind kind, unsigned number, uint64_t times)
{
	self->kinds[kind].last = self->kinds[kind].count = number;
	self->kinds[kind].times = times;
}

void
viommu_redact_set_argument(viommu_redact *self, const char *argument, char *shown)
{
	/* The same argument at two places: what hides more stands. */
	const char *before = g_hash_table_lookup(self->arguments, argument);

	if (before && strcmp(before, argument) != 0)
		g_free(shown);
	else
		g_hash_table_replace(self->arguments, g_strdup(argument), shown);
}

/* "scheme://user:password@host:port/…", and rbd's "…:key=…". */
void
viommu_redact_learn_url(viommu_redact *self, const char *url)
{
	const char *begin = strstr(url, "://"), *end, *at;
	g_autofree char *account = NULL, *host = NULL, *user = NULL;

	if (!begin) {
		const char *key = strstr(url, ":key=");
		g_autofree char *secret = key ? g_strndup(key + 5, strcspn(key + 5, ":")) : NULL;

		if (secret)
			viommu_redact_learn(self, VIOMMU_REDACT_SECRET, secret);
		return;
	}
	begin += 3;
	end = begin + strcspn(begin, "/?#");
	at = g_strrstr_len(begin, end - begin, "@");
	if (at) {
		account = g_strndup(begin, (gsize) (at - begin));
		user = g_strndup(account, strcspn(account, ":%"));
		viommu_redact_learn(self, VIOMMU_REDACT_USER, user);
		/* libiscsi's user%password, where % may be escaped. */
		at = account + strlen(user);
		if (*at)
			viommu_redact_learn(self, VIOMMU_REDACT_SECRET, at + (g_str_has_prefix(at, "%25") ? 3 : 1));
	}
	begin = account ? begin + strlen(account) + 1 : begin;
	host = g_strndup(begin, strcspn(begin, ":/?#"));
	viommu_redact_learn(self, VIOMMU_REDACT_HOST, host);
}

/* ---- replacing ------------------------------------------------------------------------ */

static bool
is_word(char c)
{
	return g_ascii_isalnum(c) || c == '_' || (c & 0x80);
}

static const entry *
known_at(viommu_redact *self, const char *text, size_t len, size_t at)
{
	const GPtrArray *bucket = len - at >= MIN_LITERAL ? self->buckets[bucket_of(text + at)] : NULL;

	for (guint i = 0; bucket && i < bucket->len; i++) {
		const entry *e = g_ptr_array_index(bucket, i);
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

/* The length of a placeholder that stands here, 0 if none does. */
static size_t
placeholder_at(const char *text, size_t len, size_t at)
{
	size_t end = at + 1;

	if (text[at] != '<')
		return 0;
	for (unsigned k = 0; k < VIOMMU_REDACT_KINDS; k++) {
		size_t n = strlen(kinds[k].name);

		if (n < len - end && memcmp(text + end, kinds[k].name, n) == 0 && text[end + n] == '-') {
			end += n + 1;
			while (end < len && g_ascii_isdigit(text[end]))
				end++;
			return end < len && text[end] == '>' && g_ascii_isdigit(text[end - 1]) ? end + 1 - at : 0;
		}
	}
	return 0;
}

static void
put_entry(viommu_redact *self, GString *out, entry *e)
{
	if (!e->number) {
		e->number = ++self->kinds[e->kind].last;
		self->kinds[e->kind].count++;
	}
	self->kinds[e->kind].times++;
	g_string_append_printf(out, "<%s-%u>", kinds[e->kind].name, e->number);
}

static void
put_placeholder(viommu_redact *self, GString *out, viommu_redact_kind kind, const char *literal)
{
	put_entry(self, out, get_entry(self, kind, literal));
}

void
viommu_redact_put_mark(viommu_redact *self, GString *out, viommu_redact_kind kind, const char *literal)
{
	g_autofree char *valid = g_utf8_make_valid(literal, -1);

	/* What was redacted before stays as it is. */
	if (*valid && placeholder_at(valid, strlen(valid), 0) == strlen(valid))
		g_string_append(out, valid);
	else
		g_string_append_printf(out, MARK "%u" MARK, get_entry(self, kind, valid)->id);
}

/* The entry of the mark that stands here; *n is its length. */
static entry *
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
replace(viommu_redact *self, const char *text, bool with_known, bool with_marks)
{
	g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
	size_t len = strlen(valid), at = 0;
	GString *out = g_string_sized_new(len);

	while (at < len) {
		viommu_redact_kind kind = VIOMMU_REDACT_TEXT;
		const entry *known = with_known ? known_at(self, valid, len, at) : NULL;
		size_t n = placeholder_at(valid, len, at);
		entry *marked = with_marks && !n ? marked_at(self, valid + at, &n) : NULL;

		if (marked) {
			put_entry(self, out, marked);
			at += n;
			continue;
		}
		n = placeholder_at(valid, len, at);
		if (n) {
			g_string_append_len(out, valid + at, (gssize) n);
			at += n;
			continue;
		}
		n = viommu_redact_shape(valid, len, at, &kind);
		if (known && known->len >= n) {
			put_placeholder(self, out, known->kind, known->literal);
			n = known->len;
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
	return replace(self, text, true, false);
}

char *
viommu_redact_shapes(viommu_redact *self, const char *text)
{
	return replace(self, text, false, false);
}

char *
viommu_redact_whole(viommu_redact *self, viommu_redact_kind kind, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	GString *out = g_string_new(NULL);

	if (*valid && placeholder_at(valid, strlen(valid), 0) == strlen(valid))
		g_string_append(out, valid);
	else
		put_placeholder(self, out, kind, valid);
	return g_string_free(out, FALSE);
}

char *
viommu_redact_argument(viommu_redact *self, const char *argument)
{
	const char *shown = g_hash_table_lookup(self->arguments, argument);

	return replace(self, shown ? shown : argument, true, shown != NULL);
}

void
viommu_redact_learn_kernel(viommu_redact *self, const char *cmdline)
{
	g_free(viommu_redact_kernel_tokens(self, cmdline));
}

char *
viommu_redact_kernel(viommu_redact *self, const char *cmdline)
{
	g_autofree char *tokens = viommu_redact_kernel_tokens(self, cmdline);

	return replace(self, tokens, true, true);
}

char *
viommu_redact_path(viommu_redact *self, const char *path)
{
	return strchr(path, '/') && !viommu_redact_is_public_path(path, strlen(path))
		? viommu_redact_whole(self, VIOMMU_REDACT_PATH, path)
		: viommu_redact_text(self, path);
}

/* ---- what was replaced -------------------------------------------------------------------- */

unsigned
viommu_redact_count(const viommu_redact *self, viommu_redact_kind kind, uint64_t *times)
{
	*times = self->kinds[kind].times;
	return self->kinds[kind].count;
}

json_t *
viommu_redact_counts_json(const viommu_redact *self)
{
	json_t *ret = json_array();

	for (unsigned i = 0; i < VIOMMU_REDACT_KINDS; i++)
		if (self->kinds[i].count)
			json_array_append_new(ret, json_pack("{s:s, s:i, s:I}", "kind", kinds[i].name, "count",
				(int) self->kinds[i].count, "times", (json_int_t) self->kinds[i].times));
	return ret;
}

char *
viommu_redact_counts_text(const viommu_redact *self)
{
	GString *ret = g_string_new(NULL);

	for (unsigned i = 0; i < VIOMMU_REDACT_KINDS; i++)
		if (self->kinds[i].count)
			g_string_append_printf(ret, "%s%u %s", ret->len ? ", " : "", self->kinds[i].count,
				self->kinds[i].count == 1 ? kinds[i].one : kinds[i].many);
	if (!ret->len)
		g_string_append(ret, "nothing");
	return g_string_free(ret, FALSE);
}
