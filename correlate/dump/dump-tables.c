/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translation tables.  Text and JSON are both written as the walk goes on, so
 * that a pipe sees them at once and memory does not grow with the tables.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dump/dump.h"
#include "text/json-text.h"
#include "report/render.h"
#include "text/text.h"

typedef struct {
	const viommu_target *target;
	const viommu_dump_options *options;
	GHashTable *done; /* of vtd_device: whose tables were shown */
	const vtd_device *device; /* whose tables are shown now */
	vtd_budget budget;
	uint64_t bytes, n_runs;
	unsigned n_devices;
	bool comma; /* JSON: the list that is being written has something in it */
	vtd_table_entry entry; /* --entries: not yet shown, with those behind it that are the same */
	unsigned times;
	GString *text; /* JSON that is being made */
	GError *error;
} dump;

/* Writes one element of the list that is open: what stands in d->text. */
static void
put_text(dump *d)
{
	fputs(d->comma ? ",\n" : "\n", stdout);
	fwrite(d->text->str, 1, d->text->len, stdout);
	g_string_truncate(d->text, 0);
	d->comma = true;
}

static const char *
run_text(vtd_run_kind kind)
{
	switch (kind) {
	case VTD_RUN_MAPPED:
		return "mapped";
	case VTD_RUN_RESERVED:
		return "reserved bit set: refused";
	case VTD_RUN_UNREADABLE:
		return "table not readable";
	case VTD_RUN_LOOP:
		return "loop: this table is its own ancestor";
	case VTD_RUN_REPEATED:
		return "the same table again: shown before";
	case VTD_RUN_UNVISITED:
		return "not visited: too many tables";
	case VTD_RUN_INTERRUPT:
		return "in the interrupt address range: refused";
	case VTD_RUN_PRIVILEGE:
		return "for supervisors only (U/S = 0): refused";
	}
	return "unknown";
}

/* "00:04.0, PASID 5" */
static char *
owner_text(viommu_sid sid, bool scalable, uint32_t pasid)
{
	return scalable ? g_strdup_printf("%s, PASID %u", viommu_bdf_text(sid).text, pasid)
			: g_strdup(viommu_bdf_text(sid).text);
}

static void
put_run(dump *d, const vtd_run *run)
{
	GString *out = d->text;

	viommu_jt_begin(out, NULL, '{');
	viommu_jt_word(out, "kind", run_text(run->kind));
	viommu_jt_hex(out, "first", run->iova.first);
	viommu_jt_hex(out, "last", run->iova.last);
	viommu_jt_hex(out, "gpa", run->gpa.v);
	viommu_jt_word(out, "prot", viommu_prot_text(run->read, run->write).text);
	viommu_jt_hex(out, "page_size", 1ull << run->page_shift);
	viommu_jt_int(out, "level", run->level);
	viommu_jt_hex(out, "entry_gpa", run->entry.v);
	viommu_jt_hex(out, "entry", run->raw);
	if (run->kind == VTD_RUN_UNREADABLE)
		viommu_jt_word(out, "why", viommu_page_status_text(run->status));
	if (run->kind == VTD_RUN_REPEATED) {
		viommu_jt_begin(out, "same_as", '{');
		viommu_jt_bdf(out, "device", run->before.sid);
		if (d->target->unit.scalable)
			viommu_jt_int(out, "pasid", run->before.pasid);
		viommu_jt_hex(out, "iova", run->before.iova.v);
		viommu_jt_end(out, '}');
	}
	viommu_jt_end(out, '}');
	put_text(d);
}

/* Where a run that is not mapped has its cause. */
static void
print_cause(const dump *d, const vtd_run *run)
{
	if (run->kind == VTD_RUN_REPEATED)
		printf(" at 0x%012" PRIx64, run->before.iova.v);
	if (run->kind == VTD_RUN_REPEATED &&
		(run->before.sid.v != d->device->sid.v || run->before.pasid != d->device->pasid)) {
		g_autofree char *owner = owner_text(run->before.sid, d->target->unit.scalable, run->before.pasid);
		printf(" of %s", owner);
	}
	if (run->kind == VTD_RUN_UNREADABLE)
		printf(" (%s)", viommu_page_status_text(run->status));
	if (run->entry.v)
		printf(": level-%u entry at GPA 0x%" PRIx64 ": 0x%016" PRIx64 "\n", run->level, run->entry.v, run->raw);
	else
		printf(": the top table, at GPA 0x%" PRIx64 "\n", run->gpa.v);
}

static void
show_run(const vtd_run *run, void *user)
{
	dump *d = user;
	uint64_t size = run->iova.last - run->iova.first + 1;

	d->n_runs++;
	if (run->kind == VTD_RUN_MAPPED)
		d->bytes += size;
	if (d->options->json) {
		put_run(d, run);
		return;
	}
	printf("  0x%012" PRIx64 "-0x%012" PRIx64 "  %10s  %s  ", run->iova.first, run->iova.last,
		viommu_size_text(size).text, viommu_prot_text(run->read, run->write).text);
	if (run->kind == VTD_RUN_MAPPED) {
		printf("GPA 0x%" PRIx64 "  %s pages\n", run->gpa.v, viommu_size_text(1ull << run->page_shift).text);
		return;
	}
	printf("%s%s%s", viommu_tone_on(VIOMMU_BAD), run_text(run->kind), viommu_tone_off(VIOMMU_BAD));
	print_cause(d, run);
}

