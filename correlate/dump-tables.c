/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translation tables.  Text and JSON are both written as the walk goes on, so
 * that a pipe sees them at once and memory does not grow with the tables.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dump.h"
#include "render.h"
#include "text.h"

typedef struct {
	const viommu_target *target;
	const viommu_dump_options *options;
	GPtrArray *done; /* of vtd_device: whose tables were shown */
	vtd_budget budget;
	uint64_t bytes, n_runs;
	unsigned n_devices;
	bool comma; /* JSON: the list that is being written has something in it */
	GError *error;
} dump;

/* Writes one element of the list that is open. Takes item. */
static void
put_json(dump *d, json_t *item)
{
	fputs(d->comma ? ",\n" : "\n", stdout);
	json_dumpf(item, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(item);
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
	case VTD_RUN_UNVISITED:
		return "not visited: too many tables";
	case VTD_RUN_INTERRUPT:
		return "in the interrupt address range: refused";
	case VTD_RUN_PRIVILEGE:
		return "for supervisors only (U/S = 0): refused";
	}
	return "unknown";
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
		put_json(d, json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:i, s:o, s:o}", "kind", run_text(run->kind), "first",
			viommu_json_hex(run->iova.first), "last", viommu_json_hex(run->iova.last), "gpa",
			viommu_json_hex(run->gpa.v), "prot", viommu_prot_text(run->read, run->write).text, "page_size",
			viommu_json_hex(1ull << run->page_shift), "level", (int) run->level, "entry_gpa",
			viommu_json_hex(run->entry.v), "entry", viommu_json_hex(run->raw)));
		return;
	}
	printf("  0x%012" PRIx64 "-0x%012" PRIx64 "  %10s  %s  ", run->iova.first, run->iova.last,
		viommu_size_text(size).text, viommu_prot_text(run->read, run->write).text);
	if (run->kind == VTD_RUN_MAPPED)
		printf("GPA 0x%" PRIx64 "  %s pages\n", run->gpa.v, viommu_size_text(1ull << run->page_shift).text);
	else
		printf("%s%s%s: level-%u entry at GPA 0x%" PRIx64 ": 0x%016" PRIx64 "\n", viommu_tone_on(VIOMMU_BAD),
			run_text(run->kind), viommu_tone_off(VIOMMU_BAD), run->level, run->entry.v, run->raw);
}

static const vtd_device *
shown_before(const dump *d, const vtd_device *device)
{
	for (guint i = 0; i < d->done->len; i++) {
		const vtd_device *other = g_ptr_array_index(d->done, i);

		if (vtd_same_tables(other, device))
			return other;
	}
	return NULL;
}

static void
show_entry(const vtd_table_entry *entry, void *user)
{
	dump *d = user;
	vtd_step step = { .kind = entry->first_stage ? VTD_STEP_FIRST_STAGE : VTD_STEP_SECOND_STAGE, .level = entry->level,
		.entry = entry->entry, .table = { entry->entry.v & VIOMMU_PAGE_MASK },
		.index = (unsigned) (entry->entry.v % VIOMMU_PAGE_SIZE / 8), .words = 1, .raw = { entry->raw } };

	d->n_runs++;
	if (d->options->json) {
		json_t *list = viommu_steps_json(&d->target->unit, &step, 1);
		json_t *item = json_incref(json_array_get(list, 0));

		json_decref(list);
		json_object_set_new(item, "first", viommu_json_hex(entry->iova.first));
		json_object_set_new(item, "last", viommu_json_hex(entry->iova.last));
		put_json(d, item);
		return;
	}
	printf("  0x%012" PRIx64 " %-10s GPA 0x%" PRIx64 ": 0x%016" PRIx64 " ", entry->iova.first, vtd_step_name(&step),
		entry->entry.v, entry->raw);
	viommu_render_fields(stdout, &d->target->unit, &step);
	putchar('\n');
}

static void
show_tables(dump *d, const vtd_device *device)
{
	const vtd_unit *unit = &d->target->unit;
	uint64_t bytes = d->bytes, runs = d->n_runs;
	gboolean ok;

	g_ptr_array_add(d->done, g_memdup2(device, sizeof(*device)));
	if (d->options->entries)
		ok = vtd_walk_entries(unit, d->target->memory, device, &d->budget, show_entry, d, &d->error);
	else
		ok = vtd_walk_device(unit, d->target->memory, device, &d->budget, show_run, d, &d->error);
	if (!ok || d->options->json)
		return;
	if (d->n_runs == runs)
		printf("  nothing is mapped\n");
	else if (d->options->entries)
		printf("  %s entries\n", viommu_count_text(d->n_runs - runs).text);
	else
		printf("  %s in %s runs\n", viommu_size_text(d->bytes - bytes).text, viommu_count_text(d->n_runs - runs).text);
}

/* Opens the object of a device and its list; the runs follow. */
static void
open_json(dump *d, const vtd_device *device, const vtd_device *shared)
{
	json_t *item = viommu_device_json(&d->target->unit, device);
	char *text;

	if (shared)
		json_object_set_new(item, "same_table_as", viommu_json_bdf(shared->sid));
	text = json_dumps(item, JSON_COMPACT | JSON_ENSURE_ASCII);
	printf("%s%.*s,\"%s\":[", d->n_devices > 1 ? ",\n" : "\n", (int) strlen(text) - 1, text,
		d->options->entries ? "entries" : "runs");
	free(text);
	json_decref(item);
	d->comma = false;
}

static void
show_entries(const vtd_device *device, void *user)
{
	dump *d = user;
	const vtd_device *shared = device->outcome == VTD_TRANSLATES ? shown_before(d, device) : NULL;

	if (d->error)
		return;
	d->n_devices++;
	if (d->options->json) {
		open_json(d, device, shared);
	} else {
		g_autofree char *label = viommu_device_label(d->target->machine, device->sid);

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

/* A device, and in scalable mode its other PASIDs. */
static void
show_device(const vtd_device *device, void *user)
{
	dump *d = user;

	show_entries(device, user);
	if (!d->error)
		vtd_for_each_pasid(&d->target->unit, d->target->memory, device, &d->budget, show_entries, user, &d->error);
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
	g_autoptr(GPtrArray) done = g_ptr_array_new_with_free_func(g_free);
	dump d = { .target = target, .options = options, .done = done, .budget = VTD_DEFAULT_BUDGET };
	json_t *qemu;

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
