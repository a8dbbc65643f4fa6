/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the probe speaks on stderr, and how a function hands up a failure. */
#ifndef PROBE_REPORT_H
#define PROBE_REPORT_H

/* Exit statuses, the same in every subcommand. */
enum probe_exit {
	PROBE_EXIT_OK = 0,
	PROBE_EXIT_FAILED = 1, /* we or the kernel could not do it */
	PROBE_EXIT_USAGE = 2,
	PROBE_EXIT_FINDING = 3, /* doctor: a check says FAIL */
};

/* One sentence: what failed and what to do next. */
struct probe_error {
	int err; /* an errno value, or 0 when none applies */
	char text[1536];
};

/* Fills ERROR and returns -1, so that a caller can write `return probe_fail(…)`. */
int probe_fail(struct probe_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Text on stdout, all that a command prints: its exit status. */
int probe_print(const char *text);

/* A line on stderr, after the program's name.  Control characters in it are
 * replaced, whatever the arguments held. */
void probe_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
