/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of findings, and the catalogue that they are instances of. */
#include <inttypes.h>
#include <string.h>

#include "find/finding-kinds.h"
#include "text/text.h"

/* Text of an instance is cut off here: a log line can be a megabyte. */
#define MAX_TEXT 600

static const struct {
	const viommu_finding_kind *kinds;
	const guint *n;
} themes[] = {
	{ viommu_kinds_unit, &viommu_n_kinds_unit },
	{ viommu_kinds_tables, &viommu_n_kinds_tables },
	{ viommu_kinds_record, &viommu_n_kinds_record },
	{ viommu_kinds_chain, &viommu_n_kinds_chain },
	{ viommu_kinds_qemu, &viommu_n_kinds_qemu },
};

const viommu_finding_kind *
viommu_finding_kind_at(guint n)
{
	for (size_t i = 0; i < G_N_ELEMENTS(themes); n -= *themes[i].n, i++)
		if (n < *themes[i].n)
			return &themes[i].kinds[n];
	return NULL;
}

/* Its place in the catalogue, or G_MAXUINT. */
static guint
number_of(const char *code)
{
	const viommu_finding_kind *kind;

	for (guint i = 0; (kind = viommu_finding_kind_at(i)); i++)
		if (strcmp(kind->code, code) == 0)
			return i;
	return G_MAXUINT;
}

const viommu_finding_kind *
viommu_finding_kind_of(const char *code)
{
	guint n = number_of(code);

	return n == G_MAXUINT ? NULL : viommu_finding_kind_at(n);
}

const char *
viommu_severity_name(viommu_severity severity)
{
	static const char *const names[VIOMMU_SEVERITIES] = { "note", "warning", "fault", "security" };

	return (guint) severity < VIOMMU_SEVERITIES ? names[severity] : "?";
}

/* One for each kind of the catalogue, in its order; list NULL: none was found. */
struct viommu_findings {
	viommu_finding_group *groups;
	guint n;
	GHashTable *said; /* of those in the lists: code, where, seen */
};

static void
finding_free(void *data)
{
	viommu_finding *self = data;

	g_free(self->where);
	g_free(self->seen);
	g_free(self);
}

viommu_findings *
viommu_findings_new(void)
{
	viommu_findings *self = g_new0(viommu_findings, 1);

	while (viommu_finding_kind_at(self->n))
		self->n++;
	self->groups = g_new0(viommu_finding_group, self->n);
	for (guint i = 0; i < self->n; i++) {
		self->groups[i].kind = viommu_finding_kind_at(i);
		self->groups[i].list = g_ptr_array_new_with_free_func(finding_free);
	}
	self->said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return self;
}

void
viommu_findings_free(viommu_findings *self)
{
	if (!self)
		return;
	for (guint i = 0; i < self->n; i++)
		g_ptr_array_unref(self->groups[i].list);
	g_hash_table_unref(self->said);
	g_free(self->groups);
	g_free(self);
}

static char *
key_of(const char *code, const char *where, const char *seen)
{
	return g_strdup_printf("%s\n%s\n%s", code, where, seen);
}

/* Safe to print, and not too long. */
static char *
safe_text(const char *text)
{
	g_autofree char *cut = g_strndup(text, MAX_TEXT);

	return viommu_escape(cut);
}

/* Takes where and seen, which are safe. */
static void
add(viommu_findings *self, viommu_finding_group *group, char *where, char *seen)
{
	g_autofree char *key = key_of(group->kind->code, where, seen);
	viommu_finding *item;

	if (g_hash_table_contains(self->said, key)) {
		g_free(where);
		g_free(seen);
		return;
	}
	group->count++;
	if (group->list->len >= VIOMMU_FINDINGS_KEPT) {
		g_free(where);
		g_free(seen);
		return;
	}
	g_hash_table_add(self->said, g_steal_pointer(&key));
	item = g_new0(viommu_finding, 1);
	*item = (viommu_finding){ group->kind, where, seen };
	g_ptr_array_add(group->list, item);
}

void
viommu_findings_add(viommu_findings *self, const char *code, const char *where, const char *seen, ...)
{
	guint n = number_of(code);
	g_autofree char *text = NULL;
	va_list args;

	if (n == G_MAXUINT)
		g_error("no finding has the code \"%s\"", code);
	va_start(args, seen);
	text = g_strdup_vprintf(seen, args);
	va_end(args);
	add(self, &self->groups[n], safe_text(where), safe_text(text));
}

static int
cmp_groups(const void *a, const void *b)
{
	const viommu_finding_group *x = *(const viommu_finding_group *const *) a;
	const viommu_finding_group *y = *(const viommu_finding_group *const *) b;

	if (x->kind->severity != y->kind->severity)
		return x->kind->severity > y->kind->severity ? -1 : 1;
	return x < y ? -1 : x > y; /* they stand in one array, in the catalogue's order */
}

