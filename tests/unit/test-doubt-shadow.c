/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L1's table and the host's IOMMU, read one after the other while L1 goes on: what is proven? */
#include <string.h>

#include "join/doubt.h"
#include "record/record-same.h"
#include "shadow-scene.h"

#define IOVA 0x40000000ull
#define HPA 0x700000000ull

/* Six pages in all: four are mapped, of which the host lacks the second; it has the last of
 * two that were unmapped, and a seventh that L1 never asked for. */
static scene *
look(void)
{
	scene *s = shadow_scene_new();
	viommu_shadow *shadow = shadow_scene_shadow(s, 0);

	scene_both(s, IOVA, 0x5000, 0x4000);
	record_map(s->text, 1, IOVA + 0x4000, 0x9000, 0x2000, "rw");
	record_unmap(s->text, 1, IOVA + 0x4000, 0x2000);
	shadow_scene_stands(s, 0x5000, HPA, 0x4000);
	shadow_scene_maps(shadow, IOVA, HPA, 0x1000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x2000, HPA + 0x2000, 0x2000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x5000, HPA + 0x5000, 0x2000, "rw");
	return s;
}

static viommu_record *
read_now(const scene *s)
{
	viommu_record *ret = record_good(s->text, NULL);

	g_assert_false(ret->ended);
	return ret;
}

static void
free_record(void *record)
{
	viommu_record_free(record);
}

static GPtrArray *
list_of(viommu_record *record)
{
	GPtrArray *ret = g_ptr_array_new_with_free_func(free_record);

	g_ptr_array_add(ret, record);
	return ret;
}

/* "name first-last" of each stretch whose link 5 is broken ("broken"), or in doubt. */
static char *
said(const scene *s)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < s->result->runs->len; i++) {
		const viommu_run *run = scene_run(s, i);
		const viommu_link_status *status = shadow_scene_status(s, i);
		viommu_doubt doubt = viommu_doubt_of_status(status);

		if (status->state != VIOMMU_LINK_BROKEN && !doubt)
			continue;
		g_assert_cmpint(status->state == VIOMMU_LINK_BROKEN, !=, doubt != VIOMMU_DOUBT_NONE);
		g_assert_cmpint(run->verdict == VIOMMU_GONE, ==, run->iova.first >= IOVA + 0x4000);
		g_string_append_printf(text, "%s %x-%x\n", doubt ? viommu_doubt_name(doubt) : "broken",
			(unsigned) (run->iova.first - IOVA), (unsigned) (run->iova.last - IOVA));
	}
	return g_string_free(text, FALSE);
}

/* Of two such looks; after: what was done to the record of the later one since; NULL: it cannot be read. */
static void
expect(scene *earlier, scene *later, void (*after)(record_text *text), uint64_t doubtful, const char *wanted)
{
	g_autoptr(GPtrArray) before = list_of(read_now(earlier)), then = NULL;
	viommu_record_times times = { .before = before };
	g_autofree char *text = NULL;

	if (after) {
		g_autoptr(record_text) longer = record_text_new();

		g_string_assign(longer->text, later->text->text->str);
		longer->seq = later->text->seq;
		after(longer);
		then = list_of(record_good(longer, NULL));
	}
	scene_judge(earlier);
	scene_judge(later);
	times.judged = later->records;
	times.after = then;
	g_assert_true(viommu_result_shadow_differs(later->result));
	g_assert_cmpuint(viommu_result_faults(later->result), ==, 3);
	g_assert_cmpuint(viommu_result_doubt_shadow(later->result, earlier->result, &times, false), ==, doubtful);
	g_assert_cmpuint(viommu_result_faults(later->result), ==, 3); /* only counted */
	g_assert_cmpuint(viommu_result_doubt_shadow(later->result, earlier->result, &times, true), ==, doubtful);
	text = said(later);
	g_assert_cmpstr(text, ==, wanted);
	g_assert_cmpuint(viommu_result_faults(later->result), ==, 3 - doubtful);
	g_assert_cmpint(viommu_result_shadow_differs(later->result), ==, doubtful < 3);
}

