/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scene.h"

#include <string.h>

#include "record/pieces.h"

static void
free_record(gpointer record)
{
	viommu_record_free(record);
}

scene *
scene_new(bool complete)
{
	scene *self = g_new0(scene, 1);

	self->t = tables_new(39);
	self->top = tables_device(self->t, SCENE_SID, 3);
	self->text = record_text_new();
	self->backing = g_array_new(FALSE, FALSE, sizeof(viommu_backing));
	self->records = g_ptr_array_new_with_free_func(free_record);
	record_attach(self->text, 1, "0000:00:04.0", complete);
	return self;
}

static void
forget(scene *self)
{
	g_clear_pointer(&self->result, viommu_result_free);
	g_clear_pointer(&self->snapshot, viommu_snapshot_free);
	g_ptr_array_set_size(self->records, 0);
}

void
scene_free(scene *self)
{
	if (!self)
		return;
	forget(self);
	g_ptr_array_unref(self->records);
	g_array_unref(self->backing);
	record_text_free(self->text);
	tables_free(self->t);
	g_free(self);
}

void
scene_ask(scene *self, uint64_t iova, uint64_t gpa, uint64_t size, const char *prot)
{
	record_map(self->text, 1, iova, gpa, size, prot);
}

void
scene_have(scene *self, uint64_t iova, uint64_t gpa, uint64_t size, uint64_t bits)
{
	tables_map_pages(self->t, self->top, 3, iova, gpa, size, bits);
}

void
scene_both(scene *self, uint64_t iova, uint64_t gpa, uint64_t size)
{
	scene_ask(self, iova, gpa, size, "rw");
	scene_have(self, iova, gpa, size, PTE_RW);
}

static uint64_t
pages_of(viommu_iova_range range)
{
	return ((range.last - range.first) >> 12) + 1;
}

static uint64_t
live_pages(const viommu_space *space)
{
	const viommu_piece *piece = viommu_pieces_from(space->live, 0);
	uint64_t ret = 0;

	while (piece) {
		ret += pages_of(piece->iova);
		piece = piece->iova.last == UINT64_MAX
				? NULL
				: viommu_pieces_from(space->live, piece->iova.last + 1);
	}
	return ret;
}

/* Every page that L1 has mapped got one verdict, and every number is the sum of what it counts. */
static void
check_counts(const viommu_result *result)
{
	uint64_t pages[VIOMMU_VERDICTS] = { 0 }, runs[VIOMMU_VERDICTS] = { 0 },
		 targets[VIOMMU_VERDICTS] = { 0 };
	g_autofree uint64_t *asked = g_new0(uint64_t, result->targets->len);
	g_autofree uint64_t *of_chain = g_new0(uint64_t, 2 * result->chains->len);
	uint64_t faults = 0, read_added = 0;
	guint remarkable = 0;

	for (guint i = 0; i < result->runs->len; i++) {
		const viommu_run *run = &g_array_index(result->runs, viommu_run, i);
		const viommu_run *last = i ? run - 1 : NULL;

		g_assert_cmphex(run->iova.first % 4096, ==, 0);
		g_assert_cmphex(run->iova.last % 4096, ==, 4095);
		/* In IOVA order, except where the tables of several devices were searched. */
		if (last && last->target == run->target &&
			!g_array_index(result->targets, viommu_target_result, run->target).any_device)
			g_assert_cmphex(last->iova.last, <, run->iova.first);
		pages[run->verdict] += pages_of(run->iova);
		of_chain[2 * run->chain + (run->verdict == VIOMMU_GONE)] += pages_of(run->iova);
		read_added += run->read_added ? pages_of(run->iova) : 0;
		remarkable += viommu_run_is_fault(result, run) || (run->verdict != VIOMMU_MATCH && run->verdict != VIOMMU_GONE);
		runs[run->verdict]++;
		if (run->has_expected && run->verdict != VIOMMU_STALE && run->verdict != VIOMMU_GONE)
			asked[run->target] += pages_of(run->iova);
		if (run->verdict == VIOMMU_MATCH && !viommu_run_is_fault(result, run))
			g_assert_null(run->evidence);
		if (run->verdict == VIOMMU_UNVERIFIED)
			g_assert_nonnull(run->note);
	}
	for (guint i = 0; i < result->targets->len; i++) {
		const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, i);

		g_assert_cmpuint(asked[i], ==, target->same_as == i ? live_pages(target->space) : 0);
		for (unsigned v = 0; v < VIOMMU_VERDICTS; v++)
			targets[v] += target->pages[v];
	}
	for (unsigned i = VIOMMU_LINK_INVALIDATION; i < VIOMMU_LINKS; i++)
		faults += result->broken[i];
	for (unsigned v = 0; v < VIOMMU_VERDICTS; v++) {
		g_assert_cmpuint(result->pages[v], ==, pages[v]);
		g_assert_cmpuint(result->pages[v], ==, targets[v]);
		g_assert_cmpuint(result->runs_of[v], ==, runs[v]);
		faults += viommu_verdict_is_fault(v) ? pages[v] : 0;
	}
	g_assert_cmpuint(viommu_result_faults(result), ==, faults);
	g_assert_cmpuint(result->remarkable, ==, remarkable);
	g_assert_cmpuint(result->read_added, ==, read_added);
	g_assert_cmpuint(result->chain_pages->len, ==, result->chains->len);
	for (guint i = 0; i < result->chains->len; i++) {
		g_assert_cmpuint(g_array_index(result->chain_pages, viommu_chain_pages, i).mapped, ==, of_chain[2 * i]);
		g_assert_cmpuint(g_array_index(result->chain_pages, viommu_chain_pages, i).gone, ==, of_chain[2 * i + 1]);
		for (guint k = 0; k < i; k++)
			g_assert_false(viommu_chain_equal(&g_array_index(result->chains, viommu_chain, i),
				&g_array_index(result->chains, viommu_chain, k)));
	}
}

