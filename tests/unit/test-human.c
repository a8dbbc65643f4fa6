/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A human monitor in QMP's place: a terminal's echo, prompts in answers, and what is none. */
#include <string.h>

#include <glib/gstdio.h>

#include "helpers.h"
#include "hmp-answers.h"
#include "peer.h"
#include "trace-state.h"

#define BANNER "QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) "
#define SHORT 300u

/* As QEMU's readline does it: the line so far, anew for each character. */
static void
echo(peer *self, const char *line)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (size_t i = 1; i <= strlen(line); i++) {
		for (size_t k = 1; k < i; k++)
			g_string_append(text, "\033[D");
		g_string_append_len(text, line, (gssize) i);
		g_string_append(text, "\033[K");
	}
	g_string_append(text, "\r\n");
	peer_send(self, text->str);
}

/* Takes a line, which has to be this one, and the number behind it. */
static void
answer(peer *self, const char *line, const char *text)
{
	g_autofree char *got = peer_line(self), *number = peer_line(self), *printed = NULL;

	g_assert_cmpstr(got, ==, line);
	g_assert_true(g_str_has_prefix(number, "p/x 0x"));
	g_assert_cmpuint(strlen(number), ==, strlen("p/x 0x") + 16);
	echo(self, line);
	peer_send(self, text);
	peer_send(self, "(qemu) ");
	echo(self, number);
	printed = g_strdup_printf("%s\r\n(qemu) ", number + strlen("p/x "));
	peer_send(self, printed);
}

static void
greet(peer *self)
{
	peer_send(self, BANNER);
	answer(self, "info version", "7.2.22Debian 1:7.2+dfsg-7\r\n");
}

static viommu_monitor *
open_human(const peer *p, unsigned timeout_ms, GError **error)
{
	g_autofree char *address = g_strconcat(VIOMMU_HUMAN_SCHEME, peer_address(p), NULL);

	return viommu_monitor_open(address, timeout_ms, error);
}

/* ---- what QMP would say ---------------------------------------------------------------------- */

static void
script_plain(peer *self, gpointer user)
{
	(void) user;
	peer_send(self, "the rest of what somebody asked\r\n");
	greet(self);
	answer(self, "info status", "VM status: paused (prelaunch)\r\n");
	answer(self, "info kvm", "kvm support: enabled\r\n");
	answer(self, "qom-list /machine", "type (string)\r\nnew one (child<a(b)>)\r\n");
	answer(self, "qom-get /machine x", "{\r\n    \"a\": 1\r\n}\r\n");
	answer(self, "qom-get /machine y", "Error: Property 'q35-machine.y' not found\r\n");
	/* what an answer may hold, and does not end it */
	answer(self, "info qtree", "bus: main\r\n(qemu) x\r\n0x8000000000000000\r\n(qemu) y\r\n");
	answer(self, "info mtree -f", "");
	answer(self, "info qtree", "serial = \"\351\"\r\n");
	answer(self, "info status", "VM status: running (single step mode)\r\n");
	peer_wait_closed(self);
}

