/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readers that are slow, gone or absent; and what ends the holding.  What
 * raises signals runs in a process of its own: signals.c counts for good. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/signals.h"
#include "map/hold.h"
#include "out/output.h"

enum { BIG = 1 << 20 }; /* more than a pipe holds */

static gpointer
read_slowly(gpointer data)
{
	const int fd = GPOINTER_TO_INT(data);
	g_autofree char *piece = g_malloc(65536);
	gsize sum = 0;
	ssize_t got;

	g_usleep(200000);
	while ((got = read(fd, piece, 65536)) > 0)
		sum += (gsize) got;
	return GSIZE_TO_POINTER(sum);
}

static void
test_slow_reader(void)
{
	g_autofree char *bytes = g_strnfill(BIG, 'x');
	struct output output = { .name = "pipe" };
	GThread *reader;
	int fds[2];

	g_assert_cmpint(pipe(fds), ==, 0);
	g_assert_cmpint(fcntl(fds[1], F_SETFL, O_NONBLOCK), ==, 0);
	output.fd = fds[1];
	reader = g_thread_new("reader", read_slowly, GINT_TO_POINTER(fds[0]));
	g_assert_cmpint(output_write(&output, bytes, BIG), ==, 0);
	close(fds[1]);
	g_assert_cmpuint(GPOINTER_TO_SIZE(g_thread_join(reader)), ==, BIG);
	close(fds[0]);
}