static void
nothing(record_text *text)
{
	record_event(text, "mark", "\"name\":\"rest\"");
}

static void
test_proven(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	expect(a, b, nothing, 0, "broken 1000-1fff\nbroken 5000-5fff\nbroken 6000-6fff\n");
}

static void
use_again(record_text *text)
{
	record_map(text, 1, IOVA + 0x5000, 0x20000, 0x2000, "rw");
	record_unmap(text, 1, IOVA + 0x5000, 0x2000);
}

/* What was unmapped was mapped and unmapped once more while it was looked at. */
static void
test_used_again(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	expect(a, b, use_again, 2, "broken 1000-1fff\nchanged 5000-5fff\nchanged 6000-6fff\n");
}

static void
map_anew(record_text *text)
{
	record_unmap(text, 1, IOVA + 0x1000, 0x1000);
	record_map(text, 1, IOVA + 0x1000, 0x6000, 0x1000, "rw"); /* to the same page */
}

static void
test_mapped_anew(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	expect(a, b, map_anew, 1, "changed 1000-1fff\nbroken 5000-5fff\nbroken 6000-6fff\n");
}

/* It was asked for only now. */
static void
map_extra(record_text *text)
{
	record_map(text, 1, IOVA + 0x6000, 0x30000, 0x1000, "rw");
}

static void
test_mapped_only_now(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	expect(a, b, map_extra, 1, "broken 1000-1fff\nbroken 5000-5fff\nchanged 6000-6fff\n");
}

/* The record had it already when the later look read it. */
static void
test_used_between(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	use_again(b->text);
	expect(a, b, nothing, 2, "broken 1000-1fff\nchanged 5000-6fff\n");
}

/* Other pages, and another space. */
static void
elsewhere(record_text *text)
{
	record_map(text, 1, IOVA + 0x7000, 0x30000, 0x1000, "rw");
	record_unmap(text, 1, IOVA, 0x1000);
	record_attach(text, 2, "0000:00:06.0", true);
	record_map(text, 2, IOVA + 0x5000, 0x30000, 0x1000, "rw");
}

static void
test_elsewhere(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	expect(a, b, elsewhere, 0, "broken 1000-1fff\nbroken 5000-5fff\nbroken 6000-6fff\n");
}

/* A space of which no device is known: it may be this one's. */
static void
somewhere(record_text *text)
{
	record_map(text, 9, IOVA + 0x5000, 0x30000, 0x1000, "rw");
	record_unmap(text, 9, IOVA + 0x5000, 0x1000);
}

static void
test_unknown_space(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	expect(a, b, somewhere, 1, "broken 1000-1fff\nchanged 5000-5fff\nbroken 6000-6fff\n");
}

/* It failed, and may have been there for a moment. */
static void
fail(record_text *text)
{
	record_event(text, "map", "\"space\":1,\"iova\":\"0x%llx\",\"size\":\"0x1000\",\"prot\":\"rw\",\"error\":\"EFAULT\"", IOVA + 0x5000);
}

static void
test_failed(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	expect(a, b, fail, 1, "broken 1000-1fff\nchanged 5000-5fff\nbroken 6000-6fff\n");
}

/* Taken out of its space and put back; and another one that shares the space was. */
static void
leave_and_come(record_text *text)
{
	record_event(text, "detach", "\"space\":1,\"device\":\"0000:00:04.0\"");
	record_attach(text, 1, "0000:00:04.0", true);
}

static void
other_comes(record_text *text)
{
	record_attach(text, 1, "0000:00:05.0", true);
}

/* A second loss of which the number is not known. */
static void
lose_unknown(record_text *text)
{
	record_event(text, "lost", "\"count\":0,\"reason\":\"full\"");
}

