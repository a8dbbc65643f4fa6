/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP client against a peer that says QEMU's words (test-monitor-bad.c: others). */
#include <string.h>
#include <unistd.h>

#include <viommu/monitor.h>

#include "helpers.h"
#include "peer.h"

typedef peer *(*peer_maker)(peer_script script, gpointer user);
static const peer_maker makers[] = { peer_unix, peer_tcp };

static void
greet_only(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	peer_wait_closed(self);
}

static void
test_open(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(makers); i++) {
		g_autoptr(peer) p = makers[i](greet_only, NULL);
		g_autoptr(viommu_monitor) monitor = peer_open(p);
		const json_t *version = viommu_monitor_version(monitor);

		g_assert_cmpint(
			json_integer_value(json_object_get(json_object_get(version, "qemu"), "major")), ==,
			7);
		g_assert_cmpint(viommu_monitor_peer_pid(monitor), ==, makers[i] == peer_unix ? getpid() : 0);
		g_assert_cmpuint(viommu_monitor_round_trips(monitor), ==, 1);
	}
}

/* A path without "unix:" is one too. */
static void
test_bare_path(void)
{
	g_autoptr(peer) p = peer_unix(greet_only, NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_monitor) monitor =
		viommu_monitor_open(peer_address(p) + strlen("unix:"), PEER_PATIENCE, &error);

	g_assert_no_error(error);
	g_assert_nonnull(monitor);
}

static void
several(peer *self, G_GNUC_UNUSED gpointer user)
{
	json_t *command;

	peer_greet(self);
	peer_answer(self, "query-status", "{\"status\": \"running\", \"running\": true}");
	peer_answer(self, "query-kvm", "null");
	peer_answer(self, "query-pci", "[1, [], {}]");
	command = peer_command(self);
	g_assert_cmpint(json_integer_value(json_object_get(command, "id")), ==, 5);
	g_assert_cmpstr(json_string_value(json_object_get(json_object_get(command, "arguments"), "path")), ==,
		"/x \"y\"\n");
	json_decref(command);
	peer_send(self, "{\"return\": \"\\u00e4\", \"id\": 5}");
}

static void
test_commands(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(makers); i++) {
		g_autoptr(peer) p = makers[i](several, NULL);
		g_autoptr(viommu_monitor) monitor = peer_open(p);
		g_autoptr(GError) error = NULL;
		json_t *answer;

		peer_expect(monitor, "query-status", "{\"status\": \"running\", \"running\": true}");
		peer_expect(monitor, "query-kvm", "null");
		peer_expect(monitor, "query-pci", "[1, [], {}]");
		answer = viommu_monitor_execute(
			monitor, "qom-list", json_pack("{s:s}", "path", "/x \"y\"\n"), &error);
		g_assert_no_error(error);
		g_assert_cmpstr(json_string_value(answer), ==, "\xc3\xa4");
		json_decref(answer);
		g_assert_cmpuint(viommu_monitor_round_trips(monitor), ==, 5);
	}
}

static void
with_events(peer *self, G_GNUC_UNUSED gpointer user)
{
	json_t *command;

	peer_send(self,
		"{\"QMP\": {\"version\": {\"qemu\": {\"major\": 10}}, \"capabilities\": []}}\r\n" PEER_EVENT
			PEER_EVENT);
	peer_answer(self, "qmp_capabilities", "{}");
	peer_send(self, PEER_EVENT);
	command = peer_command(self);
	peer_send(self, PEER_EVENT PEER_EVENT PEER_EVENT "{\"return\": 1, \"id\": 2}" PEER_EVENT);
	json_decref(command);
	peer_answer(self, "query-status", "2");
}

static void
test_events(void)
{
	g_autoptr(peer) p = peer_unix(with_events, NULL);
	g_autoptr(viommu_monitor) monitor = peer_open(p);

	peer_expect(monitor, "query-status", "1");
	peer_expect(monitor, "query-status", "2");
}

