/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record made from the kernel's tracepoints need not say which device a mapping is
 * for.  Then it is looked for in the tables of every device: a page that one of them
 * has as L1 asked is a match, and the note says where; a page that none has is
 * missing.  That another device maps the same IOVA elsewhere proves nothing.
 */
#include "join/join.h"
#include "record/pieces.h"
#include "text/text.h"

typedef struct {
	viommu_join *join;
	viommu_pieces *open; /* what has not been found yet */
	GArray *found;       /* of viommu_iova_range: to be taken out of open */
	GPtrArray *domains;  /* of vtd_device, each with tables of its own */
	GHashTable *known;   /* the same */
	const char *note;    /* where the walk is */
	GArray *near;        /* of viommu_run: the right page, but refused or with other permissions */
	const vtd_unit *unit;
	viommu_memory *memory;
	GError *error;
	bool incomplete;     /* something could not be read, so absence proves nothing */
} search;

static void
add_domain(const vtd_device *device, void *user)
{
	search *s = user;

	if (device->outcome == VTD_UNREADABLE)
		s->incomplete = true;
	if (device->outcome != VTD_TRANSLATES)
		return;
	if (g_hash_table_contains(s->known, device))
		return;
	g_ptr_array_add(s->domains, g_memdup2(device, sizeof(*device)));
	g_hash_table_add(s->known, g_ptr_array_index(s->domains, s->domains->len - 1));
}

/* A device, and in scalable mode its other PASIDs. */
static void
add_device(const vtd_device *device, void *user)
{
	search *s = user;

	add_domain(device, user);
	if (!s->error)
		vtd_for_each_pasid(s->unit, s->memory, device, s->join->budget, add_domain, NULL, user,
			&s->error);
}

static void
on_run(const vtd_run *seen, void *user)
{
	search *s = user;
	uint64_t at = seen->iova.first;
	const viommu_piece *piece;

	s->incomplete |= seen->kind == VTD_RUN_LOOP || seen->kind == VTD_RUN_UNVISITED ||
		(seen->kind == VTD_RUN_UNREADABLE && seen->status != VIOMMU_PAGE_NOT_RAM);
	while ((seen->kind == VTD_RUN_MAPPED || seen->kind == VTD_RUN_RESERVED) && (piece = viommu_pieces_from(s->open, at)) &&
		piece->iova.first <= seen->iova.last) {
		viommu_run run = viommu_expected_run(VIOMMU_MATCH, piece, MAX(at, piece->iova.first),
			MIN(seen->iova.last, piece->iova.last));

		viommu_observe(&run, seen);
		viommu_join_judge(s->join, seen, &run);
		/* Unverified: something is there, and the record does not know the GPA. */
		if (run.verdict == VIOMMU_MATCH || run.verdict == VIOMMU_UNVERIFIED) {
			if (run.verdict == VIOMMU_MATCH)
				run.note = s->note;
			viommu_join_add(s->join, &run);
			g_array_append_val(s->found, run.iova);
		} else if (run.has_observed && run.expected.gpa_known && run.gpa.v == run.expected.gpa.v) {
			run.note = s->note;
			g_array_append_val(s->near, run);
		}
		if (run.iova.last == seen->iova.last)
			break;
		at = run.iova.last + 1;
	}
}

static gboolean
search_domain(search *s, const vtd_device *device, const vtd_unit *unit, viommu_memory *memory, GError **error)
{
	g_autofree char *note = g_strdup_printf("in the tables of %s, domain %u", viommu_bdf_text(device->sid).text,
		device->did);
	gboolean ok;

	s->note = g_string_chunk_insert_const(s->join->result->notes, note);
	g_array_set_size(s->found, 0);
	ok = vtd_walk_device(unit, memory, device, s->join->budget, on_run, s, error);
	for (guint i = 0; i < s->found->len; i++)
		viommu_pieces_cut(s->open, g_array_index(s->found, viommu_iova_range, i), NULL, NULL);
	return ok;
}

/* What no table has as L1 asked, but one has for the right page. */
static void
add_near(search *s)
{
	for (guint i = 0; i < s->near->len; i++) {
		const viommu_run *run = &g_array_index(s->near, viommu_run, i);
		const viommu_piece *piece = viommu_pieces_from(s->open, run->iova.first);
		viommu_run part = *run;

		if (!piece || piece->iova.first > run->iova.first || piece->iova.last < run->iova.last)
			continue; /* found elsewhere, whole or in part: the rest is told as missing */
		viommu_join_add(s->join, &part);
		viommu_pieces_cut(s->open, run->iova, NULL, NULL);
	}
}

/* What no table has. */
static void
add_rest(search *s)
{
	const viommu_piece *piece = viommu_pieces_from(s->open, 0);

	while (piece) {
		viommu_run run = viommu_expected_run(s->incomplete ? VIOMMU_UNVERIFIED : VIOMMU_MISSING, piece,
			piece->iova.first, piece->iova.last);

		run.note = s->incomplete ? "in no device's tables that could be read, but not all could be"
					 : "in no device's tables; the record does not say which device it is for";
		viommu_join_add(s->join, &run);
		piece = run.iova.last == UINT64_MAX ? NULL : viommu_pieces_from(s->open, run.iova.last + 1);
	}
}

gboolean
viommu_join_any(viommu_join *j, const vtd_unit *unit, viommu_memory *memory, GError **error)
{
	g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GHashTable) known = vtd_tables_new(NULL);
	g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(viommu_iova_range));
	g_autoptr(GArray) near = g_array_new(FALSE, FALSE, sizeof(viommu_run));
	search s = { .join = j, .domains = domains, .known = known, .found = found, .near = near, .unit = unit,
		.memory = memory };
	gboolean ok;

	if (!vtd_gsts_tes(unit->gsts)) {
		viommu_join_add_expected(j, 0, UINT64_MAX, VIOMMU_TRANSLATION_OFF, NULL);
		return TRUE;
	}
	ok = vtd_for_each_device(unit, memory, add_device, &s, error);
	if (ok && s.error) {
		g_propagate_error(error, s.error);
		return FALSE;
	}
	g_clear_error(&s.error);
	s.open = viommu_pieces_copy(j->space->live);
	for (guint i = 0; ok && i < domains->len; i++)
		ok = search_domain(&s, g_ptr_array_index(domains, i), unit, memory, error);
	if (ok) {
		add_near(&s);
		add_rest(&s);
	}
	viommu_pieces_free(s.open);
	return ok;
}