static void
test_reader_gone(void)
{
	struct output output = { .name = "pipe" };
	int fds[2];

	if (g_test_subprocess()) {
		signals_install(); /* without it SIGPIPE kills */
		g_assert_cmpint(pipe(fds), ==, 0);
		close(fds[0]);
		output.fd = fds[1];
		g_assert_cmpint(output_write(&output, "x", 1), ==, -1);
		g_assert_cmpint(output.err, ==, EPIPE);
		g_assert_cmpint(output_write(&output, "x", 1), ==, -1);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stderr("*cut off*the reader has gone away*");
	g_test_trap_assert_stderr_unmatched("*cut off*cut off*");
}

/* Nobody reads: the first signal leaves a moment, and then it is given up. */
static void
test_signal_while_blocked(void)
{
	g_autofree char *bytes = g_strnfill(BIG, 'x');
	struct output output = { .name = "port" };
	gint64 start;
	int fds[2];

	if (g_test_subprocess()) {
		signals_install();
		g_assert_cmpint(pipe(fds), ==, 0);
		g_assert_cmpint(fcntl(fds[1], F_SETFL, O_NONBLOCK), ==, 0);
		output.fd = fds[1];
		g_assert_cmpint(raise(SIGTERM), ==, 0);
		g_assert_cmpstr(signals_first(), ==, "SIGTERM");
		start = g_get_monotonic_time();
		g_assert_cmpint(output_write(&output, bytes, BIG), ==, -1);
		g_assert_cmpint(g_get_monotonic_time() - start, >, G_USEC_PER_SEC);
		g_assert_cmpint(g_get_monotonic_time() - start, <, 20 * G_USEC_PER_SEC);
		g_assert_cmpint(output.err, ==, EINTR);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stderr("*waiting for a reader of port*cut off*given up*");
}

static void
test_second_signal(void)
{
	g_autofree char *bytes = g_strnfill(BIG, 'x');
	struct output output = { .name = "port" };
	gint64 start;
	int fds[2];

	if (g_test_subprocess()) {
		signals_install();
		g_assert_cmpint(pipe(fds), ==, 0);
		g_assert_cmpint(fcntl(fds[1], F_SETFL, O_NONBLOCK), ==, 0);
		output.fd = fds[1];
		raise(SIGINT);
		raise(SIGINT);
		start = g_get_monotonic_time();
		g_assert_cmpint(output_write(&output, bytes, BIG), ==, -1);
		g_assert_cmpint(g_get_monotonic_time() - start, <, G_USEC_PER_SEC);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
}

static void
test_files(void)
{
	g_autofree char *dir = g_dir_make_tmp("test-probe-output-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "record", NULL);
	g_autofree char *text = NULL;
	struct probe_error error = { 0 };
	struct output output;
	struct stat st;

	g_assert_cmpint(output_check(path, false, &error), ==, 0);
	g_assert_cmpint(output_open(&output, path, false, &error), ==, 0);
	g_assert_cmpint(output_write(&output, "one\n", 4), ==, 0);
	g_assert_cmpint(output_close(&output), ==, 0);
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);

	g_assert_cmpint(output_check(path, false, &error), ==, -1);
	g_assert_nonnull(strstr(error.text, "--force"));
	/* Made between the check and the opening. */
	g_assert_cmpint(output_open(&output, path, false, &error), ==, -1);
	g_assert_cmpint(error.err, ==, EEXIST);

	g_assert_cmpint(output_check(path, true, &error), ==, 0);
	g_assert_cmpint(output_open(&output, path, true, &error), ==, 0);
	g_assert_cmpint(output_write(&output, "2\n", 2), ==, 0);
	g_assert_cmpint(output_close(&output), ==, 0);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, "2\n");

	g_assert_cmpint(output_check(dir, true, &error), ==, -1);
	g_assert_cmpint(output_open(&output, "/dev/no-such-port", true, &error), ==, -1);
	g_assert_cmpint(access("/dev/no-such-port", F_OK), ==, -1);
	g_unlink(path);
	g_rmdir(dir);
}

static void
test_hold_time(void)
{
	const struct output none = { .fd = -1 };
	const gint64 start = g_get_monotonic_time();

	g_assert_cmpstr(hold(&none, true, 0), ==, "hold time over");
	g_assert_cmpstr(hold(&none, true, 1), ==, "hold time over");
	g_assert_cmpint(g_get_monotonic_time() - start, >=, 990000);
}

static void
test_hold_stdin(void)
{
	const struct output none = { .fd = -1 };
	int fds[2];

	if (g_test_subprocess()) {
		const gint64 start = g_get_monotonic_time();

		/* A line is not the end; that comes when the child lets go. */
		g_assert_cmpint(pipe(fds), ==, 0);
		g_assert_cmpint(dup2(fds[0], 0), ==, 0);
		g_assert_false(hold_is_over());
		g_assert_cmpint(write(fds[1], "x\n", 2), ==, 2);
		if (fork() == 0) {
			g_usleep(300000);
			_exit(0);
		}
		close(fds[1]);
		g_assert_cmpstr(hold(&none, false, 0), ==, "stdin closed");
		g_assert_cmpint(g_get_monotonic_time() - start, >, 250000);
		g_assert_true(hold_is_over());
		g_assert_cmpint(dup2(open("/dev/null", O_RDONLY), 0), ==, 0);
		g_assert_true(hold_is_over());
		close(0);
		g_assert_cmpstr(hold(&none, false, 0), ==, "stdin closed");
		return;
	}
	g_test_trap_subprocess(NULL, 10 * G_USEC_PER_SEC, 0);
	g_test_trap_assert_passed();
}

static void
test_hold_reader_gone(void)
{
	struct output output = { .pipe = true };
	int fds[2];

	if (g_test_subprocess()) {
		g_assert_cmpint(pipe(fds), ==, 0);
		output.fd = fds[1];
		close(fds[0]);
		g_assert_cmpstr(hold(&output, true, 1000), ==, "the reader of the record went away");
		return;
	}
	g_test_trap_subprocess(NULL, 10 * G_USEC_PER_SEC, 0);
	g_test_trap_assert_passed();
}

/* Each of the four, before the wait as well as in it. */
static void
test_hold_signal(gconstpointer data)
{
	static const struct output none = { .fd = -1 };
	static const char *const names[] = {
		[SIGINT] = "SIGINT", [SIGTERM] = "SIGTERM", [SIGHUP] = "SIGHUP", [SIGQUIT] = "SIGQUIT"
	};
	const int number = GPOINTER_TO_INT(data);

	if (g_test_subprocess()) {
		signal(number, SIG_DFL);
		signals_install();
		if (fork() == 0) {
			g_usleep(300000);
			kill(getppid(), number);
			_exit(0);
		}
		g_assert_cmpstr(hold(&none, true, 1000), ==, names[number]);
		g_assert_cmpint(signals_count(), ==, 1);
		g_assert_cmpstr(hold(&none, true, 1000), ==, names[number]);
		return;
	}
	g_test_trap_subprocess(NULL, 10 * G_USEC_PER_SEC, 0);
	g_test_trap_assert_passed();
}

static void
test_nohup(void)
{
	if (g_test_subprocess()) {
		signal(SIGHUP, SIG_IGN);
		signals_install();
		raise(SIGHUP);
		g_assert_cmpint(signals_count(), ==, 0);
		return;
	}
	g_test_trap_subprocess(NULL, 10 * G_USEC_PER_SEC, 0);
	g_test_trap_assert_passed();
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/output/slow-reader", test_slow_reader);
	g_test_add_func("/probe/output/reader-gone", test_reader_gone);
	g_test_add_func("/probe/output/signal-while-blocked", test_signal_while_blocked);
	g_test_add_func("/probe/output/second-signal", test_second_signal);
	g_test_add_func("/probe/output/files", test_files);
	g_test_add_func("/probe/hold/time", test_hold_time);
	g_test_add_func("/probe/hold/stdin", test_hold_stdin);
	g_test_add_func("/probe/hold/reader-gone", test_hold_reader_gone);
	g_test_add_data_func("/probe/hold/sigint", GINT_TO_POINTER(SIGINT), test_hold_signal);
	g_test_add_data_func("/probe/hold/sigterm", GINT_TO_POINTER(SIGTERM), test_hold_signal);
	g_test_add_data_func("/probe/hold/sighup", GINT_TO_POINTER(SIGHUP), test_hold_signal);
	g_test_add_data_func("/probe/hold/sigquit", GINT_TO_POINTER(SIGQUIT), test_hold_signal);
	g_test_add_func("/probe/hold/nohup", test_nohup);
	return g_test_run();
}
