/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP client against silence, other protocols, garbage and sudden ends: one
 * error with what to do next, in time. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <viommu/monitor.h>

#include "helpers.h"
#include "peer.h"

/* For tests that wait until it has passed. */
#define SHORT 1500u

/* Opening has to fail so, and not long after the deadline. */
static void
expect_no_monitor(const char *address, unsigned timeout_ms, enum viommu_error_code code, const char *part)
{
	g_autoptr(GError) error = NULL;
	gint64 began = g_get_monotonic_time();

	g_assert_null(viommu_monitor_open(address, timeout_ms, &error));
	unit_error(&error, code, part);
	g_assert_cmpint(g_get_monotonic_time() - began, <, (timeout_ms + 60000) * 1000);
}

static void
silent(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_wait_closed(self);
}

/* QEMU accepts, and says nothing as long as it serves another client. */
static void
test_silence(void)
{
	g_autoptr(peer) unix_peer = peer_unix(silent, NULL);
	g_autoptr(peer) tcp_peer = peer_tcp(silent, NULL);

	expect_no_monitor(
		peer_address(unix_peer), SHORT, VIOMMU_ERROR_TIMEOUT, "another client holds this monitor");
	expect_no_monitor(
		peer_address(tcp_peer), SHORT, VIOMMU_ERROR_TIMEOUT, "another client holds this monitor");
}

/* The third one who comes while another client is served finds QEMU's queue full. */
static void
test_queue_full(void)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	g_autofree char *path = unit_path("full");
	g_autofree char *address = g_strconcat("unix:", path, NULL);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	g_strlcpy(where.sun_path, path, sizeof(where.sun_path));
	g_assert_cmpint(bind(listener, (struct sockaddr *) &where, sizeof(where)), ==, 0);
	g_assert_cmpint(listen(listener, 1), ==, 0); /* as QEMU's chardev does */
	for (unsigned i = 0; i < 4; i++)
		expect_no_monitor(address, SHORT, VIOMMU_ERROR_TIMEOUT, "another client holds this monitor");
	close(listener);
}

static void
silent_later(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	peer_wait_closed(self);
}

