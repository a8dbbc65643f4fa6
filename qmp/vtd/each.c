/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every device, and every PASID of a device.  L1 can make all 65536 contexts lead to
 * one PASID directory, and all of its 16384 entries to one table: each of them is told
 * once.
 */
#include <string.h>

#include "cache.h"
#include "memo.h"
#include "step.h"

gboolean
vtd_for_each_device(const vtd_unit *unit, viommu_memory *memory, vtd_device_visitor visit, void *user,
	GError **error)
{
	vtd_cache cache;

	vtd_cache_init(&cache, memory);
	if (!vtd_gsts_tes(unit->gsts))
		return TRUE;
	for (unsigned bus = 0; bus < 256; bus++) {
		for (unsigned devfn = 0; devfn < 256; devfn++) {
			vtd_device device;

			if (!vtd_find_device(unit, &cache.base, viommu_sid_make(bus, devfn >> 3, devfn & 7), &device, error))
				return FALSE;
			/* In scalable mode each half of a bus has its own table. */
			if (device.fault == VTD_FAULT_ROOT_NOT_PRESENT) {
				if (!unit->scalable || devfn >= 128)
					break;
				devfn = 127;
				continue;
			}
			if (device.fault != VTD_FAULT_CONTEXT_NOT_PRESENT)
				visit(&device, user);
			if (!device.steps[0].words)
				return TRUE; /* all buses share this trouble */
			if (device.n_steps < 2 || !device.steps[1].words) {
				if (!unit->scalable || devfn >= 128 || device.n_steps < 2)
					break; /* the whole bus shares this trouble */
				devfn = 127;
			}
		}
	}
	return TRUE;
}

typedef struct {
	const vtd_unit *unit;
	vtd_cache cache;
	const vtd_device *device;
	vtd_budget *budget;
	vtd_memo *memo;
	vtd_device_visitor visit;
	vtd_pasid_finding_visitor tell;
	void *user;
	vtd_pasid_finding last; /* not yet told */
	bool has_last;
	bool stop;
	uint64_t n; /* visits and findings */
} search;

/* In the place of a directory in which nothing was found: nothing has to be told of it. */
#define EMPTY (VIOMMU_IOVA(1))

static void
flush(search *s)
{
	if (s->has_last && s->tell)
		s->tell(s->device, &s->last, s->user);
	s->has_last = false;
}

/* Neighbouring PASIDs of which the same is to be said. */
static bool
joins(const vtd_pasid_finding *a, const vtd_pasid_finding *b)
{
	uint32_t pages = (b->first - a->first) / (VIOMMU_PAGE_SIZE / 8 * 64);

	if (a->kind != b->kind || a->last + 1 != b->first || a->status != b->status || a->before.sid.v != b->before.sid.v ||
		!a->entry.v != !b->entry.v)
		return false;
	if (a->entry.v)
		return a->table.v == b->table.v;
	return b->table.v - a->table.v == (uint64_t) pages * VIOMMU_PAGE_SIZE &&
		(a->kind != VTD_RUN_REPEATED || b->before.pasid - a->before.pasid == b->first - a->first);
}

static void
found(search *s, const vtd_pasid_finding *finding)
{
	if (s->has_last && joins(&s->last, finding)) {
		s->last.last = finding->last;
		return;
	}
	flush(s);
	s->n++;
	s->last = *finding;
	s->has_last = true;
}

/* The 64 entries of one PASID table; first is the PASID of the first one. */
static gboolean
visit_table(search *s, vtd_pasid_finding *at, GError **error)
{
	for (uint32_t pasid = at->first; pasid <= at->last; pasid++) {
		vtd_device device;

		if (pasid == s->device->sm_context.rid_pasid)
			continue;
		if (!vtd_find_pasid(s->unit, &s->cache.base, s->device->sid, pasid, &device, error))
			return FALSE;
		/* A running L1 may have changed what leads here. */
		if (device.n_steps < 4)
			return TRUE;
		if (!device.steps[3].words) {
			at->kind = VTD_RUN_UNREADABLE;
			at->status = device.steps[3].status;
			found(s, at);
			return TRUE;
		}
		if (device.pasid_entry.present) {
			flush(s);
			s->n++;
			s->visit(&device, s->user);
		}
	}
	return TRUE;
}

static vtd_place
place_of(const search *s, uint32_t pasid)
{
	return (vtd_place){ s->device->sid, pasid, { 0 } };
}