/* The earlier look saw the second page follow, and another one not. */
static void
test_otherwise(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();
	viommu_shadow *shadow = shadow_scene_shadow(a, 0);

	g_array_set_size(shadow->pieces, 0);
	shadow_scene_maps(shadow, IOVA + 0x1000, HPA + 0x1000, 0x3000, "rw");
	shadow_scene_maps(shadow, IOVA + 0x4000, HPA, 0x2000, "rw");
	expect(a, b, nothing, 2, "otherwise 1000-1fff\nbroken 5000-5fff\notherwise 6000-6fff\n");
}

static void
lose(record_text *text)
{
	record_event(text, "lost", "\"count\":1,\"reason\":\"full\"");
}

static void
end(record_text *text)
{
	record_end(text);
}

static void
leave(record_text *text)
{
	record_event(text, "detach", "\"space\":1,\"device\":\"0000:00:04.0\"");
}

static void
begin_to_trace(record_text *text)
{
	record_event(text, "mark", "\"name\":\"begun\",\"until_ns\":5");
}

static void
test_no_witness(void)
{
	static const struct {
		void (*after)(record_text *text);
		const char *name;
	} cases[] = { { NULL, "unread" }, { end, "ended" }, { lose, "lost" }, { lose_unknown, "lost" }, { leave, "changed" },
		{ leave_and_come, "changed" }, { other_comes, "changed" }, { begin_to_trace, "changed" } };

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(shadow_scene) a = look(), b = look();
		g_autofree char *wanted =
			g_strdup_printf("%s 1000-1fff\n%s 5000-5fff\n%s 6000-6fff\n", cases[i].name, cases[i].name, cases[i].name);

		expect(a, b, cases[i].after, 3, wanted);
	}
}

/* What was lost before the first look was lost before. */
static void
test_lost_before(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();

	lose(a->text);
	lose(b->text);
	expect(a, b, nothing, 0, "broken 1000-1fff\nbroken 5000-5fff\nbroken 6000-6fff\n");
}

/* A trace that says nothing of the time up to the end of the look. */
static void
test_silent(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();
	g_autoptr(GPtrArray) before = list_of(read_now(a)), after = g_ptr_array_new();
	viommu_record_times times = { .before = before, .after = after };
	g_autofree char *text = NULL;

	g_ptr_array_add(after, NULL);
	scene_judge(a);
	scene_judge(b);
	times.judged = b->records;
	g_assert_cmpuint(viommu_result_doubt_shadow(b->result, a->result, &times, true), ==, 3);
	text = said(b);
	g_assert_cmpstr(text, ==, "silent 1000-1fff\nsilent 5000-5fff\nsilent 6000-6fff\n");
}

/* A broken link before it stays broken. */
static void
test_other_fault(void)
{
	g_autoptr(shadow_scene) a = look(), b = look();
	g_autoptr(GPtrArray) before = list_of(read_now(a));
	viommu_record_times times = { .before = before };

	scene_have(a, IOVA + 0x6000, 0x5000, 0x1000, PTE_R);
	scene_have(b, IOVA + 0x6000, 0x5000, 0x1000, PTE_R); /* unexpected, and the host maps another page */
	scene_judge(a);
	scene_judge(b);
	times.judged = b->records;
	viommu_result_doubt_shadow(b->result, a->result, &times, true);
	g_assert_cmpuint(b->result->pages[VIOMMU_UNEXPECTED], ==, 1);
	g_assert_cmpuint(viommu_result_faults(b->result), ==, 1);
}

/* L1 asked for the seventh page, and the table lacks it: a table that was saved may be older. */
static void
test_saved(void)
{
	for (unsigned saved = 0; saved < 2; saved++) {
		g_autoptr(shadow_scene) a = look(), b = look();
		g_autoptr(GPtrArray) before = NULL, after = NULL;
		viommu_record_times times = { .saved = saved };

		record_map(a->text, 1, IOVA + 0x6000, 0x30000, 0x1000, "rw");
		record_map(b->text, 1, IOVA + 0x6000, 0x30000, 0x1000, "rw");
		before = list_of(read_now(a));
		after = list_of(read_now(b));
		times.before = before;
		times.after = after;
		scene_judge(a);
		scene_judge(b);
		times.judged = b->records;
		g_assert_cmpuint(b->result->pages[VIOMMU_MISSING], ==, 1);
		g_assert_cmpuint(viommu_result_doubt_shadow(b->result, a->result, &times, false), ==, saved);
	}
}

