/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole tables: random ones against a model that has no tables, and vtd_translate
 * (test-vtd-hostile.c: tables that nobody would write). */
#include <string.h>

#include "helpers.h"
#include "tables.h"

#define SID 0x20

/* The model: an entry for each (level, IOVA >> its size), in no table. */
typedef struct {
	unsigned level;
	uint64_t number; /* IOVA >> shift of the level */
	bool read, write, reserved, leaf;
	uint64_t gpa;
} entry;

typedef struct {
	tables *t;
	unsigned levels;
	uint64_t top;
	GHashTable *entries; /* of entry, by level and number */
} model;

static guint
entry_hash(gconstpointer data)
{
	const entry *e = data;

	return (guint) (e->number * 2654435761u) ^ e->level;
}

static gboolean
entry_equal(gconstpointer a, gconstpointer b)
{
	const entry *x = a, *y = b;

	return x->level == y->level && x->number == y->number;
}

static unsigned
shift_of(unsigned level)
{
	return level * 9 + 3;
}

static entry *
find(const model *m, unsigned level, uint64_t iova)
{
	entry key = { .level = level, .number = iova >> shift_of(level) };

	return g_hash_table_lookup(m->entries, &key);
}

static entry *
add(model *m, unsigned level, uint64_t iova)
{
	entry *e = g_new0(entry, 1);

	*e = (entry){ .level = level, .number = iova >> shift_of(level), .read = true, .write = true };
	g_hash_table_add(m->entries, e);
	return e;
}

/* What one IOVA comes to: the entry that decides, and what it and those above it let
 * through; NULL when nothing is there. */
static const entry *
decide(const model *m, uint64_t iova, bool *read, bool *write)
{
	*read = *write = true;
	for (unsigned level = m->levels; level >= 1; level--) {
		const entry *e = find(m, level, iova);

		if (!e)
			return NULL;
		*read &= e->read;
		*write &= e->write;
		if (!*read && !*write)
			return NULL;
		if (e->reserved || e->leaf)
			return e;
	}
	g_assert_not_reached();
}

static void
map(model *m, uint64_t iova, uint64_t gpa, unsigned level, uint64_t prot)
{
	entry *e;

	for (unsigned i = m->levels; i >= level; i--)
		if (find(m, i, iova) && (i == level || find(m, i, iova)->leaf))
			return; /* something is there already */
	for (unsigned i = m->levels; i > level; i--)
		if (!find(m, i, iova))
			add(m, i, iova);
	e = add(m, level, iova);
	e->leaf = true;
	e->gpa = gpa;
	e->read = prot & PTE_R;
	e->write = prot & PTE_W;
	tables_map(m->t, m->top, m->levels, iova, gpa, shift_of(level), prot);
}

/* Takes permissions away from an entry on the way to iova, or spoils it. */
static void
damage(model *m, uint64_t iova, unsigned level, unsigned how)
{
	entry *e = find(m, level, iova);
	uint64_t at, raw;

	if (!e)
		return;
	at = tables_entry(m->t, m->top, m->levels, iova, level);
	raw = tables_peek(m->t, at);
	if (how == 0) {
		e->read = false;
		raw &= ~PTE_R;
	} else if (how == 1) {
		e->write = false;
		raw &= ~PTE_W;
	} else if (how == 2) {
		e->reserved = true;
		raw |= PTE_SNP;
	} else {
		raw |= 1ull << 52; /* software's: nothing changes */
	}
	tables_poke(m->t, at, raw);
}

static uint64_t
random_iova(GRand *rand, unsigned levels)
{
	/* A few regions, among them the bottom and the top, so that tables fill up. */
	static const uint64_t regions[] = { 0, 0x3ff00000, 0x7fffffff00000000, 0x1234567000 };
	uint64_t base = regions[unit_random(rand, G_N_ELEMENTS(regions))];

	if (base == 0x7fffffff00000000)
		base = (1ull << (levels * 9 + 12)) - (1ull << 31);
	base += unit_random(rand, 2) ? unit_random(rand, 1u << 31) : unit_random(rand, 1u << 22);
	base &= (1ull << (levels * 9 + 12)) - 4096;
	return base >> 20 == 0xfee ? base - 0x100000 : base; /* interrupts are tested elsewhere */
}

