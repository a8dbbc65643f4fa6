/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every paging entry that a device can come to. */
#include <inttypes.h>
#include <stdlib.h>

#include "find/find.h"
#include "text/text.h"

/* Runs of one set of tables that are kept to see which share memory. */
#define MAX_RUNS (1u << 20)
#define SNP (1ull << 11)
#define TM (1ull << 62)
/* Linux maps the first 16 MiB to themselves for the ISA bridge, whatever is there
 * (CONFIG_INTEL_IOMMU_FLOPPY_WA). */
#define ISA_LAST 0xffffffull

typedef struct {
	const viommu_finder *f;
	const vtd_device *device;
	GHashTable *done;  /* tables that were walked */
	GArray *runs;      /* of viommu_gpa_range: RAM that this device's tables lead to */
	uint64_t highest;  /* IOVA that is mapped, of all devices */
	viommu_sid highest_sid;
	bool any;
	vtd_budget budget;
	GError *error;
} walker;

void
viommu_find_reserved(const viommu_finder *f, viommu_sid sid, viommu_iova iova, bool first_stage, unsigned level,
	viommu_gpa entry, uint64_t raw)
{
	viommu_where where = viommu_where_entry(entry, raw);
	uint64_t reserved;
	bool leaf;

	if (first_stage) {
		vtd_fs_entry fs;

		vtd_decode_fs(&f->unit, raw, level, &fs);
		reserved = fs.reserved;
		leaf = fs.leaf;
	} else {
		vtd_ss_entry ss;

		vtd_decode_ss(&f->unit, raw, level, &ss);
		reserved = ss.reserved;
		leaf = ss.leaf;
	}
	if (!first_stage && leaf && reserved == SNP && !f->unit.snoop_allowed)
		viommu_findings_add(f->list, "snoop-bit", where.text,
			"%s, IOVA 0x%" PRIx64 ", level %u: SNP (bit 11) is set, and ECAP.SC = 0", viommu_bdf_text(sid).text, iova.v,
			level);
	else
		viommu_findings_add(f->list, "reserved-bit", where.text,
			"%s, IOVA 0x%" PRIx64 ", %slevel %u: reserved bits 0x%" PRIx64 " are set%s", viommu_bdf_text(sid).text, iova.v,
			first_stage ? "first-stage " : "", level, reserved,
			reserved & TM && !first_stage ? " (bit 62 is TM, which goes with device-iotlb=on)" : "");
}

/* RAM that a run leads to is kept; the first byte of it that is not RAM is told. */
static void
see_mapped(walker *w, const vtd_run *run)
{
	const viommu_finder *f = w->f;
	uint64_t at = run->gpa.v, last = at + (run->iova.last - run->iova.first);

	if (!w->any || run->iova.last > w->highest) {
		w->any = true;
		w->highest = run->iova.last;
		w->highest_sid = w->device->sid;
	}
	while (at <= last) {
		const viommu_ram_region *ram = viommu_machine_ram_at(f->machine, VIOMMU_GPA(at));
		viommu_gpa_range part = { at, ram ? MIN(ram->gpa.last, last) : at };
		viommu_iova_range iova = { run->iova.first + (at - run->gpa.v), run->iova.last };

		if (!ram) {
			if (iova.first == at && last <= ISA_LAST)
				return;
			viommu_findings_add(f->list, at >> 32 ? "gpa-outside-ram" : "gpa-in-mmio-hole",
				viommu_where_entry(run->entry, run->raw).text,
				"%s, IOVA 0x%" PRIx64 "-0x%" PRIx64 ": no RAM at GPA 0x%" PRIx64, viommu_bdf_text(w->device->sid).text,
				iova.first, iova.last, at);
			return;
		}
		if (w->runs->len < MAX_RUNS)
			g_array_append_val(w->runs, part);
		if (part.last == UINT64_MAX)
			return;
		at = part.last + 1;
	}
}

static void
see_unreadable(const walker *w, const vtd_run *run)
{
	g_autofree char *where = g_strdup_printf("table at GPA 0x%" PRIx64, run->gpa.v);

	viommu_findings_add(w->f->list, run->status == VIOMMU_PAGE_NOT_RAM ? "table-outside-ram" : "table-unread", where,
		"%s, IOVA 0x%" PRIx64 "-0x%" PRIx64 ", named at level %u: %s", viommu_bdf_text(w->device->sid).text,
		run->iova.first, run->iova.last, run->level, viommu_page_status_text(run->status));
}