static void
test_plain(void)
{
	g_autoptr(peer) p = peer_unix(script_plain, NULL);
	g_autoptr(viommu_monitor) monitor = open_human(p, PEER_PATIENCE, NULL);
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL, *none = NULL, *latin = NULL, *version = NULL;
	json_t *value;

	g_assert_nonnull(monitor);
	version = json_dumps(viommu_monitor_version(monitor), JSON_COMPACT | JSON_SORT_KEYS);
	g_assert_cmpstr(version, ==, "{\"package\":\"Debian 1:7.2+dfsg-7\",\"qemu\":{\"major\":7,\"micro\":22,\"minor\":2}}");
	viommu_monitor_ahead(monitor, "query-kvm", NULL); /* nothing is sent ahead */
	peer_expect(monitor, "query-status", "{\"status\": \"prelaunch\", \"running\": false}");
	peer_expect(monitor, "query-kvm", "{\"enabled\": true, \"present\": true}");
	value = viommu_monitor_execute(monitor, "qom-list", json_pack("{s:s}", "path", "/machine"), NULL);
	g_assert_cmpstr(json_string_value(json_object_get(json_array_get(value, 1), "name")), ==, "new one");
	json_decref(value);
	value = viommu_monitor_execute(monitor, "qom-get", json_pack("{s:s, s:s}", "path", "/machine", "property", "x"), NULL);
	g_assert_cmpint(json_integer_value(json_object_get(value, "a")), ==, 1);
	json_decref(value);
	g_assert_null(viommu_monitor_execute(monitor, "qom-get", json_pack("{s:s, s:s}", "path", "/machine", "property", "y"), &error));
	g_assert_error(error, VIOMMU_ERROR, VIOMMU_ERROR_QEMU);
	g_assert_nonnull(strstr(error->message, "q35-machine.y"));
	text = viommu_monitor_hmp(monitor, "info qtree", NULL);
	g_assert_cmpstr(text, ==, "bus: main\r\n(qemu) x\r\n0x8000000000000000\r\n(qemu) y\r\n");
	none = viommu_monitor_hmp(monitor, "info mtree -f", NULL);
	g_assert_cmpstr(none, ==, "");
	latin = viommu_monitor_hmp(monitor, "info qtree", NULL); /* QMP has the same in its place */
	g_assert_cmpstr(latin, ==, "serial = \"\357\277\275\"\r\n");
	peer_expect(monitor, "query-status", "{\"status\": \"running\", \"running\": true}");
	g_clear_error(&error);
	g_assert_null(viommu_monitor_execute(monitor, "stop", NULL, &error));
	g_assert_error(error, VIOMMU_ERROR, VIOMMU_ERROR_REFUSED);
}

/* A path is L1's and QEMU's text: it ends in no second line. */
static void
script_greeting(peer *self, gpointer user)
{
	(void) user;
	greet(self);
	peer_wait_closed(self);
}

static void
test_odd_line(void)
{
	g_autoptr(peer) p = peer_unix(script_greeting, NULL);
	g_autoptr(viommu_monitor) monitor = open_human(p, PEER_PATIENCE, NULL);
	g_autofree char *huge = g_strnfill(5000, 'x');
	const char *const paths[] = { "/machine\nquit", "/machine\tx", "/mach\303\244ne", "\033[A", huge };

	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(viommu_monitor_execute(monitor, "qom-list", json_pack("{s:s}", "path", paths[i]), &error));
		g_assert_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED);
	}
	g_assert_cmpuint(peer_commands(p), ==, 2);
}

/* ---- what is none ------------------------------------------------------------------------------ */

static void
script_text(peer *self, gpointer user)
{
	peer_send(self, user);
	peer_wait_closed(self);
}

/* Some bytes, and then the number as it is printed. */
static void
script_bytes(peer *self, gpointer user)
{
	g_autofree char *line = NULL, *number = NULL, *printed = NULL;
	gsize len;
	const void *data = g_bytes_get_data(user, &len);

	peer_send(self, BANNER);
	line = peer_line(self);
	number = peer_line(self);
	printed = g_strdup_printf("\n%s\r\n(qemu) ", number + strlen("p/x "));
	peer_send_bytes(self, data, len);
	peer_send(self, printed);
	peer_wait_closed(self);
}

static void
script_nonsense(peer *self, gpointer user)
{
	peer_send(self, BANNER);
	answer(self, "info version", user);
	peer_wait_closed(self);
}

static void
script_gone(peer *self, gpointer user)
{
	g_autofree char *line = NULL;

	(void) user;
	peer_send(self, BANNER);
	line = peer_line(self);
	peer_close(self);
}

static void
expect_failure(peer_script script, const void *user, unsigned timeout_ms, int code)
{
	g_autoptr(peer) p = peer_unix(script, (gpointer) user);
	g_autoptr(GError) error = NULL;

	g_assert_null(open_human(p, timeout_ms, &error));
	g_assert_error(error, VIOMMU_ERROR, code);
}

