/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "render.h"

static const char help[] =
	"Usage: viommu dump TARGET [-d BDF]\n\n"
	"Shows every device that has a present context entry: its root and context\n"
	"entries and what its table translates, as runs of pages with consecutive IOVAs\n"
	"and GPAs. A table that several devices share is shown once.\n\n"
	"  viommu dump -q unix:/tmp/qmp\n"
	"  viommu dump -s saved.elf -d 00:04.0 --format json\n\n"
	"  -d, --device BDF      this device only\n"
	"      --format FORMAT   text (default) or json\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help            this text\n";

typedef struct {
	viommu_target *target;
	GPtrArray *done; /* of vtd_device: whose tables were shown */
	vtd_budget budget;
	gboolean json;
	json_t *devices, *runs; /* JSON only */
	uint64_t bytes, n_runs;
	unsigned n_devices;
	GError *error;
} dump;

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
	if (d->json) {
		json_array_append_new(d->runs, json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:i, s:o, s:o}", "kind",
			run_text(run->kind), "first", viommu_json_hex(run->iova.first), "last", viommu_json_hex(run->iova.last),
			"gpa", viommu_json_hex(run->gpa.v), "prot", viommu_prot_text(run->read, run->write).text, "page_size",
			viommu_json_hex(1ull << run->page_shift), "level", run->level, "entry_gpa",
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
show_tables(dump *d, const vtd_device *device)
{
	uint64_t bytes = d->bytes, runs = d->n_runs;

	g_ptr_array_add(d->done, g_memdup2(device, sizeof(*device)));
	if (!vtd_walk_device(&d->target->unit, d->target->memory, device, &d->budget, show_run, d, &d->error))
		return;
	if (!d->json && d->n_runs == runs)
		printf("  nothing is mapped\n");
	else if (!d->json)
		printf("  %s in %s runs\n", viommu_size_text(d->bytes - bytes).text, viommu_count_text(d->n_runs - runs).text);
}

static void
show_entries(const vtd_device *device, void *user)
{
	dump *d = user;
	const vtd_device *shared = device->outcome == VTD_TRANSLATES ? shown_before(d, device) : NULL;
	json_t *item = NULL;

	if (d->error)
		return;
	d->n_devices++;
	if (d->json) {
		item = viommu_device_json(&d->target->unit, device);
		d->runs = json_array();
		json_array_append_new(d->devices, item);
		json_object_set_new(item, "runs", d->runs);
		if (shared)
			json_object_set_new(item, "same_table_as", viommu_json_bdf(shared->sid));
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
run_dump(dump *d, const viommu_sid *only, GError **error)
{
	const vtd_unit *unit = &d->target->unit;
	gboolean ok;

	if (only) {
		vtd_device device;

		ok = vtd_find_device(unit, d->target->memory, *only, &device, error);
		if (ok)
			show_device(&device, d);
	} else {
		ok = vtd_for_each_device(unit, d->target->memory, show_device, d, error);
	}
	if (d->error)
		g_propagate_error(error, g_steal_pointer(&d->error));
	return ok && !(error && *error);
}

static const char *
empty_text(const vtd_unit *unit)
{
	if (!vtd_gsts_tes(unit->gsts))
		return "translation is off (GSTS.TES = 0): no table is in use; did L1 boot with intel_iommu=on?";
	return "no device has a present context entry";
}

int
viommu_cmd_dump(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_DEFAULTS;
	g_autofree char *device = NULL;
	const GOptionEntry own[] = { { "device", 'd', 0, G_OPTION_ARG_STRING, &device, NULL, NULL }, { 0 } };
	g_autoptr(viommu_target) target = NULL;
	g_autoptr(GPtrArray) done = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;
	dump d = { .done = done, .budget = VTD_DEFAULT_BUDGET };
	viommu_sid sid;
	int status = viommu_cmd_parse(&cmd, argc, argv, own, TRUE, help);

	if (status >= 0)
		return status;
	if (cmd.arguments[0])
		return viommu_cmd_usage("dump", "it takes no argument, but got \"%s\" (name a device with -d)", cmd.arguments[0]);
	if (device && !viommu_parse_bdf(device, &sid))
		return viommu_cmd_usage("dump", "\"%s\" is not a device of segment 0 like 00:04.0", device);
	target = viommu_target_open(&cmd.target, &error);
	if (!target)
		return viommu_cmd_fail("dump", error);
	d.target = target;
	d.json = cmd.json;
	d.devices = cmd.json ? json_array() : NULL;
	if (!cmd.json)
		viommu_render_machine(stdout, target->machine, &target->unit,
			target->snapshot ? viommu_snapshot_info(target->snapshot) : NULL, viommu_memory_name(target->memory));
	if (!run_dump(&d, device ? &sid : NULL, &error)) {
		json_decref(d.devices);
		return viommu_cmd_fail("dump", error);
	}
	if (cmd.json)
		viommu_cmd_print_json(json_pack("{s:s, s:i, s:o, s:o}", "format", "viommu-dump", "version", 1, "qemu",
			viommu_machine_summary_json(target->machine, &target->unit), "devices", d.devices));
	else if (d.n_devices == 0)
		printf("\n%s\n", empty_text(&target->unit));
	return VIOMMU_EXIT_CLEAN;
}