static void
see_run(const vtd_run *run, void *user)
{
	walker *w = user;
	const viommu_finder *f = w->f;
	viommu_where entry = viommu_where_entry(run->entry, run->raw);
	viommu_text name = viommu_bdf_text(w->device->sid);

	switch (run->kind) {
	case VTD_RUN_MAPPED:
		see_mapped(w, run);
		break;
	case VTD_RUN_RESERVED:
		viommu_find_reserved(f, w->device->sid, VIOMMU_IOVA(run->iova.first), run->first_stage, run->level, run->entry,
			run->raw);
		break;
	case VTD_RUN_UNREADABLE:
		see_unreadable(w, run);
		break;
	case VTD_RUN_LOOP:
		viommu_findings_add(f->list, "table-loop", entry.text,
			"%s, IOVA 0x%" PRIx64 ", level %u: it names a table that leads to it", name.text, run->iova.first, run->level);
		break;
	case VTD_RUN_REPEATED:
		viommu_findings_add(f->list, "table-in-two-places", entry.text,
			"%s, IOVA 0x%" PRIx64 ": the table at GPA 0x%" PRIx64 " is in use at IOVA 0x%" PRIx64 " of %s too", name.text,
			run->iova.first, run->gpa.v, run->before.iova.v, viommu_bdf_text(run->before.sid).text);
		break;
	case VTD_RUN_UNVISITED:
		viommu_findings_add(f->list, "walk-unfinished", viommu_where_iova(w->device->sid, run->iova).text,
			"the tables claim more than was looked at");
		break;
	case VTD_RUN_INTERRUPT:
		viommu_findings_add(f->list, "interrupt-range-mapped", entry.text,
			"%s, IOVA 0x%" PRIx64 ": it overlaps 0x%llx-0x%llx", name.text, run->iova.first, VTD_INTERRUPT_FIRST,
			VTD_INTERRUPT_LAST);
		break;
	case VTD_RUN_PRIVILEGE:
		viommu_findings_add(f->list, "supervisor-page", entry.text, "%s, IOVA 0x%" PRIx64 ": U/S = 0", name.text,
			run->iova.first);
		break;
	}
}

static int
cmp_gpa(const void *a, const void *b)
{
	const viommu_gpa_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* The same memory at two IOVAs of one device. */
static void
find_twice(walker *w)
{
	uint64_t last = 0, pages = 0, example = 0;
	bool any = false;

	g_array_sort(w->runs, cmp_gpa);
	for (guint i = 0; i < w->runs->len; i++) {
		const viommu_gpa_range *run = &g_array_index(w->runs, viommu_gpa_range, i);

		if (any && run->first <= last) {
			if (!pages)
				example = run->first;
			pages += ((MIN(run->last, last) - run->first) >> VIOMMU_PAGE_SHIFT) + 1;
		}
		last = any ? MAX(last, run->last) : run->last;
		any = true;
	}
	if (pages)
		viommu_findings_add(w->f->list, "gpa-mapped-twice", viommu_where_device(w->device->sid).text,
			"%s pages more than once, the first at GPA 0x%" PRIx64, viommu_count_text(pages).text, example);
	g_array_set_size(w->runs, 0);
}

static void
see_device(const vtd_device *device, void *user)
{
	walker *w = user;

	if (w->error || device->outcome != VTD_TRANSLATES || g_hash_table_contains(w->done, device))
		return;
	g_hash_table_add(w->done, g_memdup2(device, sizeof(*device)));
	w->device = device;
	if (vtd_walk_device(&w->f->unit, w->f->memory, device, &w->budget, see_run, w, &w->error))
		find_twice(w);
}

gboolean
viommu_find_tables_within(viommu_findings *self, const viommu_snapshot *snapshot, vtd_budget budget, GError **error)
{
	g_auto(viommu_finder) f;
	g_autoptr(GHashTable) done = vtd_tables_new(g_free);
	g_autoptr(vtd_memo) memo = vtd_memo_new();
	g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(viommu_gpa_range));
	walker w = { .f = &f, .done = done, .runs = runs, .budget = budget };
	unsigned bits;

	viommu_finder_init(&f, self, snapshot);
	w.budget.memo = memo;
	if (!vtd_for_each_device(&f.unit, f.memory, see_device, &w, error))
		return FALSE;
	if (w.error) {
		g_propagate_error(error, w.error);
		return FALSE;
	}
	bits = vtd_cap_mgaw(f.unit.cap);
	if (w.any && bits < 48)
		viommu_findings_add(self, "narrow-width", viommu_where_device(w.highest_sid).text,
			"the highest IOVA in use is 0x%" PRIx64 " of %u bits", w.highest, bits);
	return TRUE;
}

gboolean
viommu_find_tables(viommu_findings *self, const viommu_snapshot *snapshot, GError **error)
{
	return viommu_find_tables_within(self, snapshot, VTD_DEFAULT_BUDGET, error);
}