static void
random_tables(model *m, GRand *rand)
{
	for (unsigned i = 0; i < 400; i++) {
		unsigned level = 1 + (unsigned) unit_random(rand, 9) / 4;
		uint64_t mask = ~((1ull << shift_of(level)) - 1), iova = random_iova(rand, m->levels) & mask;
		uint64_t gpa = (0x100000000 + unit_random(rand, 1ull << 34)) & mask,
			 prot = 1 + unit_random(rand, 3);

		/* Stretches that may join. */
		for (uint64_t n = unit_random(rand, 8); n > 0; n--) {
			map(m, iova, gpa, level, unit_random(rand, 9) ? PTE_RW : prot);
			iova = (iova + (1ull << shift_of(level))) & ((1ull << (m->levels * 9 + 12)) - 1);
			gpa += 1ull << shift_of(level);
			if (iova >> 21 == 0xfee00000 >> 21 || iova >> 30 == 0xfee00000 >> 30)
				break;
		}
	}
	/* Mostly leaves: what happens to a directory happens to all below it. */
	for (uint64_t n = unit_random(rand, 60); n > 0; n--)
		damage(m, random_iova(rand, m->levels),
			1 + (unsigned) unit_random(rand, n % 8 ? 2 : m->levels),
			(unsigned) unit_random(rand, 4));
}

static void
on_run(const vtd_run *run, void *user)
{
	g_array_append_vals(user, run, 1);
}

static GArray *
walk_all(model *m)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(vtd_run));
	vtd_unit unit = tables_unit(m->t);
	vtd_budget budget = VTD_DEFAULT_BUDGET;
	GError *error = NULL;

	g_assert_true(
		vtd_walk(&unit, &m->t->base, VIOMMU_GPA(m->top), m->levels, &budget, on_run, ret, &error));
	g_assert_no_error(error);
	return ret;
}

static int
by_iova(const void *a, const void *b)
{
	const vtd_run *x = a, *y = b;

	return x->iova.first < y->iova.first ? -1 : x->iova.first > y->iova.first;
}

/* The runs that the model gives. */
static GArray *
model_runs(model *m)
{
	g_autoptr(GArray) single = g_array_new(FALSE, FALSE, sizeof(vtd_run));
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(vtd_run));
	GHashTableIter iter;
	gpointer data;

	g_hash_table_iter_init(&iter, m->entries);
	while (g_hash_table_iter_next(&iter, &data, NULL)) {
		const entry *e = data;
		unsigned shift = shift_of(e->level);
		vtd_run run = { .iova = { e->number << shift, (e->number << shift) + ((1ull << shift) - 1) },
			.gpa = { e->gpa },
			.page_shift = shift,
			.level = e->level };

		if (decide(m, run.iova.first, &run.read, &run.write) != e)
			continue;
		run.kind = e->reserved ? VTD_RUN_RESERVED : VTD_RUN_MAPPED;
		run.entry.v = tables_entry(m->t, m->top, m->levels, run.iova.first, e->level);
		g_array_append_val(single, run);
	}
	g_array_sort(single, by_iova);
	for (guint i = 0; i < single->len; i++) {
		const vtd_run *run = &g_array_index(single, vtd_run, i);
		vtd_run *last = ret->len ? &g_array_index(ret, vtd_run, ret->len - 1) : NULL;
		uint64_t length = last ? run->iova.first - last->iova.first : 0;

		if (last && last->kind == VTD_RUN_MAPPED && run->kind == VTD_RUN_MAPPED &&
			last->iova.last + 1 == run->iova.first && last->gpa.v + length == run->gpa.v &&
			last->read == run->read && last->write == run->write &&
			last->page_shift == run->page_shift)
			last->iova.last = run->iova.last;
		else
			g_array_append_vals(ret, run, 1);
	}
	return ret;
}