static void
in_pieces(peer *self, gpointer user)
{
	gsize piece = GPOINTER_TO_SIZE(user);

	peer_send_pieces(self,
		"{\r\n  \"QMP\": {\r\n  \"version\": {\"a\": \"}\"}, \"capabilities\": []}}\r\n" PEER_EVENT,
		piece);
	json_decref(peer_command(self));
	peer_send_pieces(self, "{\"return\": {}, \"id\": 1}\r\n" PEER_EVENT, piece);
	json_decref(peer_command(self));
	peer_send_pieces(self, PEER_EVENT "{\"return\": {\"text\": \"{[\\\"\\\\\"}, \"id\": 2}\r\n", piece);
}

static void
test_pieces(void)
{
	for (gsize piece = 1; piece < 8; piece++) {
		g_autoptr(peer) p = peer_unix(in_pieces, GSIZE_TO_POINTER(piece));
		g_autoptr(viommu_monitor) monitor = peer_open(p);

		peer_expect(monitor, "query-status", "{\"text\": \"{[\\\"\\\\\"}");
	}
}

#define LARGE (20u << 20)

static void
large(peer *self, G_GNUC_UNUSED gpointer user)
{
	g_autofree char *text = g_malloc(LARGE);
	json_t *command;

	memset(text, 'x', LARGE);
	peer_greet(self);
	command = peer_command(self);
	peer_send(self, "{\"return\": \"");
	peer_send_bytes(self, text, LARGE);
	peer_send(self, "\", \"id\": 2}");
	json_decref(command);
	peer_answer(self, "query-status", "true");
}

static void
test_large(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(makers); i++) {
		g_autoptr(peer) p = makers[i](large, NULL);
		g_autoptr(viommu_monitor) monitor = peer_open(p);
		g_autoptr(GError) error = NULL;
		g_autofree char *text = viommu_monitor_hmp(monitor, "info qtree", &error);

		g_assert_no_error(error);
		g_assert_cmpuint(strlen(text), ==, LARGE);
		peer_expect(monitor, "query-status", "true");
	}
}

static void
hmp(peer *self, G_GNUC_UNUSED gpointer user)
{
	json_t *command;

	peer_greet(self);
	command = peer_command(self);
	g_assert_cmpstr(json_string_value(json_object_get(command, "execute")), ==, "human-monitor-command");
	g_assert_cmpstr(
		json_string_value(json_object_get(json_object_get(command, "arguments"), "command-line")), ==,
		"xp /4gx 0x1000");
	json_decref(command);
	peer_send(self, "{\"return\": \"a\\r\\nb\\r\\n\", \"id\": 2}");
	peer_answer(self, "human-monitor-command", "\"\"");
}

static void
test_hmp(void)
{
	g_autoptr(peer) p = peer_unix(hmp, NULL);
	g_autoptr(viommu_monitor) monitor = peer_open(p);
	g_autofree char *first = viommu_monitor_hmp(monitor, "xp /4gx 0x1000", NULL);
	g_autofree char *second = viommu_monitor_hmp(monitor, "info pci", NULL);

	g_assert_cmpstr(first, ==, "a\r\nb\r\n");
	g_assert_cmpstr(second, ==, "");
}

static void
refusing(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	json_decref(peer_command(self));
	peer_send(self, "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no \\u001b[31m "
			"such\\nthing\"}}");
	json_decref(peer_command(self));
	peer_send(self, "{\"id\": 3, \"error\": {}}");
	peer_answer(self, "query-status", "3");
}

