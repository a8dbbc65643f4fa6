/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's list of unix sockets, and paths that pretend to be lines of it. */
#include <glib.h>

#include "unix-sockets.h"

#define HEADING "Num       RefCount Protocol Flags    Type St Inode Path\n"
#define LINE(flags, inode, path) "0000000000000000: 00000002 00000000 " flags " 0001 01 " inode path "\n"

static const viommu_unix_socket *
at(const GArray *sockets, guint n)
{
	g_assert_cmpuint(n, <, sockets->len);
	return &g_array_index(sockets, viommu_unix_socket, n);
}

static void
is(const viommu_unix_socket *item, guint64 inode, bool listens, bool doubtful, const char *path)
{
	g_assert_cmpuint(item->inode, ==, inode);
	g_assert_cmpint(item->listens, ==, listens);
	g_assert_cmpint(item->doubtful, ==, doubtful);
	g_assert_cmpstr(item->path, ==, path);
}

static void
test_lines(void)
{
	g_autoptr(GArray) sockets = viommu_unix_sockets_parse(HEADING LINE("00010000", " 1234", " /run/a b ") LINE("00000000", "    7", "")
			LINE("00000000", "123456", " @x@y") "(____ptrval____): 00000002 00000000 00010000 0001 01 55555 rel\n");

	g_assert_cmpuint(sockets->len, ==, 4);
	is(at(sockets, 0), 1234, true, false, "/run/a b ");
	is(at(sockets, 1), 7, false, false, NULL);
	is(at(sockets, 2), 123456, false, false, "@x@y");
	is(at(sockets, 3), 55555, true, false, "rel");
}

static void
test_none(void)
{
	static const char *const texts[] = { "", "\n", HEADING, HEADING "\n\n", HEADING "x\n:\n: \n" };

	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GArray) sockets = viommu_unix_sockets_parse(texts[i]);

		g_assert_cmpuint(sockets->len, ==, 0);
	}
}

/* Whichever of them comes first, and whether one of them has a path or not. */
static void
test_twins(void)
{
	g_autoptr(GArray) sockets = viommu_unix_sockets_parse(HEADING LINE("00010000", "10000", " /real") LINE("00000000", "10001", " x")
			LINE("00000000", "10000", " /real") LINE("00000000", "10002", "") LINE("00000000", "10000", " /other")
				LINE("00000000", "10002", " y"));

	g_assert_cmpuint(sockets->len, ==, 6);
	is(at(sockets, 0), 10000, true, true, "/real");
	is(at(sockets, 1), 10001, false, false, "x");
	is(at(sockets, 2), 10000, false, true, "/real");
	is(at(sockets, 3), 10002, false, true, NULL);
	is(at(sockets, 4), 10000, false, true, "/other");
	is(at(sockets, 5), 10002, false, true, "y");
}

/* What is no line of the kernel's is the rest of the path before it. */
static void
malformed(const char *rest)
{
	g_autofree char *text = g_strconcat(HEADING LINE("00010000", "10000", " /before") LINE("00010000", "10001", " /real"), rest,
		"\n" LINE("00010000", "10002", " /behind"), NULL);
	g_autoptr(GArray) sockets = viommu_unix_sockets_parse(text);

	g_assert_cmpuint(sockets->len, ==, 3);
	is(at(sockets, 0), 10000, true, false, "/before");
	is(at(sockets, 1), 10001, true, true, "/real");
	is(at(sockets, 2), 10002, true, false, "/behind");
}

static void
test_malformed(void)
{
	malformed("");
	malformed("x");
	malformed("x y");
	malformed(": ");
	malformed("0000000000000000 00000002 00000000 00010000 0001 01 10003 /x");
	malformed("0000000000000000: 0000002 00000000 00010000 0001 01 10003 /x");
	malformed("0000000000000000: 00000002  00000000 00010000 0001 01 10003 /x");
	malformed("0000000000000000: 00000002 00000000 0001000g 0001 01 10003 /x");
	malformed("0000000000000000: 00000002 00000000 00010000 0001 01 -10003 /x");
	malformed("0000000000000000: 00000002 00000000 00010000 0001 01 ");
	malformed("0000000000000000: 00000002 00000000 00010000 0001 01 10003/x");
	malformed("0000000000000000: 00000002 00000000 00010000 0001 01 10003 ");
	malformed("0000000000000000: 00000002 00000000 00010000 0001");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/unix-sockets/lines", test_lines);
	g_test_add_func("/unix-sockets/none", test_none);
	g_test_add_func("/unix-sockets/twins", test_twins);
	g_test_add_func("/unix-sockets/malformed", test_malformed);
	return g_test_run();
}