static void
assert_same_runs(const GArray *got, const GArray *wanted)
{
	for (guint i = 0; i < MIN(got->len, wanted->len); i++) {
		const vtd_run *a = &g_array_index(got, vtd_run, i), *b = &g_array_index(wanted, vtd_run, i);

		g_assert_cmphex(a->iova.first, ==, b->iova.first);
		g_assert_cmphex(a->iova.last, ==, b->iova.last);
		g_assert_cmpint(a->kind, ==, b->kind);
		g_assert_cmpint(a->read, ==, b->read);
		g_assert_cmpint(a->write, ==, b->write);
		g_assert_cmphex(a->entry.v, ==, b->entry.v);
		g_assert_cmpuint(a->level, ==, b->level);
		if (a->kind == VTD_RUN_MAPPED) {
			g_assert_cmphex(a->gpa.v, ==, b->gpa.v);
			g_assert_cmpuint(a->page_shift, ==, b->page_shift);
		}
	}
	g_assert_cmpuint(got->len, ==, wanted->len);
}

/* One IOVA by translation and by the model. */
static void
assert_translates(model *m, const vtd_unit *unit, uint64_t iova)
{
	bool read, write;
	const entry *e = decide(m, iova, &read, &write);
	bool mapped = e && !e->reserved;
	vtd_translation walk;

	if ((iova >> 20) == 0xfee || iova >> (m->levels * 9 + 12))
		return;
	g_assert_true(vtd_translate(unit, &m->t->base, (viommu_sid){ SID }, VIOMMU_IOVA(iova), &walk, NULL));
	g_assert_cmpint(walk.outcome, ==, mapped ? VTD_TRANSLATES : VTD_FAULTS);
	g_assert_cmpint(walk.read.allowed, ==, mapped && read);
	g_assert_cmpint(walk.write.allowed, ==, mapped && write);
	if (mapped) {
		uint64_t mask = (1ull << shift_of(e->level)) - 1;

		g_assert_cmphex(walk.gpa.v, ==, e->gpa + (iova & mask));
		g_assert_cmpuint(walk.page_shift, ==, shift_of(e->level));
	} else {
		g_assert_true(walk.read.blame >= 2 && walk.write.blame >= 2);
	}
}

static void
test_random(void)
{
	for (unsigned seed = 0; seed < 40; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		g_autoptr(tables) t = tables_new(seed % 2 ? 48 : 39);
		model m = { .t = t,
			.levels = seed % 2 ? 4 : 3,
			.entries = g_hash_table_new_full(entry_hash, entry_equal, g_free, NULL) };
		vtd_unit unit = tables_unit(t);

		m.top = tables_device(t, SID, m.levels);
		random_tables(&m, rand);
		{
			g_autoptr(GArray) got = walk_all(&m), wanted = model_runs(&m);

			g_test_message(
				"seed %u: %u entries, %u runs", seed, g_hash_table_size(m.entries), got->len);
			assert_same_runs(got, wanted);
			for (guint i = 0; i < got->len; i++) {
				const vtd_run *run = &g_array_index(got, vtd_run, i);

				assert_translates(&m, &unit, run->iova.first);
				assert_translates(&m, &unit, run->iova.last);
				assert_translates(&m, &unit, run->iova.last + 1);
				if (run->iova.first)
					assert_translates(&m, &unit, run->iova.first - 1);
				/* Page by page where it is not too much. */
				for (uint64_t at = run->iova.first;
					at < run->iova.last && at - run->iova.first < 8 * 4096; at += 4096)
					assert_translates(&m, &unit, at);
			}
		}
		for (unsigned i = 0; i < 300; i++)
			assert_translates(&m, &unit, random_iova(rand, m.levels));
		g_hash_table_unref(m.entries);
	}
}

