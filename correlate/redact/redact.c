/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts that are known to be private, and how many of them were shown. */
#include "redact/redact-store.h"

#include <string.h>

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

static void
entry_free(gpointer data)
{
	viommu_redact_entry *self = data;

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
	self->terms = g_hash_table_new(g_str_hash, g_str_equal);
	for (const char *const *term = viommu_redact_terms; *term; term++)
		g_hash_table_add(self->terms, (gpointer) *term);
	return self;
}

void
viommu_redact_free(viommu_redact *self)
{
	if (!self)
		return;
	for (unsigned i = 0; i < VIOMMU_REDACT_BUCKETS; i++)
		if (self->buckets[i])
			g_ptr_array_unref(self->buckets[i]);
	g_hash_table_unref(self->entries);
	g_ptr_array_unref(self->list);
	g_hash_table_unref(self->arguments);
	g_hash_table_unref(self->terms);
	g_free(self);
}

/* ---- entries ------------------------------------------------------------------------------ */

viommu_redact_entry *
viommu_redact_entry_of(viommu_redact *self, viommu_redact_kind kind, const char *literal)
{
	g_autofree char *lower = kind == VIOMMU_REDACT_MAC || kind == VIOMMU_REDACT_UUID ? g_ascii_strdown(literal, -1) : NULL;
	viommu_redact_entry *ret;

	literal = lower ? lower : literal;
	ret = g_hash_table_lookup(self->entries, literal);
	if (ret)
		return ret;
	ret = g_new0(viommu_redact_entry, 1);
	ret->literal = g_strdup(literal);
	ret->len = strlen(literal);
	ret->kind = kind;
	ret->id = self->list->len;
	g_ptr_array_add(self->list, ret);
	g_hash_table_insert(self->entries, ret->literal, ret);
	return ret;
}

/* ---- kinds -------------------------------------------------------------------------------- */

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

void
viommu_redact_taken(viommu_redact *self, viommu_redact_kind kind, unsigned number, uint64_t times)
{
	self->kinds[kind].last = self->kinds[kind].count = number;
	self->kinds[kind].times = times;
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