static void
test_none(void)
{
	static const char nul[] = "x\r\n7.2\0.22\r\n(qemu) ";
	g_autoptr(GBytes) with_nul = g_bytes_new_static(nul, sizeof(nul) - 1), nothing = g_bytes_new_static("", 0);

	/* QMP's greeting, a shell's prompt, nothing at all */
	expect_failure(script_text, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n", SHORT, VIOMMU_ERROR_PROTOCOL);
	expect_failure(script_text, "login: ", SHORT, VIOMMU_ERROR_PROTOCOL);
	expect_failure(script_text, "", SHORT, VIOMMU_ERROR_TIMEOUT);
	expect_failure(script_text, "(qemu) (qemu) ", SHORT, VIOMMU_ERROR_TIMEOUT);
	expect_failure(script_bytes, with_nul, PEER_PATIENCE, VIOMMU_ERROR_PROTOCOL);
	expect_failure(script_bytes, nothing, PEER_PATIENCE, VIOMMU_ERROR_PROTOCOL);
	expect_failure(script_nonsense, "what?\r\n", PEER_PATIENCE, VIOMMU_ERROR_PROTOCOL);
	expect_failure(script_nonsense, "", PEER_PATIENCE, VIOMMU_ERROR_PROTOCOL);
	expect_failure(script_gone, NULL, PEER_PATIENCE, VIOMMU_ERROR_CLOSED);
}

/* ---- what real QEMUs print ------------------------------------------------------------------------ */

static char *
parsed(json_t *(*parse)(const char *text), const char *name, const char *version)
{
	g_autofree char *path = g_strdup_printf("hmp/%s-qemu-%s.txt", name, version);
	g_autofree char *text = unit_fixture(path);
	json_t *value = parse(text);
	char *ret = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(value);
	return ret;
}

static void
expect(json_t *(*parse)(const char *text), const char *name, const char *value)
{
	static const char *const versions[] = { "7.2.22", "10.0.2" };

	for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
		g_autofree char *got = parsed(parse, name, versions[i]);

		g_assert_cmpstr(got, ==, value);
	}
}

static void
test_real(void)
{
	static const char *const events[] = { "vtd_inv_desc_iotlb_pages", "vtd_inv_qi_tail" };
	g_autofree char *seven = parsed(viommu_hmp_version, "version", "7.2.22"), *ten = parsed(viommu_hmp_version, "version", "10.0.2");
	g_autofree char *list = parsed(viommu_hmp_trace_events, "events", "10.0.2");

	g_assert_cmpstr(seven, ==, "{\"package\":\"Debian 1:7.2+dfsg-7+deb12u18+b3\",\"qemu\":{\"major\":7,\"micro\":22,\"minor\":2}}");
	g_assert_cmpstr(ten, ==, "{\"package\":\"Debian 1:10.0.2+ds-2+deb13u1~bpo12+1\",\"qemu\":{\"major\":10,\"micro\":2,\"minor\":0}}");
	expect(viommu_hmp_status, "status", "{\"running\":false,\"status\":\"prelaunch\"}");
	expect(viommu_hmp_kvm, "kvm", "{\"enabled\":false,\"present\":true}");
	expect(viommu_hmp_value, "value", "false");
	expect(viommu_hmp_qom_list, "list",
		"[{\"name\":\"type\",\"type\":\"string\"},{\"name\":\"near\",\"type\":\"child<pcie-root-port>\"},"
		"{\"name\":\"far\",\"type\":\"child<pcie-root-port>\"},{\"name\":\"pxb\",\"type\":\"child<pxb-pcie>\"}]");
	for (gsize i = 0; i < G_N_ELEMENTS(events); i++) {
		g_autofree char *item = g_strdup_printf("{\"name\":\"%s\",\"state\":\"disabled\"}", events[i]);

		g_assert_nonnull(strstr(list, item));
	}
}