static void
test_names(void)
{
	for (viommu_doubt d = VIOMMU_DOUBT_OTHERWISE; d < VIOMMU_DOUBTS; d++) {
		viommu_link_status status = { VIOMMU_LINK_UNVERIFIED, viommu_doubt_text(d) };

		g_assert_cmpint(viommu_doubt_of_name(viommu_doubt_name(d)), ==, d);
		g_assert_cmpint(viommu_doubt_of_status(&status), ==, d);
	}
	g_assert_cmpint(viommu_doubt_of_name(NULL), ==, VIOMMU_DOUBT_NONE);
	g_assert_cmpint(viommu_doubt_of_name("hello"), ==, VIOMMU_DOUBT_NONE);
	g_assert_cmpint(viommu_doubt_of_status(&(viommu_link_status){ 0 }), ==, VIOMMU_DOUBT_NONE);
}

/* What is the same of two readings of a record, with borders. */
static void
test_same(void)
{
	g_autoptr(shadow_scene) s = look();
	g_autoptr(viommu_record) a = read_now(s), b = NULL;
	viommu_readings *x;
	uint64_t last = UINT64_MAX;

	record_unmap(s->text, 1, IOVA + 0x1000, 0x1000);
	b = read_now(s);
	x = viommu_readings_new(a, b);
	g_assert_false(viommu_readings_same(x, 7, 0, &last)); /* there is none */
	g_assert_false(viommu_readings_same_devices(x, 7));
	g_assert_true(viommu_readings_same_devices(x, 1));
	g_assert_true(viommu_readings_same(x, 1, 0, &last));
	g_assert_cmphex(last, ==, IOVA - 1);
	last = UINT64_MAX;
	g_assert_true(viommu_readings_same(x, 1, IOVA, &last));
	g_assert_cmphex(last, ==, IOVA + 0xfff);
	last = UINT64_MAX;
	g_assert_false(viommu_readings_same(x, 1, IOVA + 0x1000, &last));
	g_assert_cmphex(last, ==, IOVA + 0x1fff);
	last = UINT64_MAX;
	g_assert_true(viommu_readings_same(x, 1, IOVA + 0x2000, &last));
	g_assert_cmphex(last, ==, IOVA + 0x3fff);
	last = UINT64_MAX;
	g_assert_true(viommu_readings_same(x, 1, IOVA + 0x7000, &last));
	g_assert_cmphex(last, ==, UINT64_MAX);
	viommu_readings_free(x);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/doubt-shadow/proven", test_proven);
	g_test_add_func("/doubt-shadow/used-again", test_used_again);
	g_test_add_func("/doubt-shadow/mapped-anew", test_mapped_anew);
	g_test_add_func("/doubt-shadow/mapped-only-now", test_mapped_only_now);
	g_test_add_func("/doubt-shadow/used-between", test_used_between);
	g_test_add_func("/doubt-shadow/elsewhere", test_elsewhere);
	g_test_add_func("/doubt-shadow/unknown-space", test_unknown_space);
	g_test_add_func("/doubt-shadow/failed", test_failed);
	g_test_add_func("/doubt-shadow/otherwise", test_otherwise);
	g_test_add_func("/doubt-shadow/no-witness", test_no_witness);
	g_test_add_func("/doubt-shadow/lost-before", test_lost_before);
	g_test_add_func("/doubt-shadow/silent", test_silent);
	g_test_add_func("/doubt-shadow/other-fault", test_other_fault);
	g_test_add_func("/doubt-shadow/saved", test_saved);
	g_test_add_func("/doubt-shadow/names", test_names);
	g_test_add_func("/doubt-shadow/same", test_same);
	return g_test_run();
}
