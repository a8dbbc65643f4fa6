/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fast ways to L1's tables against the slow one: over random tables in a real QEMU's
 * memory, reading the process, reading through "xp", a snapshot taken either way, and that
 * snapshot out of its file have to lead to the same runs, entries and answers.
 */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <viommu/capture.h>

#define QUESTIONS 16
#define TABLES 300 /* a page takes xp a millisecond */
#define RUNS 5000
#define PATIENT 60000u

enum { PROCESS, XP, SNAPSHOT, XP_SNAPSHOT, FILE_SNAPSHOT, SOURCES };
static const char *const names[SOURCES] = { "process memory", "xp", "a snapshot", "a snapshot through xp", "a snapshot's file" };

typedef struct {
	unit unit;
	tables tables;
	viommu_live *live[GUEST_MONITORS]; /* PROCESS, XP */
	viommu_snapshot *snapshots[SOURCES]; /* NULL for the first two */
	viommu_memory *memories[SOURCES];    /* the first two are live's */
	vtd_unit walker_unit;
	const char *path;
	uint64_t sets, entries, answers;
} comparison;

/* What a walk over one device's tables says. */
typedef struct {
	GArray *runs, *entries, *findings; /* of vtd_run, of vtd_table_entry, of vtd_run */
	vtd_device device;
	uint64_t budget; /* what is left */
} story;

static void
keep(const vtd_run *run, void *user)
{
	g_array_append_vals(user, run, 1);
}

static void
keep_entry(const vtd_table_entry *entry, void *user)
{
	g_array_append_vals(((story *) user)->entries, entry, 1);
}

static void
keep_finding(const vtd_run *run, void *user)
{
	g_array_append_vals(((story *) user)->findings, run, 1);
}

static gboolean
walk_all(const vtd_unit *walker, viommu_memory *memory, viommu_sid sid, story *ret, GError **error)
{
	vtd_budget budget = { .tables = TABLES, .runs = RUNS }, again = budget;

	*ret = (story){ g_array_new(FALSE, TRUE, sizeof(vtd_run)), g_array_new(FALSE, TRUE, sizeof(vtd_table_entry)),
		g_array_new(FALSE, TRUE, sizeof(vtd_run)), .budget = 0 };
	if (!vtd_find_device(walker, memory, sid, &ret->device, error))
		return FALSE;
	if (ret->device.outcome != VTD_TRANSLATES)
		return TRUE;
	if (!vtd_walk_device(walker, memory, &ret->device, &budget, keep, ret->runs, error) ||
		!vtd_walk_entries(walker, memory, &ret->device, &again, keep_entry, keep_finding, ret, error))
		return FALSE;
	ret->budget = budget.tables;
	return TRUE;
}

static void
clear_story(story *self)
{
	g_clear_pointer(&self->runs, g_array_unref);
	g_clear_pointer(&self->entries, g_array_unref);
	g_clear_pointer(&self->findings, g_array_unref);
}

static bool
same_run(const vtd_run *a, const vtd_run *b)
{
	return a->kind == b->kind && a->status == b->status && a->iova.first == b->iova.first && a->iova.last == b->iova.last &&
		a->gpa.v == b->gpa.v && a->page_shift == b->page_shift && a->read == b->read && a->write == b->write &&
		a->first_stage == b->first_stage && a->entry.v == b->entry.v && a->raw == b->raw && a->level == b->level;
}

static bool
same_runs(const GArray *a, const GArray *b)
{
	bool same = a->len == b->len;

	for (guint i = 0; same && i < a->len; i++)
		same = same_run(&g_array_index(a, vtd_run, i), &g_array_index(b, vtd_run, i));
	return same;
}

static bool
same_entries(const GArray *a, const GArray *b)
{
	bool same = a->len == b->len;

	for (guint i = 0; same && i < a->len; i++) {
		const vtd_table_entry *x = &g_array_index(a, vtd_table_entry, i), *y = &g_array_index(b, vtd_table_entry, i);

		same = x->entry.v == y->entry.v && x->raw == y->raw && x->level == y->level && x->first_stage == y->first_stage &&
			x->iova.first == y->iova.first && x->iova.last == y->iova.last;
	}
	return same;
}