/* QEMU's own refusal is an error of that command only. */
static void
test_refused_by_qemu(void)
{
	g_autoptr(peer) p = peer_unix(refusing, NULL);
	g_autoptr(viommu_monitor) monitor = peer_open(p);
	g_autoptr(GError) error = NULL;

	g_assert_null(viommu_monitor_execute(monitor, "qom-get", NULL, &error));
	g_assert_null(strchr(error->message, '\033'));
	unit_error(&error, VIOMMU_ERROR_QEMU, "QEMU refused qom-get: no \\033[31m such\\nthing");
	g_assert_null(viommu_monitor_execute(monitor, "qom-get", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_QEMU, "QEMU refused qom-get");
	peer_expect(monitor, "query-status", "3");
}

static void
wrong_ids(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	json_decref(peer_command(self));
	peer_send(self,
		"{\"return\": \"old\", \"id\": 1}{\"return\": \"next\", \"id\": 3}{\"return\": \"none\"}"
		"{\"return\": \"text\", \"id\": \"2\"}{\"return\": \"real\", \"id\": 2.0}"
		"{\"error\": {\"desc\": \"not yours\"}, \"id\": 4}{\"error\": {\"desc\": \"nobody's\"}}"
		"{\"return\": \"mine\", \"id\": 2}");
	peer_wait_closed(self);
}

static void
test_wrong_ids(void)
{
	g_autoptr(peer) p = peer_unix(wrong_ids, NULL);
	g_autoptr(viommu_monitor) monitor = peer_open(p);

	peer_expect(monitor, "query-status", "\"mine\"");
}

static json_t *
with_nul(void)
{
	return json_pack("{s:s#}", "command-line", "info pci\0\nquit", (int) sizeof("info pci\0\nquit") - 1);
}

/* What is not on the list does not reach the peer. */
static void
test_refused(void)
{
	g_autoptr(peer) p = peer_unix(greet_only, NULL);
	viommu_monitor *monitor = peer_open(p);
	g_autoptr(GError) error = NULL;

	g_assert_null(viommu_monitor_execute(monitor, "quit", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "\"quit\"");
	g_assert_null(viommu_monitor_execute(monitor, "qom-set", json_pack("{s:s}", "path", "/x"), &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "\"qom-set\"");
	g_assert_null(viommu_monitor_execute(monitor, "stop", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "\"stop\"");
	g_assert_null(viommu_monitor_hmp(monitor, "gpa2hpa 0x1000", &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "\"gpa2hpa 0x1000\"");
	g_assert_null(viommu_monitor_hmp(monitor, "xp /4gx 0x1000\nquit", &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "quit");
	g_assert_null(viommu_monitor_execute(monitor, "human-monitor-command", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "human-monitor-command");
	g_assert_null(viommu_monitor_execute(
		monitor, "human-monitor-command", json_pack("{s:i}", "command-line", 1), &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "human-monitor-command");
	g_assert_null(viommu_monitor_execute(monitor, "human-monitor-command", with_nul(), &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "info pci");
	g_assert_cmpuint(viommu_monitor_round_trips(monitor), ==, 1);
	viommu_monitor_free(monitor);
	peer_wait(p);
	g_assert_cmpuint(peer_commands(p), ==, 1);
}

static void
pausing(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	peer_answer(self, "stop", "{}");
	peer_answer(self, "cont", "{}");
	peer_wait_closed(self);
}

static void
test_pause(void)
{
	g_autoptr(peer) p = peer_unix(pausing, NULL);
	viommu_monitor *monitor = peer_open(p);
	g_autoptr(GError) error = NULL;

	viommu_monitor_allow_pause(monitor);
	peer_expect(monitor, "stop", "{}");
	peer_expect(monitor, "cont", "{}");
	g_assert_null(viommu_monitor_execute(monitor, "system_reset", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_REFUSED, "system_reset");
	viommu_monitor_free(monitor);
	peer_wait(p);
	g_assert_cmpuint(peer_commands(p), ==, 3);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/monitor/open", test_open);
	g_test_add_func("/monitor/bare-path", test_bare_path);
	g_test_add_func("/monitor/commands", test_commands);
	g_test_add_func("/monitor/events", test_events);
	g_test_add_func("/monitor/pieces", test_pieces);
	g_test_add_func("/monitor/large", test_large);
	g_test_add_func("/monitor/hmp", test_hmp);
	g_test_add_func("/monitor/refused-by-qemu", test_refused_by_qemu);
	g_test_add_func("/monitor/wrong-ids", test_wrong_ids);
	g_test_add_func("/monitor/refused", test_refused);
	g_test_add_func("/monitor/pause", test_pause);
	return g_test_run();
}