/* Has this been told? If not, it will be now. */
static bool
told(search *s, uint64_t key, vtd_pasid_finding *at)
{
	const vtd_place *before = vtd_memo_find(s->memo, key);

	if (!before) {
		vtd_memo_add(s->memo, key, place_of(s, at->first));
		return false;
	}
	at->kind = VTD_RUN_REPEATED;
	at->before = *before;
	return true;
}

static gboolean
visit_dir_entry(search *s, const uint64_t *page, viommu_gpa directory, uint32_t index, uint32_t last, GError **error)
{
	vtd_pasid_finding at = { .first = index << 6, .last = (index << 6) + 63,
		.entry = VIOMMU_GPA(directory.v + (uint64_t) index * 8) };
	vtd_pasid_dir_entry dir;

	vtd_decode_pasid_dir(GUINT64_FROM_LE(page[index % (VIOMMU_PAGE_SIZE / 8)]), &dir);
	if (!dir.present)
		return TRUE;
	at.table = dir.pasid_table;
	if (s->budget->tables == 0) {
		at.kind = VTD_RUN_UNVISITED;
		at.last = last;
		found(s, &at);
		s->stop = true;
		return TRUE;
	}
	if (told(s, vtd_memo_pasid_table(dir.pasid_table), &at)) {
		found(s, &at);
		return TRUE;
	}
	s->budget->tables--;
	return visit_table(s, &at, error);
}

static bool
any_present(const uint64_t *page, uint32_t entries)
{
	for (uint32_t i = 0; i < entries; i++)
		if (GUINT64_FROM_LE(page[i]) & 1)
			return true;
	return false;
}

/* One page of the directory, from the entry index on. */
static gboolean
visit_dir_page(search *s, viommu_gpa directory, uint32_t index, uint32_t entries, GError **error)
{
	uint32_t end = MIN(entries, index + VIOMMU_PAGE_SIZE / 8);
	vtd_pasid_finding at = { .kind = VTD_RUN_UNREADABLE, .first = index << 6, .last = (end << 6) - 1,
		.table = VIOMMU_GPA(directory.v + (uint64_t) index * 8) };
	uint64_t page[VIOMMU_PAGE_SIZE / 8];
	viommu_page_read read = { .gpa = at.table, .buffer = (uint8_t *) page };

	if (!viommu_memory_read_pages(&s->cache.base, &read, 1, error))
		return FALSE;
	at.status = read.status;
	if (read.status == VIOMMU_PAGE_OK) {
		memcpy(page, read.data, sizeof(page));
		if (!any_present(page, end - index))
			return TRUE; /* nothing to tell */
	}
	if (told(s, vtd_memo_pasid_dir_page(at.table, end - index), &at) || read.status != VIOMMU_PAGE_OK) {
		found(s, &at);
		return TRUE;
	}
	for (uint32_t i = index; i < end && !s->stop; i++)
		if (!visit_dir_entry(s, page, directory, i, (entries << 6) - 1, error))
			return FALSE;
	return TRUE;
}

static gboolean
visit_directory(search *s, GError **error)
{
	const vtd_sm_context_entry *context = &s->device->sm_context;
	uint32_t entries = 1u << (context->pdts + 7);
	uint64_t key = vtd_memo_pasid_dir(context->pasid_directory, context->pdts);
	const vtd_place *before = vtd_memo_find(s->memo, key);
	vtd_place here = place_of(s, 0);

	if (before) {
		vtd_pasid_finding whole = { .kind = VTD_RUN_REPEATED, .last = (entries << 6) - 1,
			.table = context->pasid_directory, .before = *before };

		if (before->iova.v != EMPTY.v)
			found(s, &whole);
		return TRUE;
	}
	for (uint32_t index = 0; index < entries && !s->stop; index += VIOMMU_PAGE_SIZE / 8)
		if (!visit_dir_page(s, context->pasid_directory, index, entries, error))
			return FALSE;
	if (s->n == 0)
		here.iova = EMPTY;
	vtd_memo_add(s->memo, key, here);
	return TRUE;
}

gboolean
vtd_for_each_pasid(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, vtd_budget *budget,
	vtd_device_visitor visit, vtd_pasid_finding_visitor finding, void *user, GError **error)
{
	g_autoptr(vtd_memo) own = budget->memo ? NULL : vtd_memo_new();
	search s = { .unit = unit, .device = device, .budget = budget, .memo = own ? own : budget->memo, .visit = visit,
		.tell = finding, .user = user };

	if (!device->scalable || !device->sm_context.present || device->n_steps < 3)
		return TRUE;
	vtd_cache_init(&s.cache, memory);
	if (!visit_directory(&s, error))
		return FALSE;
	flush(&s);
	return TRUE;
}