/* Shows the entry that is held back, once for all of a row. */
static void
flush_entry(dump *d)
{
	const vtd_table_entry *entry = &d->entry;
	vtd_step step = { .kind = entry->first_stage ? VTD_STEP_FIRST_STAGE : VTD_STEP_SECOND_STAGE, .level = entry->level,
		.entry = entry->entry, .table = { entry->entry.v & VIOMMU_PAGE_MASK },
		.index = (unsigned) (entry->entry.v % VIOMMU_PAGE_SIZE / 8), .words = 1, .raw = { entry->raw } };
	unsigned times = d->times;

	d->times = 0;
	if (times == 0)
		return;
	if (d->options->json) {
		viommu_jt_begin(d->text, NULL, '{');
		viommu_put_step(d->text, &d->target->unit, &step);
		viommu_jt_hex(d->text, "first", entry->iova.first);
		viommu_jt_hex(d->text, "last", entry->iova.last);
		if (times > 1)
			viommu_jt_int(d->text, "times", times);
		viommu_jt_end(d->text, '}');
		put_text(d);
		return;
	}
	printf("  0x%012" PRIx64 " %-10s GPA 0x%" PRIx64 ": 0x%016" PRIx64 " ", entry->iova.first, vtd_step_name(&step),
		entry->entry.v, entry->raw);
	viommu_render_fields(stdout, &d->target->unit, &step);
	if (times > 1)
		printf("  and the %u entries behind it are the same", times - 1);
	putchar('\n');
}

static void
show_entry(const vtd_table_entry *entry, void *user)
{
	dump *d = user;

	d->n_runs++;
	if (d->times && entry->raw == d->entry.raw && entry->level == d->entry.level &&
		entry->entry.v == d->entry.entry.v + (uint64_t) d->times * 8 && entry->entry.v % VIOMMU_PAGE_SIZE) {
		d->entry.iova.last = entry->iova.last;
		d->times++;
		return;
	}
	flush_entry(d);
	d->entry = *entry;
	d->times = 1;
}

/* What is to be said of an entry besides its bits. */
static void
show_finding(const vtd_run *run, void *user)
{
	dump *d = user;

	flush_entry(d);
	show_run(run, user);
	d->n_runs--;
}

static void
show_tables(dump *d, const vtd_device *device)
{
	const vtd_unit *unit = &d->target->unit;
	uint64_t bytes = d->bytes, runs = d->n_runs;
	gboolean ok;

	d->device = g_memdup2(device, sizeof(*device));
	g_hash_table_add(d->done, (gpointer) d->device);
	if (d->options->entries)
		ok = vtd_walk_entries(unit, d->target->memory, device, &d->budget, show_entry, show_finding, d, &d->error);
	else
		ok = vtd_walk_device(unit, d->target->memory, device, &d->budget, show_run, d, &d->error);
	flush_entry(d);
	if (!ok || d->options->json)
		return;
	if (d->n_runs == runs)
		printf("  nothing is mapped\n");
	else if (d->options->entries)
		printf("  %s entries\n", viommu_count_text(d->n_runs - runs).text);
	else
		printf("  %s in %s run%s\n", viommu_size_text(d->bytes - bytes).text, viommu_count_text(d->n_runs - runs).text,
			d->n_runs - runs == 1 ? "" : "s");
}

static void
put_comma_between_devices(dump *d)
{
	fputs(d->n_devices++ ? ",\n" : "\n", stdout);
}

/* Opens the object of a device and its list; the runs follow. */
static void
open_json(dump *d, const vtd_device *device, const vtd_device *shared)
{
	viommu_jt_begin(d->text, NULL, '{');
	viommu_put_device(d->text, &d->target->unit, device);
	if (shared)
		viommu_jt_bdf(d->text, "same_table_as", shared->sid);
	viommu_jt_begin(d->text, d->options->entries ? "entries" : "runs", '[');
	fwrite(d->text->str, 1, d->text->len, stdout);
	g_string_truncate(d->text, 0);
	d->comma = false;
}

static void
show_entries(const vtd_device *device, void *user)
{
	dump *d = user;
	const vtd_device *shared = device->outcome == VTD_TRANSLATES ? g_hash_table_lookup(d->done, device) : NULL;

	if (d->error)
		return;
	if (d->options->json) {
		put_comma_between_devices(d);
		open_json(d, device, shared);
	} else {
		g_autofree char *label = viommu_device_label(d->target->machine, device->sid);

		d->n_devices++;
		printf("\n%s%s%s: ", viommu_tone_on(VIOMMU_STRONG), label, viommu_tone_off(VIOMMU_STRONG));
		viommu_render_device(stdout, device);
		putchar('\n');
		viommu_render_steps(stdout, &d->target->unit, device->steps, device->n_steps, -1);
		if (shared)
			printf("  the same table as %s, shown there\n", viommu_bdf_text(shared->sid).text);
	}
	if (device->outcome == VTD_TRANSLATES && !shared)
		show_tables(d, device);
	if (d->options->json)
		fputs("]}", stdout);
}