static void
test_silence_later(void)
{
	g_autoptr(peer) p = peer_unix(silent_later, NULL);
	g_autoptr(viommu_monitor) monitor = viommu_monitor_open(peer_address(p), SHORT, NULL);
	g_autoptr(GError) error = NULL;
	gint64 began;

	g_assert_nonnull(monitor);
	g_assert_null(viommu_monitor_execute(monitor, "query-status", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_TIMEOUT, "query-status");
	/* An answer that comes late would be taken for the next one's: it is over. */
	began = g_get_monotonic_time();
	g_assert_null(viommu_monitor_execute(monitor, "query-status", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_CLOSED, "is gone");
	g_assert_cmpint(g_get_monotonic_time() - began, <, SHORT * 1000);
}

static void
silent_capabilities(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_send(self, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}");
	peer_wait_closed(self);
}

static void
test_silence_after_greeting(void)
{
	g_autoptr(peer) p = peer_unix(silent_capabilities, NULL);

	expect_no_monitor(peer_address(p), SHORT, VIOMMU_ERROR_TIMEOUT, "qmp_capabilities");
}

/* Bytes that never end do not stop the clock. */
static void
endless(peer *self, gpointer user)
{
	g_autoptr(GString) text = g_string_new(NULL);

	/* Much at a time, so that the client always finds something. */
	for (unsigned i = 0; i < 20000; i++)
		g_string_append(text, user);
	peer_greet(self);
	json_decref(peer_command(self));
	while (peer_try_send(self, text->str, text->len))
		g_usleep(30 * 1000); /* the answer's limit shall not come before the deadline */
}

static void
trickle(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	json_decref(peer_command(self));
	while (peer_try_send(self, " ", 1))
		g_usleep(20 * 1000);
}

static void
test_endless(void)
{
	static const struct {
		peer_script script;
		const char *text;
	} cases[] = {
		{ trickle, NULL },
		{ endless, "{\"event\": \"RTC_CHANGE\", \"data\": {}}\r\n" },
		{ endless, "{\"return\": 1, \"id\": 1}\r\n" },
		{ endless, "                                                                " },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(peer) p = peer_unix(cases[i].script, (gpointer) cases[i].text);
		g_autoptr(viommu_monitor) monitor = viommu_monitor_open(peer_address(p), SHORT, NULL);
		g_autoptr(GError) error = NULL;
		gint64 began = g_get_monotonic_time();

		g_test_message("case %zu", i);
		g_assert_nonnull(monitor);
		g_assert_null(viommu_monitor_execute(monitor, "query-status", NULL, &error));
		unit_error(&error, VIOMMU_ERROR_TIMEOUT, "query-status");
		g_assert_cmpint(g_get_monotonic_time() - began, <, 60 * G_USEC_PER_SEC);
	}
}

static void
say(peer *self, gpointer user)
{
	const char *text = user;

	peer_try_send(self, text, strlen(text));
	peer_wait_closed(self);
}

static void
test_other_protocols(void)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ",
			"human monitor (HMP)" },
		{ "SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "does not speak QMP" },
		{ "HTTP/1.0 400 Bad Request\r\n\r\n", "does not speak QMP" },
		{ "\xff\xfb\x01", "does not speak QMP" },
		{ "[]", "does not speak QMP" },
		{ "{}", "does not speak QMP" },
		{ "{\"QMP\": {}}", "does not speak QMP" },
		{ "{\"QMP\": \"version\"}", "does not speak QMP" },
		{ "{\"QMP\": {\"version\": 7}}", "does not speak QMP" },
		{ "{\"QMP\" {}}", "does not speak QMP" },
		{ "{\"QMP\": {\"version\": {]}}", "does not speak QMP" },
		{ "{\"QMP\": {\"version\": {}}, \"QMP\": {\"version\": {}}}", "does not speak QMP" },
		{ "{\"a\": \"\xff\"}", "does not speak QMP" },
		{ "{'QMP': {'version': {}}}", "does not speak QMP" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(peer) p = peer_unix(say, (gpointer) cases[i].text);

		g_test_message("case %zu", i);
		expect_no_monitor(peer_address(p), SHORT, VIOMMU_ERROR_PROTOCOL, cases[i].part);
	}
}

/* Nesting deeper than a parser's stack. */
static void
test_deep(void)
{
	g_autoptr(GString) text = g_string_new("{\"QMP\": ");
	g_autoptr(peer) p = NULL;

	for (unsigned i = 0; i < 1000000; i++)
		g_string_append_c(text, '[');
	for (unsigned i = 0; i < 1000000; i++)
		g_string_append_c(text, ']');
	g_string_append_c(text, '}');
	p = peer_unix(say, text->str);
	expect_no_monitor(peer_address(p), PEER_PATIENCE, VIOMMU_ERROR_PROTOCOL, "does not speak QMP");
}

static void
answer_so(peer *self, gpointer user)
{
	peer_greet(self);
	json_decref(peer_command(self));
	peer_send(self, user);
	peer_wait_closed(self);
}

/* In the middle of a session: wrong, and the end of it. */
static void
test_garbage_later(void)
{
	static const char *const answers[] = { "garbage", "{\"id\": 2}", "{\"id\": 2, \"error\": \"text\"}",
		"{\"id\": 2", "{\"return\": {\"a\": 1, \"a\": 2}, \"id\": 2}" };

	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
		g_autoptr(peer) p = peer_unix(answer_so, (gpointer) answers[i]);
		unsigned timeout_ms = i == 3 ? SHORT : PEER_PATIENCE; /* that one could still go on */
		g_autoptr(viommu_monitor) monitor = viommu_monitor_open(peer_address(p), timeout_ms, NULL);
		g_autoptr(GError) error = NULL;

		g_test_message("case %zu", i);
		g_assert_nonnull(monitor);
		g_assert_null(viommu_monitor_execute(monitor, "query-status", NULL, &error));
		unit_error(&error, i == 3 ? VIOMMU_ERROR_TIMEOUT : VIOMMU_ERROR_PROTOCOL, peer_address(p));
		g_assert_null(viommu_monitor_execute(monitor, "query-status", NULL, &error));
		unit_error(&error, VIOMMU_ERROR_CLOSED, "is gone");
	}
}