/* The roots, and what is below: buses that firmware has numbered, and those that it has not yet. */
static void
test_pci(void)
{
	static const char numbered[] =
		"  Bus 128, device   0, function 0:\r\n    PCI bridge: PCI device 1b36:000c\r\n      secondary bus 129.\r\n      id \"far\"\r\n"
		"  Bus 129, device   0, function 3:\r\n    Class 0255: PCI device 1234:11e8\r\n      id \"\"\r\n"
		"  Bus  0, device  31, function 7:\r\n    Ethernet controller: PCI device 8086:10d3\r\n      id \"n\"0\"\r\n";
	json_t *roots = viommu_hmp_pci(numbered);
	g_autofree char *text = json_dumps(roots, JSON_COMPACT | JSON_SORT_KEYS);
	g_autofree char *seven = parsed(viommu_hmp_pci, "pci", "7.2.22"), *ten = parsed(viommu_hmp_pci, "pci", "10.0.2");

	json_decref(roots);
	g_assert_cmpstr(text, ==,
		"[{\"bus\":128,\"devices\":["
		"{\"bus\":128,\"class_info\":{\"desc\":\"PCI bridge\"},\"function\":0,\"id\":{\"device\":12,\"vendor\":6966},"
		"\"pci_bridge\":{\"bus\":{\"secondary\":129}},\"qdev_id\":\"far\",\"slot\":0},"
		"{\"bus\":129,\"class_info\":{\"class\":255},\"function\":3,\"id\":{\"device\":4584,\"vendor\":4660},\"qdev_id\":\"\",\"slot\":0}]},"
		"{\"bus\":0,\"devices\":[{\"bus\":0,\"class_info\":{\"desc\":\"Ethernet controller\"},\"function\":7,"
		"\"id\":{\"device\":4307,\"vendor\":32902},\"qdev_id\":\"n\\\"0\",\"slot\":31}]}]");
	g_assert_cmpstr(seven, ==, ten);
	g_assert_nonnull(strstr(seven, "[{\"bus\":128,\"devices\":[{\"bus\":128,"));
	g_assert_nonnull(strstr(seven, "\"qdev_id\":\"near\""));
}

/* What a viommu trace that was killed left on is found again, however the address is written. */
static void
test_note(void)
{
	g_autofree char *folder = g_get_current_dir(), *whole = g_strdup_printf(VIOMMU_HUMAN_SCHEME "unix:%s/monitor", folder);
	g_autofree char *bare = g_strdup_printf(VIOMMU_HUMAN_SCHEME "%s/monitor", folder);
	g_autofree char *runtime = g_dir_make_tmp("viommu-human.XXXXXX", NULL), *own = g_build_filename(runtime, "viommu", NULL);
	trace_state *note;
	const char *const same[] = { whole, bare, VIOMMU_HUMAN_SCHEME "unix:./monitor" };

	g_setenv("XDG_RUNTIME_DIR", runtime, TRUE);
	note = trace_state_new(VIOMMU_HUMAN_SCHEME "unix:monitor");
	note->file = g_strdup("/log");
	g_assert_true(trace_state_write(note, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(same); i++) {
		trace_state *again = trace_state_read(same[i]);

		g_assert_nonnull(again);
		trace_state_free(again);
	}
	g_assert_null(trace_state_read(VIOMMU_HUMAN_SCHEME "unix:other"));
	g_assert_null(trace_state_read(VIOMMU_HUMAN_SCHEME "tcp:monitor"));
	trace_state_remove(note);
	trace_state_free(note);
	g_assert_cmpint(g_rmdir(own), ==, 0);
	g_assert_cmpint(g_rmdir(runtime), ==, 0);
}

/* No text is taken for what it is not, and none crashes. */
static void
test_hostile(void)
{
	static json_t *(*const parsers[])(const char *text) = { viommu_hmp_version, viommu_hmp_status, viommu_hmp_kvm, viommu_hmp_qom_list,
		viommu_hmp_pci, viommu_hmp_value, viommu_hmp_trace_events };
	static const char *const bad[] = { "", "\r\n", "(", ")", "()", " ()", "x (", "VM status: ", "VM status: asleep\r\n", "kvm", "1.2", "-1.-2.-3",
		"  Bus 999, device 1, function 1:\r\n", "  Bus  1, device 32, function 1:\r\n", "  Bus 0, device 0, function 0:", "{", "[1,", "a : state",
		"    PCI bridge: PCI device 1:2\r\n", "99999999999999999999.1.1" };

	for (gsize p = 0; p < G_N_ELEMENTS(parsers); p++)
		for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
			json_decref(parsers[p](bad[i]));
	g_assert_null(viommu_hmp_status("VM status: asleep\r\n"));
	g_assert_null(viommu_hmp_version("-1.-2.-3"));
	g_assert_null(viommu_hmp_pci("  Bus 999, device 1, function 1:\r\n"));
	g_assert_null(viommu_hmp_qom_list("x (\r\n"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/human/plain", test_plain);
	g_test_add_func("/human/odd-line", test_odd_line);
	g_test_add_func("/human/none", test_none);
	g_test_add_func("/human/real", test_real);
	g_test_add_func("/human/pci", test_pci);
	g_test_add_func("/human/note", test_note);
	g_test_add_func("/human/hostile", test_hostile);
	return g_test_run();
}
