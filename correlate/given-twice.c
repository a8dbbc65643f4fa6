/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "given-twice.h"

/* The same options, each as a list of texts. */
typedef struct {
	char **values;
	gboolean flag;
	gboolean many; /* it may have several */
} given;

static GOptionEntry
as_list(const GOptionEntry *entry, given *to)
{
	GOptionEntry ret = *entry;

	to->many = entry->arg == G_OPTION_ARG_NONE || entry->arg == G_OPTION_ARG_STRING_ARRAY || entry->arg == G_OPTION_ARG_FILENAME_ARRAY;
	ret.arg = entry->arg == G_OPTION_ARG_NONE ? G_OPTION_ARG_NONE : G_OPTION_ARG_FILENAME_ARRAY;
	ret.arg_data = entry->arg == G_OPTION_ARG_NONE ? (gpointer) &to->flag : (gpointer) &to->values;
	return ret;
}

static char *
two_values(const char *name, char **values)
{
	for (char **other = values ? values + 1 : NULL; other && *values && *other; other++)
		if (g_strcmp0(*other, *values) != 0)
			return g_strdup_printf("--%s is given twice, as \"%s\" and as \"%s\"; it takes one value", name, *values, *other);
	return NULL;
}

char *
viommu_given_twice(const GOptionEntry *const *tables, int argc, char **argv)
{
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GArray) entries = g_array_new(TRUE, TRUE, sizeof(GOptionEntry));
	g_autofree given *found = NULL;
	char *ret = NULL;
	gsize n = 0;

	for (const GOptionEntry *const *table = tables; *table; table++)
		for (const GOptionEntry *entry = *table; entry->long_name; entry++)
			n++;
	found = g_new0(given, n);
	for (const GOptionEntry *const *table = tables; *table; table++)
		for (const GOptionEntry *entry = *table; entry->long_name; entry++) {
			GOptionEntry copy = as_list(entry, &found[entries->len]);

			g_array_append_val(entries, copy);
		}
	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, (const GOptionEntry *) (const void *) entries->data, NULL);
	if (g_option_context_parse(context, &argc, &argv, NULL))
		for (gsize i = 0; i < n && !ret; i++)
			ret = found[i].many ? NULL : two_values(g_array_index(entries, GOptionEntry, i).long_name, found[i].values);
	for (gsize i = 0; i < n; i++)
		g_strfreev(found[i].values);
	return ret;
}
