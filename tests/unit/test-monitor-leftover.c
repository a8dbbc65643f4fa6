/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client left in the middle of an answer: QEMU gives the rest of it to the next one, before the greeting. */
#include <string.h>

#include "peer.h"

#define PRETTY_GREETING "{\r\n    \"QMP\": {\r\n        \"version\": {\r\n            \"package\": \"x\"\r\n        }\r\n    }\r\n}\r\n"

typedef struct {
	const char *rest, *greeting; /* greeting NULL: QEMU 7.2's */
	gsize piece;                 /* bytes at a time, 0: all at once */
} leftover;

static void
script(peer *self, gpointer user)
{
	const leftover *l = user;
	gsize step = l->piece ? l->piece : strlen(l->rest) + 1;

	for (const char *at = l->rest; *at; at += MIN(step, strlen(at)))
		peer_send_bytes(self, at, MIN(step, strlen(at)));
	if (l->greeting) {
		peer_send(self, l->greeting);
		peer_answer(self, "qmp_capabilities", "{}");
	} else {
		peer_greet(self);
	}
	peer_answer(self, "query-status", "{\"status\": \"running\"}");
}

static void
expect_skipped(const leftover *l)
{
	g_autoptr(peer) p = peer_unix(script, (gpointer) l);
	g_autoptr(viommu_monitor) monitor = peer_open(p);

	g_assert_nonnull(monitor);
	peer_expect(monitor, "query-status", "{\"status\": \"running\"}");
}

static void
test_skipped(void)
{
	static const char *const rests[] = {
		"al\"}, {\"name\": \"failover\", \"default\": null}], \"id\": 7}\r\n",
		"}\r\n",
		"\r\n",
		"\n",
		"\"}\r\n",
		"{\"return\": {}, \"id\": 1}\r\n",
		PEER_EVENT PEER_EVENT "{\"return\": \"bus: pcie.0\\r\\n\", \"id\": 3}\r\n",
		/* cut inside a string, which looks like an object, or like the greeting itself */
		"{ \\\"a\\\", \\r\\n dev: x {\\r\\n\", \"id\": 3}\r\n",
		"x{\\\"QMP\\\": {\\\"version\\\": {}}}\\r\\n\"}\r\n",
		"x{\"QMP\": {\"version\": {}}}\r\n",
		"{\"QM\": 1}\r\n",
		/* of pretty=on */
		"       \"name\": \"a\"\r\n        },\r\n        {\r\n            \"b\": [\r\n            ]\r\n        }\r\n    ]\r\n}\r\n",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(rests); i++)
		for (gsize piece = 0; piece < 4; piece++) {
			g_test_message("case %zu, %zu bytes at a time", i, piece);
			expect_skipped(&(leftover){ rests[i], NULL, piece });
			expect_skipped(&(leftover){ rests[i], PRETTY_GREETING, piece });
		}
}

/* Megabytes, as of query-qmp-schema or a batch of xp; with no line break up to its end. */
static void
test_long(void)
{
	g_autoptr(GString) rest = g_string_new(NULL);

	for (unsigned i = 0; i < 500000; i++)
		g_string_append(rest, "{\"QMP\": \"x\"}, ");
	rest->str[0] = 'x';
	g_string_append(rest, "]}\r\n");
	expect_skipped(&(leftover){ rest->str, NULL, 0 });
}

/* Lines without end cost no more than their bytes. */
static void
test_empty_lines(void)
{
	g_autofree char *lines = g_strnfill(4 << 20, '\n');

	memcpy(lines + (4 << 20) - 3, "x\r\n", 3);
	expect_skipped(&(leftover){ lines, NULL, 0 });
	memset(lines, ' ', 4 << 20);
	memcpy(lines, "{\n", 2);
	memcpy(lines + (4 << 20) - 3, "x\r\n", 3);
	expect_skipped(&(leftover){ lines, NULL, 0 });
}

static void
leave(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_send(self, ": 5}\r\n");
}

/* A QEMU that ends has not become something else. */
static void
test_closed(void)
{
	g_autoptr(peer) p = peer_unix(leave, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_null(viommu_monitor_open(peer_address(p), PEER_PATIENCE, &error));
	g_assert_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/monitor-leftover/skipped", test_skipped);
	g_test_add_func("/monitor-leftover/long", test_long);
	g_test_add_func("/monitor-leftover/empty-lines", test_empty_lines);
	g_test_add_func("/monitor-leftover/closed", test_closed);
	return g_test_run();
}