static bool
same_answer(const vtd_answer *a, const vtd_answer *b)
{
	return a->allowed == b->allowed && a->fault == b->fault && a->blame == b->blame;
}

static bool
same_translation(const vtd_translation *a, const vtd_translation *b)
{
	bool same = a->n_steps == b->n_steps && a->gpa.v == b->gpa.v && same_answer(&a->read, &b->read) &&
		same_answer(&a->write, &b->write);

	for (unsigned i = 0; same && i < a->n_steps; i++)
		same = a->steps[i].kind == b->steps[i].kind && a->steps[i].entry.v == b->steps[i].entry.v &&
			a->steps[i].words == b->steps[i].words && a->steps[i].status == b->steps[i].status &&
			memcmp(a->steps[i].raw, b->steps[i].raw, a->steps[i].words * sizeof(a->steps[i].raw[0])) == 0;
	return same;
}

G_GNUC_PRINTF(2, 3)
static gboolean
disagree(GError **error, const char *format, ...)
{
	va_list args;
	g_autofree char *text = NULL;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error_literal(error, GUEST_ERROR, 2, text);
	return FALSE;
}

/* All tables of a device. */
static gboolean
compare_walks(comparison *self, unsigned device, story *first, GError **error)
{
	story other = { 0 };
	gboolean ok = walk_all(&self->walker_unit, self->memories[PROCESS], unit_sid(device), first, error);

	for (unsigned s = 1; s < SOURCES && ok; s++) {
		ok = walk_all(&self->walker_unit, self->memories[s], unit_sid(device), &other, error);
		if (ok && (first->device.outcome != other.device.outcome || first->device.fault != other.device.fault))
			ok = disagree(error, "device %u: %s and %s do not find the same tables", device, names[PROCESS], names[s]);
		else if (ok && (!same_runs(first->runs, other.runs) || first->budget != other.budget))
			ok = disagree(error, "device %u: %s leads to %u runs, %s to %u, and they are not the same", device, names[PROCESS],
				first->runs->len, names[s], other.runs->len);
		else if (ok && (!same_entries(first->entries, other.entries) || !same_runs(first->findings, other.findings)))
			ok = disagree(error, "device %u: %s and %s do not have the same entries", device, names[PROCESS], names[s]);
		clear_story(&other);
	}
	if (ok)
		self->entries += first->entries->len;
	return ok;
}

/* In a run, or on its edges; or anywhere. */
static uint64_t
some_iova(comparison *self, unsigned device, rng *r, const story *first)
{
	const vtd_run *run;

	if (first->runs->len == 0 || rng_percent(r, 25))
		return tables_iova(&self->tables, device);
	run = &g_array_index(first->runs, vtd_run, rng_below(r, first->runs->len));
	switch (rng_below(r, 4)) {
	case 0:
		return run->iova.last;
	case 1:
		return run->iova.last + 1;
	case 2:
		return run->iova.first;
	}
	return run->iova.first + rng_next(r) % (run->iova.last - run->iova.first + (run->iova.last - run->iova.first < UINT64_MAX));
}

/* Single addresses, also against the walk over all tables. */
static gboolean
compare_answers(comparison *self, unsigned device, rng *r, const story *first, const check_runs *runs, GError **error)
{
	for (unsigned q = 0; q < QUESTIONS; q++) {
		uint64_t iova = some_iova(self, device, r, first);
		vtd_translation t[SOURCES];

		for (unsigned s = 0; s < SOURCES; s++) {
			vtd_run run;

			if (!vtd_translate(&self->walker_unit, self->memories[s], unit_sid(device), VIOMMU_IOVA(iova), &t[s], error))
				return FALSE;
			if (!same_translation(&t[PROCESS], &t[s]))
				return disagree(error, "device %u, IOVA %#" PRIx64 ": %s and %s give other answers", device, iova, names[PROCESS],
					names[s]);
			if (check_runs_agree(runs, &t[s], &run) == CHECK_DISAGREES)
				return disagree(error, "device %u, IOVA %#" PRIx64 ": %s and the walk over all tables disagree", device, iova,
					names[s]);
		}
		self->answers++;
	}
	return TRUE;
}

