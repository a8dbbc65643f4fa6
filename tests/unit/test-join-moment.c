/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts at a moment that later events of the record have undone. */
#include <string.h>

#include "helpers.h"
#include "scene.h"

#define IOVA 0x40000000ull

static void
mark_held(scene *s)
{
	s->at = "held";
	record_event(s->text, "mark", "\"name\":\"held\"");
}

/* NULL: there is no note. */
static void
expect_note(const scene *s, guint i, const char *note)
{
	if (!note)
		g_assert_null(scene_run(s, i)->note);
	else if (!scene_run(s, i)->note || !strstr(scene_run(s, i)->note, note))
		g_error("the note \"%s\" has no \"%s\"", scene_run(s, i)->note, note);
}

static void
test_undone(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_ask(s, IOVA, 0x5000, 0x4000, "rw"); /* event 2 */
	scene_ask(s, IOVA + 0x10000, 0xa000, 0x1000, "rw");
	mark_held(s);
	record_unmap(s->text, 1, IOVA + 0x1000, 0x1000); /* event 5 */
	record_unmap(s->text, 1, IOVA, 0x2000);
	record_map(s->text, 1, IOVA + 0x3000, 0xb000, 0x1000, "rw");
	record_event(s->text, "unmap", "\"space\":1,\"iova\":\"0x40010000\",\"size\":\"0x1000\",\"errno\":22");
	s->witnesses.now = true;
	scene_expect(s, "unverified 40000000-40000fff want 5000 rw\n"
			"unverified 40001000-40001fff want 6000 rw\n"
			"missing 40002000-40002fff want 7000 rw\n"
			"unverified 40003000-40003fff want 8000 rw\n"
			"missing 40010000-40010fff want a000 rw\n");
	expect_note(s, 0, "undoes or changes it (event 6); the tables are those of now");
	expect_note(s, 1, "(event 5)");
	expect_note(s, 2, NULL);
	expect_note(s, 3, "(event 7)");
	expect_note(s, 4, NULL);
	/* Whoever names a snapshot says that it is of that moment. */
	s->witnesses.now = false;
	scene_expect(s, "missing 40000000-40000fff want 5000 rw\n"
			"missing 40001000-40001fff want 6000 rw\n"
			"missing 40002000-40002fff want 7000 rw\n"
			"missing 40003000-40003fff want 8000 rw\n"
			"missing 40010000-40010fff want a000 rw\n");
	expect_note(s, 0, "(event 6): if the snapshot is younger than that, the moment is the wrong one");
	expect_note(s, 2, NULL);
	/* What the tables still have is a match; what they have otherwise is not judged. */
	s->witnesses.now = true;
	scene_have(s, IOVA, 0x5000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x1000, 0x99000, 0x1000, PTE_RW);
	scene_have(s, IOVA + 0x3000, 0x8000, 0x1000, PTE_RW | 1ull << 11);
	scene_expect(s, "match 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"unverified 40001000-40001fff want 6000 rw have 99000 rw 12\n"
			"missing 40002000-40002fff want 7000 rw\n"
			"reserved-bit 40003000-40003fff want 8000 rw have 8000 rw 12\n"
			"missing 40010000-40010fff want a000 rw\n");
}

/* Unmapped at the moment, and mapped again since. */
static void
test_mapped_again(void)
{
	g_autoptr(scene) s = scene_new(true);

	scene_both(s, IOVA, 0x5000, 0x2000);
	record_unmap(s->text, 1, IOVA, 0x2000);
	mark_held(s);
	record_map(s->text, 1, IOVA, 0x5000, 0x1000, "rw"); /* event 5 */
	s->witnesses.now = true;
	scene_expect(s, "unverified 40000000-40000fff have 5000 rw 12\n"
			"stale 40001000-40001fff want 6000 rw have 6000 rw 12\n");
	expect_note(s, 0, "maps it again (event 5)");
	s->witnesses.now = false;
	scene_expect(s, "stale 40000000-40000fff want 5000 rw have 5000 rw 12\n"
			"stale 40001000-40001fff want 6000 rw have 6000 rw 12\n");
	expect_note(s, 0, "maps it again (event 5)");
	expect_note(s, 1, NULL);
}

/* The device's tables are not the space's any more. */
static void
test_left(void)
{
	static const struct {
		const char *event, *members;
		bool left;
	} cases[] = {
		{ "detach", "\"space\":1,\"device\":\"0000:00:04.0\"", true },
		{ "attach", "\"space\":7,\"device\":\"0000:00:04.0\",\"backend\":\"type1\"", true },
		{ "attach", "\"space\":1,\"device\":\"0000:00:04.0\",\"backend\":\"type1\"", false },
		{ "detach", "\"space\":1,\"device\":\"0000:00:05.0\"", false },
		{ "detach", "\"space\":9,\"device\":\"0000:00:04.0\"", false },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(scene) s = scene_new(true);

		scene_ask(s, IOVA, 0x5000, 0x1000, "rw");
		scene_have(s, IOVA + 0x8000, 0x9000, 0x1000, PTE_RW);
		mark_held(s);
		record_event(s->text, cases[i].event, "%s", cases[i].members); /* event 4 */
		s->witnesses.now = true;
		if (!cases[i].left) {
			scene_expect(s, "missing 40000000-40000fff want 5000 rw\n"
					"unexpected 40008000-40008fff have 9000 rw 12\n");
			continue;
		}
		scene_expect(s, "unverified 40000000-40000fff want 5000 rw\n"
				"unverified 40008000-40008fff have 9000 rw 12\n");
		expect_note(s, 0, "takes the device out of this address space (event 4)");
		tables_poke(s->t, tables_context_at(s->t, SCENE_SID), 0);
		scene_expect(s, "unverified 40000000-40000fff want 5000 rw\n");
		s->witnesses.now = false;
		scene_expect(s, "no-context 40000000-40000fff want 5000 rw\n");
		expect_note(s, 0, "the context entry is not present; behind the moment of --at the record takes the device out");
	}
}

/* What is not known of the time since the moment may have undone anything. */
static void
test_lost_since(void)
{
	static const struct {
		const char *event, *rest, *note; /* behind the moment; note NULL: nothing is missing */
	} cases[] = {
		{ NULL, NULL, NULL },
		{ "note", "end", NULL },
		{ "note", "mark", NULL },
		{ "lost", "end", "events are missing" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(scene) s = scene_new(true);

		g_test_message("case %zu", i);
		scene_ask(s, IOVA, 0x5000, 0x1000, "rw");
		mark_held(s);
		if (cases[i].event)
			record_event(s->text, cases[i].event, "\"count\":5,\"reason\":\"ring overrun\"");
		if (cases[i].rest)
			record_event(s->text, cases[i].rest, "\"name\":\"later\"");
		s->witnesses.now = true;
		scene_expect(s, cases[i].note ? "unverified 40000000-40000fff want 5000 rw\n" : "missing 40000000-40000fff want 5000 rw\n");
		expect_note(s, 0, cases[i].note);
		s->witnesses.now = false;
		scene_expect(s, "missing 40000000-40000fff want 5000 rw\n");
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/join-moment/undone", test_undone);
	g_test_add_func("/join-moment/mapped-again", test_mapped_again);
	g_test_add_func("/join-moment/left", test_left);
	g_test_add_func("/join-moment/lost-since", test_lost_since);
	return g_test_run();
}