GPtrArray *
viommu_findings_groups(const viommu_findings *self)
{
	GPtrArray *ret = g_ptr_array_new();

	for (guint i = 0; i < self->n; i++)
		if (self->groups[i].count)
			g_ptr_array_add(ret, &self->groups[i]);
	g_ptr_array_sort(ret, cmp_groups);
	return ret;
}

uint64_t
viommu_findings_count(const viommu_findings *self, const char *code)
{
	uint64_t ret = 0;

	for (guint i = 0; i < self->n; i++)
		if (!code || strcmp(self->groups[i].kind->code, code) == 0)
			ret += self->groups[i].count;
	return ret;
}

guint
viommu_findings_at_least(const viommu_findings *self, viommu_severity severity)
{
	guint ret = 0;

	for (guint i = 0; i < self->n; i++)
		ret += self->groups[i].count && self->groups[i].kind->severity >= severity;
	return ret;
}

void
viommu_findings_merge(viommu_findings *self, const viommu_findings *other)
{
	for (guint i = 0; i < other->n; i++) {
		const viommu_finding_group *group = &other->groups[i];

		for (guint k = 0; k < group->list->len; k++) {
			const viommu_finding *item = g_ptr_array_index(group->list, k);

			add(self, &self->groups[i], g_strdup(item->where), g_strdup(item->seen));
		}
		self->groups[i].count += group->count - group->list->len;
	}
}

static guint
in_both(const viommu_finding_group *group, const viommu_findings *other, bool both[VIOMMU_FINDINGS_KEPT])
{
	guint ret = 0;

	for (guint k = 0; k < group->list->len; k++) {
		const viommu_finding *item = g_ptr_array_index(group->list, k);
		g_autofree char *key = key_of(group->kind->code, item->where, item->seen);

		both[k] = g_hash_table_contains(other->said, key);
		ret += both[k];
	}
	return ret;
}

static void
drop(viommu_findings *self, viommu_finding_group *group, guint k)
{
	const viommu_finding *item = g_ptr_array_index(group->list, k);
	g_autofree char *key = key_of(group->kind->code, item->where, item->seen);

	g_hash_table_remove(self->said, key);
	g_ptr_array_remove_index(group->list, k);
	group->count--;
}

static bool
is_cut(const viommu_finding_group *group)
{
	return group->count > group->list->len;
}

void
viommu_findings_keep(viommu_findings *self, const viommu_findings *other)
{
	for (guint i = 0; i < self->n; i++) {
		viommu_finding_group *group = &self->groups[i];
		bool both[VIOMMU_FINDINGS_KEPT];

		/* Of many a look keeps a few: that they kept others does not mean that nothing is
		 * in both. */
		if (in_both(group, other, both) == 0 && other->groups[i].count &&
			(is_cut(group) || is_cut(&other->groups[i])))
			continue;
		for (guint k = group->list->len; k-- > 0;)
			if (!both[k])
				drop(self, group, k);
		if (group->list->len == 0)
			group->count = 0;
	}
}

/* ---- places ----------------------------------------------------------------------- */

static viommu_where place(const char *format, ...) G_GNUC_PRINTF(1, 2);

static viommu_where
place(const char *format, ...)
{
	viommu_where ret;
	va_list args;

	va_start(args, format);
	g_vsnprintf(ret.text, sizeof(ret.text), format, args);
	va_end(args);
	return ret;
}

viommu_where
viommu_where_entry(viommu_gpa entry, uint64_t raw)
{
	return place("entry at GPA 0x%" PRIx64 ": 0x%016" PRIx64, entry.v, raw);
}

viommu_where
viommu_where_register(const char *name, uint64_t value)
{
	return place("register %s: 0x%" PRIx64, name, value);
}

viommu_where
viommu_where_property(const char *name, const char *value)
{
	return place("property %s=%s", name, value);
}

viommu_where
viommu_where_device(viommu_sid sid)
{
	return place("device %s", viommu_bdf_text(sid).text);
}

viommu_where
viommu_where_iova(viommu_sid sid, viommu_iova_range iova)
{
	return place("device %s, IOVA 0x%" PRIx64 "-0x%" PRIx64, viommu_bdf_text(sid).text, iova.first, iova.last);
}

viommu_where
viommu_where_line(const char *path, uint64_t line)
{
	return place("%s, line %" PRIu64, path, line);
}

viommu_where
viommu_where_event(uint64_t seq)
{
	return place("event %" PRIu64 " of the record", seq);
}