#define ENTRIES 512
#define LEAF (1ull << 7)

/* Random tables are thin.  A leaf gets neighbours that go on where it ends, with breaks:
 * another page, another bit, nothing. */
static void
thicken(comparison *self, rng *r, const tables_entry *entry)
{
	uint64_t raw = tables_get(&self->tables, entry->gpa), size = 1ull << (12 + 9 * (entry->level - 1));
	unsigned left = ENTRIES - 1 - (unsigned) (entry->gpa % VIOMMU_PAGE_SIZE / 8);

	if ((entry->level > 1 && !(raw & LEAF)) || entry->level > 3 || !(raw & 3))
		return;
	for (unsigned i = 1, n = (unsigned) rng_below(r, left + 1); i <= n; i++) {
		raw += size;
		if (rng_percent(r, 3))
			raw += size * rng_below(r, 5);
		if (rng_percent(r, 1))
			raw = (raw & ~0xffffffffull) | (0xfee00000 - size * 2) | (raw & 0xfff);
		tables_put(&self->tables, entry->gpa + i * 8, rng_percent(r, 2) ? raw ^ 1ull << rng_below(r, 64) : rng_percent(r, 2) ? 0 : raw);
	}
}

static void
thicken_some(comparison *self, rng *r)
{
	for (guint i = 0; i < self->tables.entries->len; i++) {
		const tables_entry *entry = &g_array_index(self->tables.entries, tables_entry, i);

		if ((entry->kind == ENTRY_SECOND || entry->kind == ENTRY_FIRST) && rng_percent(r, 30))
			thicken(self, r, entry);
	}
}

static gboolean
take_snapshots(comparison *self, GError **error)
{
	viommu_capture_options options = { .reproducible = TRUE };
	g_autoptr(GBytes) fast = NULL, slow = NULL;

	for (unsigned i = 0; i < GUEST_MONITORS; i++) {
		self->snapshots[SNAPSHOT + i] = viommu_live_capture(self->live[i], &options, error);
		if (!self->snapshots[SNAPSHOT + i])
			return FALSE;
	}
	fast = viommu_snapshot_bytes(self->snapshots[SNAPSHOT], error);
	slow = fast ? viommu_snapshot_bytes(self->snapshots[XP_SNAPSHOT], error) : NULL;
	if (!slow)
		return FALSE;
	if (!g_bytes_equal(fast, slow))
		return disagree(error, "%s and %s are not the same, byte for byte", names[SNAPSHOT], names[XP_SNAPSHOT]);
	if (!viommu_snapshot_write(self->snapshots[SNAPSHOT], self->path, TRUE, error) ||
		!(self->snapshots[FILE_SNAPSHOT] = viommu_snapshot_read(self->path, error)))
		return FALSE;
	for (unsigned s = SNAPSHOT; s < SOURCES; s++)
		self->memories[s] = viommu_snapshot_memory(self->snapshots[s]);
	return TRUE;
}

static void
drop_snapshots(comparison *self)
{
	for (unsigned s = SNAPSHOT; s < SOURCES; s++) {
		g_clear_pointer(&self->memories[s], viommu_memory_free);
		g_clear_pointer(&self->snapshots[s], viommu_snapshot_free);
	}
}

static gboolean
compare_set(comparison *self, rng *r, GError **error)
{
	tables_mode mode = MODE_LEGACY;
	gboolean ok;

	if (self->tables.smts && rng_percent(r, 78))
		mode = self->tables.flts ? MODE_FIRST : MODE_SCALABLE;
	guest_ram_clear(self->unit.guest);
	tables_build(&self->tables, r, mode);
	thicken_some(self, r);
	ok = unit_root(&self->unit, self->tables.rtaddr, error) && take_snapshots(self, error);
	if (ok)
		viommu_machine_unit(viommu_snapshot_machine(self->snapshots[SNAPSHOT]),
			viommu_snapshot_registers(self->snapshots[SNAPSHOT]), &self->walker_unit);
	for (unsigned d = 0; d < UNIT_DEVICES && ok; d++) {
		check_runs *runs = NULL;
		story first = { 0 };

		ok = compare_walks(self, d, &first, error) &&
			(runs = check_runs_new(&self->walker_unit, self->memories[PROCESS], unit_sid(d), error)) &&
			compare_answers(self, d, r, &first, runs, error);
		g_clear_pointer(&runs, check_runs_free);
		clear_story(&first);
	}
	drop_snapshots(self);
	self->sets++;
	return ok;
}