static void
put_pasid_finding(dump *d, const vtd_device *device, const vtd_pasid_finding *finding)
{
	GString *out = d->text;

	viommu_jt_begin(out, NULL, '{');
	viommu_jt_bdf(out, "device", device->sid);
	viommu_jt_word(out, "outcome", run_text(finding->kind));
	viommu_jt_begin(out, "steps", '[');
	viommu_jt_end(out, ']');
	viommu_jt_int(out, "pasid_first", finding->first);
	viommu_jt_int(out, "pasid_last", finding->last);
	viommu_jt_hex(out, "table", finding->table.v);
	if (finding->entry.v)
		viommu_jt_hex(out, "entry_gpa", finding->entry.v);
	if (finding->kind == VTD_RUN_UNREADABLE)
		viommu_jt_word(out, "why", viommu_page_status_text(finding->status));
	if (finding->kind == VTD_RUN_REPEATED) {
		viommu_jt_begin(out, "same_as", '{');
		viommu_jt_bdf(out, "device", finding->before.sid);
		viommu_jt_int(out, "pasid", finding->before.pasid);
		viommu_jt_end(out, '}');
	}
	viommu_jt_begin(out, d->options->entries ? "entries" : "runs", '[');
	viommu_jt_end(out, ']');
	viommu_jt_end(out, '}');
	put_comma_between_devices(d);
	fwrite(out->str, 1, out->len, stdout);
	g_string_truncate(out, 0);
}

static void
show_pasid_finding(const vtd_device *device, const vtd_pasid_finding *finding, void *user)
{
	dump *d = user;
	const char *what = finding->entry.v ? "PASID table" : "PASID directory";
	g_autofree char *before = owner_text(finding->before.sid, true, finding->before.pasid);

	if (d->options->json) {
		put_pasid_finding(d, device, finding);
		return;
	}
	d->n_devices++;
	printf("\n%s%s%s: PASIDs %u to %u: the %s at GPA 0x%" PRIx64, viommu_tone_on(VIOMMU_STRONG),
		viommu_bdf_text(device->sid).text, viommu_tone_off(VIOMMU_STRONG), finding->first, finding->last, what,
		finding->table.v);
	if (finding->kind == VTD_RUN_REPEATED)
		printf(" is that of %s, shown there\n", before);
	else if (finding->kind == VTD_RUN_UNREADABLE)
		printf(" %sis not readable%s (%s)\n", viommu_tone_on(VIOMMU_BAD), viommu_tone_off(VIOMMU_BAD),
			viommu_page_status_text(finding->status));
	else
		printf(" was %s\n", run_text(finding->kind));
}

/* A device, and in scalable mode its other PASIDs. */
static void
show_device(const vtd_device *device, void *user)
{
	dump *d = user;

	show_entries(device, user);
	if (!d->error)
		vtd_for_each_pasid(&d->target->unit, d->target->memory, device, &d->budget, show_entries, show_pasid_finding, user,
			&d->error);
}

static gboolean
run_dump(dump *d, GError **error)
{
	const vtd_unit *unit = &d->target->unit;
	gboolean ok;

	if (d->options->one_device) {
		vtd_device device;

		ok = vtd_find_device(unit, d->target->memory, d->options->sid, &device, error);
		if (ok)
			show_device(&device, d);
	} else {
		ok = vtd_for_each_device(unit, d->target->memory, show_device, d, error);
	}
	if (ok && d->error) {
		g_propagate_error(error, g_steal_pointer(&d->error));
		return FALSE;
	}
	g_clear_error(&d->error);
	return ok;
}

static const char *
empty_text(const vtd_unit *unit)
{
	if (!vtd_gsts_tes(unit->gsts))
		return "translation is off (GSTS.TES = 0): no table is in use; did L1 boot with intel_iommu=on?";
	return "no device has a present context entry";
}

gboolean
viommu_dump_tables(const viommu_target *target, const viommu_dump_options *options, GError **error)
{
	g_autoptr(GHashTable) done = vtd_tables_new(g_free);
	g_autoptr(vtd_memo) memo = vtd_memo_new();
	g_autoptr(GString) text = g_string_new(NULL);
	dump d = { .target = target, .options = options, .done = done, .budget = VTD_DEFAULT_BUDGET, .text = text };
	json_t *qemu;

	d.budget.memo = memo;
	if (options->json) {
		qemu = viommu_machine_summary_json(target->machine, &target->unit);
		fputs("{\"format\":\"viommu-dump\",\"version\":1,\"qemu\":", stdout);
		json_dumpf(qemu, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		json_decref(qemu);
		fputs(",\"devices\":[", stdout);
	}
	if (!run_dump(&d, error))
		return FALSE;
	if (options->json)
		puts("]}");
	else if (d.n_devices == 0)
		printf("\n%s\n", empty_text(&target->unit));
	return TRUE;
}
