/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "count.h"

#include <inttypes.h>
#include <string.h>

struct counts {
	GHashTable *rows;    /* label (char *) -> uint64_t[2]: reads, writes */
	GHashTable *facts;   /* what -> uint64_t[2], the first of them */
};

counts *
counts_new(void)
{
	counts *self = g_new(counts, 1);

	self->rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	self->facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return self;
}

void
counts_free(counts *self)
{
	if (!self)
		return;
	g_hash_table_unref(self->rows);
	g_hash_table_unref(self->facts);
	g_free(self);
}

static uint64_t *
row(GHashTable *table, const char *key)
{
	uint64_t *value = g_hash_table_lookup(table, key);

	if (!value) {
		value = g_new0(uint64_t, 2);
		g_hash_table_insert(table, g_strdup(key), value);
	}
	return value;
}

static const char *
stage_name(const vtd_translation *t)
{
	if (t->device.outcome != VTD_TRANSLATES)
		return "-";
	return t->device.stage == VTD_STAGE_SECOND ? "second" : t->device.stage == VTD_STAGE_FIRST ? "first" : "nested";
}

static const char *
place_name(const vtd_translation *t, const vtd_answer *answer)
{
	if (answer->allowed)
		return t->page_shift == 12 ? "4 KiB page" : t->page_shift == 21 ? "2 MiB page" :
			t->page_shift == 30 ? "1 GiB page" : "-";
	return answer->blame >= 0 && (unsigned) answer->blame < t->n_steps ? vtd_step_name(&t->steps[answer->blame]) : "-";
}

void
counts_add(counts *self, const char *mode, const vtd_translation *t, bool write, bool silent)
{
	const vtd_answer *answer = write ? &t->write : &t->read;
	g_autofree char *what = NULL, *key = NULL;

	if (t->outcome == VTD_INTERRUPT)
		what = g_strdup("an interrupt, not a DMA");
	else if (!answer->allowed)
		what = g_strdup_printf("fault 0x%02x%s", answer->fault, silent ? ", not recorded (FPD)" : "");
	else
		what = g_strdup(t->outcome == VTD_DISABLED ? "translation is off" :
			t->outcome == VTD_PASS_THROUGH ? "passes through" : "translated");
	key = g_strdup_printf("%-12s %-7s %-12s %s", mode, stage_name(t), place_name(t, answer), what);
	row(self->rows, key)[write]++;
}

void
counts_fact(counts *self, const char *what)
{
	row(self->facts, what)[0]++;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
print_facts(counts *self, FILE *to)
{
	guint n;
	g_autofree char **keys = (char **) g_hash_table_get_keys_as_array(self->facts, &n);

	qsort(keys, n, sizeof *keys, by_text);
	for (guint i = 0; i < n; i++)
		fprintf(to, "# %s: %" PRIu64 "\n", keys[i], *(uint64_t *) g_hash_table_lookup(self->facts, keys[i]));
}

void
counts_print(counts *self, FILE *to)
{
	guint n;
	g_autofree char **keys = (char **) g_hash_table_get_keys_as_array(self->rows, &n);

	qsort(keys, n, sizeof *keys, by_text);
	fprintf(to, "# %-12s %-7s %-12s %-36s %10s %10s\n", "mode", "stage", "where", "answer", "reads", "writes");
	for (guint i = 0; i < n; i++) {
		const uint64_t *value = g_hash_table_lookup(self->rows, keys[i]);

		fprintf(to, "# %-70s %10" PRIu64 " %10" PRIu64 "\n", keys[i], value[0], value[1]);
	}
	print_facts(self, to);
}