static gboolean
connect_all(comparison *self, GError **error)
{
	static const viommu_memory_choice choices[] = { [PROCESS] = VIOMMU_MEMORY_PROCESS, [XP] = VIOMMU_MEMORY_XP };

	guest_ram(self->unit.guest, 0, 8)[0] = 1; /* a page that proves the process */
	for (unsigned i = 0; i < GUEST_MONITORS; i++) {
		viommu_live_options options = { .address = guest_monitor(self->unit.guest, i), .timeout_ms = PATIENT,
			.memory = choices[i] };

		self->live[i] = viommu_live_open(&options, error);
		if (!self->live[i])
			return FALSE;
		self->memories[i] = viommu_live_memory(self->live[i]);
	}
	return TRUE;
}

static gboolean
compare(comparison *self, const char *qemu, const char *props, uint64_t seed, uint64_t sets, GError **error)
{
	rng r = { rng_mix(seed) + rng_mix(g_str_hash(props)) };
	gboolean ok;

	self->unit.guest = guest_start(qemu, props, error);
	if (!self->unit.guest)
		return FALSE;
	ok = unit_init(&self->unit, self->unit.guest, error) && unit_translation(&self->unit, true, error) &&
		connect_all(self, error);
	guest_forget_monitors(self->unit.guest);
	tables_init(&self->tables, self->unit.guest, self->unit.cap, self->unit.ecap);
	for (uint64_t set = 0; set < sets && ok; set++) {
		ok = compare_set(self, &r, error);
		if (!ok)
			g_prefix_error(error, "set %" PRIu64 ": ", set);
	}
	tables_clear(&self->tables);
	for (unsigned i = 0; i < GUEST_MONITORS; i++)
		viommu_live_free(self->live[i]);
	guest_stop(self->unit.guest);
	return ok;
}

static const struct {
	const char *props, *needs;
} sweep[] = {
	{ "aw-bits=39", "aw-bits" },
	{ "aw-bits=48,device-iotlb=on,caching-mode=on", "aw-bits" },
	{ "aw-bits=48,x-scalable-mode=on", "x-scalable-mode" },
	{ "aw-bits=48,x-scalable-mode=on,x-flts=on", "x-flts" },
};

int
main(int argc, char **argv)
{
	const char *qemu = argc > 1 ? argv[1] : "qemu-system-x86_64";
	uint64_t sets = argc > 2 ? g_ascii_strtoull(argv[2], NULL, 0) : 30, seed = argc > 3 ? g_ascii_strtoull(argv[3], NULL, 0) : 1;
	g_autoptr(GError) error = NULL;
	g_autofree char *known = guest_properties(qemu, &error), *folder = g_dir_make_tmp("judge-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "snapshot", NULL);
	bool failed = false;

	if (!known) {
		printf("1..0 # SKIP %s: %s\n", qemu, error->message);
		return 0;
	}
	printf("1..%zu\n", G_N_ELEMENTS(sweep));
	for (size_t i = 0; i < G_N_ELEMENTS(sweep); i++) {
		comparison c = { .path = path };
		gboolean ok;

		g_clear_error(&error);
		if (!guest_has_property(known, sweep[i].needs)) {
			printf("ok %zu - %s # SKIP this QEMU has no %s\n", i + 1, sweep[i].props, sweep[i].needs);
			continue;
		}
		ok = compare(&c, qemu, sweep[i].props, seed, sets, &error);
		failed |= !ok;
		printf("%sok %zu - %s: %" PRIu64 " sets, %" PRIu64 " entries, %" PRIu64 " answers, each in %u ways\n", ok ? "" : "not ", i + 1,
			sweep[i].props, c.sets, c.entries, c.answers, SOURCES);
		if (!ok)
			printf("# %s\n", error->message);
		fflush(stdout);
	}
	unlink(path);
	rmdir(folder);
	return failed ? 1 : 0;
}