static void
test_hmp_not_text(void)
{
	g_autoptr(peer) p = peer_unix(answer_so, (gpointer) "{\"return\": {}, \"id\": 2}");
	g_autoptr(viommu_monitor) monitor = viommu_monitor_open(peer_address(p), PEER_PATIENCE, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_null(viommu_monitor_hmp(monitor, "info pci", &error));
	unit_error(&error, VIOMMU_ERROR_PROTOCOL, "does not speak QMP");
}

static void
close_so(peer *self, gpointer user)
{
	const char *text = user;

	peer_try_send(self, text, strlen(text));
}

static void
close_later(peer *self, gpointer user)
{
	peer_greet(self);
	json_decref(peer_command(self));
	close_so(self, user);
}

/* QEMU dies: at once, within a word, between command and answer, within the answer. */
static void
test_closes(void)
{
	static const char *const early[] = { "", "{\"QMP\": {\"vers",
		"{\"QMP\": {\"version\": {}, \"capabilities\": []}}" };
	static const char *const late[] = { "", "{\"return\": {\"st", "{\"event\": \"SHUTDOWN\"}\r\n" };

	for (gsize i = 0; i < G_N_ELEMENTS(early); i++) {
		g_autoptr(peer) p = peer_unix(close_so, (gpointer) early[i]);

		expect_no_monitor(peer_address(p), PEER_PATIENCE, VIOMMU_ERROR_CLOSED, "QEMU closed the monitor");
	}
	for (gsize i = 0; i < G_N_ELEMENTS(late); i++) {
		g_autoptr(peer) p = peer_unix(close_later, (gpointer) late[i]);
		g_autoptr(viommu_monitor) monitor = viommu_monitor_open(peer_address(p), PEER_PATIENCE, NULL);
		g_autoptr(GError) error = NULL;

		g_assert_nonnull(monitor);
		g_assert_null(viommu_monitor_execute(monitor, "query-status", NULL, &error));
		unit_error(&error, VIOMMU_ERROR_CLOSED, "\"query-status\"");
		g_assert_null(viommu_monitor_execute(monitor, "query-status", NULL, &error));
		unit_error(&error, VIOMMU_ERROR_CLOSED, "is gone");
	}
}

static void
test_addresses(void)
{
	g_autofree char *file = unit_write("file", "not a socket", -1);
	g_autofree char *none = unit_path("no-such-socket");
	g_autofree char *too_long = g_strnfill(108, 'a');
	g_autofree char *closed = NULL;

	expect_no_monitor(file, PEER_PATIENCE, VIOMMU_ERROR_CONNECT, "it is no socket");
	expect_no_monitor(none, PEER_PATIENCE, VIOMMU_ERROR_CONNECT, "check that QEMU runs");
	expect_no_monitor("", PEER_PATIENCE, VIOMMU_ERROR_USAGE, "unix:PATH");
	expect_no_monitor("unix:", PEER_PATIENCE, VIOMMU_ERROR_USAGE, "unix:PATH");
	expect_no_monitor(too_long, PEER_PATIENCE, VIOMMU_ERROR_USAGE, "107 characters");
	expect_no_monitor("tcp:", PEER_PATIENCE, VIOMMU_ERROR_USAGE, "tcp:HOST:PORT");
	expect_no_monitor("tcp:127.0.0.1", PEER_PATIENCE, VIOMMU_ERROR_USAGE, "tcp:HOST:PORT");
	expect_no_monitor("tcp:127.0.0.1:", PEER_PATIENCE, VIOMMU_ERROR_USAGE, "tcp:HOST:PORT");
	expect_no_monitor("tcp:127.0.0.1:0", PEER_PATIENCE, VIOMMU_ERROR_USAGE, "tcp:HOST:PORT");
	expect_no_monitor("tcp:127.0.0.1:65536", PEER_PATIENCE, VIOMMU_ERROR_USAGE, "tcp:HOST:PORT");
	expect_no_monitor("tcp:127.0.0.1:port!", PEER_PATIENCE, VIOMMU_ERROR_USAGE, "tcp:HOST:PORT");
	{
		g_autoptr(peer) p = peer_tcp(silent, NULL);

		closed = g_strdup(peer_address(p));
	}
	expect_no_monitor(closed, PEER_PATIENCE, VIOMMU_ERROR_CONNECT, "check that QEMU runs");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/monitor-bad/silence", test_silence);
	g_test_add_func("/monitor-bad/queue-full", test_queue_full);
	g_test_add_func("/monitor-bad/silence-later", test_silence_later);
	g_test_add_func("/monitor-bad/silence-after-greeting", test_silence_after_greeting);
	g_test_add_func("/monitor-bad/endless", test_endless);
	g_test_add_func("/monitor-bad/other-protocols", test_other_protocols);
	g_test_add_func("/monitor-bad/deep", test_deep);
	g_test_add_func("/monitor-bad/garbage-later", test_garbage_later);
	g_test_add_func("/monitor-bad/hmp-not-text", test_hmp_not_text);
	g_test_add_func("/monitor-bad/closes", test_closes);
	g_test_add_func("/monitor-bad/addresses", test_addresses);
	return g_test_run();
}