void
scene_judge(scene *self)
{
	g_autoptr(GError) error = NULL;
	gsize before = self->text->text->len;
	uint64_t seq = self->text->seq;

	forget(self);
	record_end(self->text);
	g_ptr_array_add(self->records, record_good(self->text, self->at));
	g_string_truncate(self->text->text, before); /* so that a test can go on */
	self->text->seq = seq;
	self->snapshot = tables_snapshot(self->t);
	for (guint i = 0; i < self->backing->len; i++)
		g_assert_true(viommu_snapshot_add_backing(
			self->snapshot, &g_array_index(self->backing, viommu_backing, i)));
	self->result = viommu_verify(self->records, self->snapshot, &self->witnesses, &error);
	g_assert_no_error(error);
	check_counts(self->result);
}

void
scene_expect(scene *self, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);

	scene_judge(self);
	for (guint i = 0; i < self->result->runs->len; i++) {
		const viommu_run *run = scene_run(self, i);

		if (run->verdict == VIOMMU_GONE)
			continue;
		g_string_append_printf(text, "%s %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
			viommu_verdict_name(run->verdict), run->iova.first, run->iova.last);
		if (run->has_expected && run->expected.gpa_known)
			g_string_append_printf(text, " want %" G_GINT64_MODIFIER "x %s%s",
				run->expected.gpa.v, run->expected.read ? "r" : "",
				run->expected.write ? "w" : "");
		else if (run->has_expected)
			g_string_append_printf(text, " want ? %s%s", run->expected.read ? "r" : "",
				run->expected.write ? "w" : "");
		if (run->has_observed)
			g_string_append_printf(text, " have %" G_GINT64_MODIFIER "x %s%s %u", run->gpa.v,
				run->read ? "r" : "", run->write ? "w" : "", run->page_shift);
		g_string_append_printf(
			text, "%s%s\n", run->other_page_size ? " size" : "", run->read_added ? " read" : "");
	}
	g_assert_cmpstr(text->str, ==, wanted);
}

const viommu_run *
scene_run(const scene *self, guint i)
{
	g_assert_cmpuint(i, <, self->result->runs->len);
	return &g_array_index(self->result->runs, viommu_run, i);
}

const viommu_target_result *
scene_target(const scene *self, guint i)
{
	g_assert_cmpuint(i, <, self->result->targets->len);
	return &g_array_index(self->result->targets, viommu_target_result, i);
}
