/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a trace has marks. */
#include <glib.h>

#include "trace/trace-rest.h"
#include "trace/trace-tasks.h"

#define MS UINT64_C(1000000)

/* Plays `seconds` in steps of 20 ms: a line is written in each step before busy_ms.  Gives the times of
 * the marks, in ms. */
static char *
play(uint64_t busy_ms, uint64_t seconds)
{
	struct trace_rest rest = { 0 };
	GString *marks = g_string_new(NULL);
	uint64_t seq = 1;

	trace_rest_marked(&rest, seq, 100000 * MS);
	for (uint64_t ms = 20; ms < seconds * 1000; ms += 20) {
		const uint64_t now = (100000 + ms) * MS;

		seq += ms < busy_ms;
		if (!trace_rest_due(&rest, seq, now))
			continue;
		g_string_append_printf(marks, "%s%u", marks->len ? " " : "", (unsigned) ms);
		trace_rest_marked(&rest, ++seq, now);
	}
	return g_string_free(marks, FALSE);
}

static void
test_marks(void)
{
	static const struct {
		uint64_t busy_ms, seconds;
		const char *marks;
	} cases[] = {
		{ 0, 7, "2000 4000 6000" }, /* nothing to tell of: that it still runs */
		{ 30, 6, "1020 3020 5020" }, /* one line: when a second has passed */
		{ 3000, 7, "1020 2040 3060 5060" },
		{ 5000, 5, "1020 2040 3060 4080" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *marks = play(cases[i].busy_ms, cases[i].seconds);

		g_assert_cmpstr(marks, ==, cases[i].marks);
	}
}

/* What could not be done is not tried again at once, and not forgotten. */
static void
test_put_off(void)
{
	struct trace_rest rest = { 0 };

	g_assert_false(trace_rest_due(&rest, 1, 0));
	g_assert_true(trace_rest_due(&rest, 1, 1000 * MS));
	trace_rest_put_off(&rest, 1000 * MS);
	g_assert_false(trace_rest_due(&rest, 1, 1980 * MS));
	g_assert_true(trace_rest_due(&rest, 1, 2000 * MS));
	trace_rest_marked(&rest, 2, 2000 * MS);
	g_assert_false(trace_rest_due(&rest, 2, 3980 * MS));
	g_assert_true(trace_rest_due(&rest, 2, 4000 * MS));
	trace_rest_put_off(&rest, 4000 * MS); /* a pulse, too */
	g_assert_false(trace_rest_due(&rest, 2, 4980 * MS));
	g_assert_true(trace_rest_due(&rest, 2, 5000 * MS));
}

/* No mark while a thread is in an ioctl. */
static void
test_in_call(void)
{
	const struct trace_event call = { .kind = TRACE_CALL, .pid = 300 };
	struct trace_tasks tasks = { 0 };

	g_assert_false(trace_tasks_in_call(&tasks));
	g_assert_nonnull(trace_tasks_get(&tasks, 44)); /* of the same bucket */
	trace_task_begin(&tasks, trace_tasks_get(&tasks, 300), &call);
	g_assert_true(trace_tasks_in_call(&tasks));
	trace_tasks_forget(&tasks);
	g_assert_false(trace_tasks_in_call(&tasks));
	trace_task_begin(&tasks, trace_tasks_get(&tasks, 300), &call);
	trace_tasks_drop(&tasks, 300);
	g_assert_false(trace_tasks_in_call(&tasks));
	trace_tasks_free(&tasks);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/trace-rest/marks", test_marks);
	g_test_add_func("/probe/trace-rest/put-off", test_put_off);
	g_test_add_func("/probe/trace-rest/in-call", test_in_call);
	return g_test_run();
}
