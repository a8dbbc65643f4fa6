/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Learning: a text whose meaning is known is looked for everywhere from then on. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redact/redact-store.h"
#include "redact/redact-words.h"
#include "text/text.h"

static void
look_for(viommu_redact *self, viommu_redact_entry *e)
{
	GPtrArray **bucket = &self->buckets[viommu_redact_bucket(e->literal)];
	guint at = 0;

	if (!*bucket)
		*bucket = g_ptr_array_new();
	for (; at < (*bucket)->len; at++) {
		const viommu_redact_entry *other = g_ptr_array_index(*bucket, at);

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

	if (strlen(valid) < VIOMMU_REDACT_MIN_LITERAL || (kind != VIOMMU_REDACT_SECRET && is_common(valid)))
		return;
	look_for(self, viommu_redact_entry_of(self, kind, valid));
	/* What is escaped where it is kept. */
	escaped = viommu_escape(valid);
	if (strcmp(escaped, valid) != 0)
		look_for(self, viommu_redact_entry_of(self, kind, escaped));
}

void
viommu_redact_learn_path(viommu_redact *self, const char *path)
{
	g_autofree char *base = g_path_get_basename(path);

	viommu_redact_learn(self, VIOMMU_REDACT_PATH, path);
	viommu_redact_learn_homes(self, path, strlen(path));
	if (strchr(path, '/') && strlen(base) > VIOMMU_REDACT_MIN_LITERAL && strcmp(base, path) != 0)
		viommu_redact_learn(self, VIOMMU_REDACT_PATH, base);
}

/* So many names of users are learned from text, which may be hostile.  The homes of others
 * are still seen to be paths. */
#define MAX_HOMES 1000

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
			if (n && n < 64 && self->homes < MAX_HOMES) {
				g_autofree char *user = g_strndup(at, n);

				self->homes += !g_hash_table_contains(self->entries, user);
				viommu_redact_learn(self, VIOMMU_REDACT_USER, user);
			}
		}
	}
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