/* "kind first-last gpa prot shift" of each run, without the empty space. */
static void
expect_runs(tables *t, uint64_t top, unsigned levels, const char *wanted)
{
	model m = { .t = t, .top = top, .levels = levels };
	g_autoptr(GArray) runs = walk_all(&m);
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < runs->len; i++) {
		const vtd_run *run = &g_array_index(runs, vtd_run, i);

		g_string_append_printf(text,
			"%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER "x %s%s %u\n",
			run->iova.first, run->iova.last, run->gpa.v, run->read ? "r" : "",
			run->write ? "w" : "", run->page_shift);
	}
	g_assert_cmpstr(text->str, ==, wanted);
}

static void
test_joined(void)
{
	g_autoptr(tables) t = tables_new(39);
	uint64_t top = tables_device(t, SID, 3);

	/* Over the border of two tables, and of two tables of tables. */
	tables_map_pages(t, top, 3, 0x3ffff000, 0x7ffff000, 0x2000, PTE_RW);
	tables_map_pages(t, top, 3, 0x401ff000, 0x801ff000, 0x3000, PTE_RW);
	expect_runs(t, top, 3, "3ffff000-40000fff 7ffff000 rw 12\n401ff000-40201fff 801ff000 rw 12\n");
	/* Another permission, another page, another size. */
	tables_map(t, top, 3, 0x40200000, 0x80200000, KIB_4, PTE_R);
	expect_runs(t, top, 3,
		"3ffff000-40000fff 7ffff000 rw 12\n401ff000-401fffff 801ff000 rw 12\n"
		"40200000-40200fff 80200000 r 12\n40201000-40201fff 80201000 rw 12\n");
	tables_map(t, top, 3, 0x40200000, 0x90200000, KIB_4, PTE_RW);
	tables_map(t, top, 3, 0x40400000, 0x80400000, MIB_2, PTE_RW);
	tables_map(t, top, 3, 0x40600000, 0x80600000, MIB_2, PTE_RW);
	tables_map(t, top, 3, 0x40800000, 0x80800000, KIB_4, PTE_RW);
	expect_runs(t, top, 3,
		"3ffff000-40000fff 7ffff000 rw 12\n401ff000-401fffff 801ff000 rw 12\n"
		"40200000-40200fff 90200000 rw 12\n40201000-40201fff 80201000 rw 12\n"
		"40400000-407fffff 80400000 rw 21\n40800000-40800fff 80800000 rw 12\n");
	/* The same GPA again and again is no stretch; nor is one that falls. */
	top = tables_device(t, SID, 3);
	for (unsigned i = 1; i < 4; i++)
		tables_map(t, top, 3, i * 0x1000, i < 3 ? 0x5000 : 0x4000, KIB_4, PTE_RW);
	expect_runs(t, top, 3, "1000-1fff 5000 rw 12\n2000-2fff 5000 rw 12\n3000-3fff 4000 rw 12\n");
}

/* A full table is one run, and its tables are read in few batches. */
static void
test_batches(void)
{
	g_autoptr(tables) t = tables_new(39);
	uint64_t top = tables_device(t, SID, 3);

	tables_map_pages(t, top, 3, 0x40000000, 0x100000000, 64 << 20, PTE_RW);
	t->calls = t->reads = 0;
	expect_runs(t, top, 3, "40000000-43ffffff 100000000 rw 12\n");
	g_assert_cmpuint(t->reads, ==, 1 + 1 + 32);
	g_assert_cmpuint(t->calls, ==, 3);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vtd-walk/random", test_random);
	g_test_add_func("/vtd-walk/joined", test_joined);
	g_test_add_func("/vtd-walk/batches", test_batches);
	return g_test_run();
}
