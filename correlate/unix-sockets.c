/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Anybody can bind a path with a line break in it, which the kernel prints as it is: what
 * stands behind it looks like a line of the kernel's. */
#include "unix-sockets.h"

#include <string.h>

#include "text/hash.h"

static void
socket_clear(gpointer data)
{
	g_free(((viommu_unix_socket *) data)->path);
}

/* A column of so many hexadecimal digits and a blank. */
static bool
take_hex(const char **at, size_t digits, guint64 *ret)
{
	char *end;

	if (strspn(*at, "0123456789ABCDEF") != digits || (*at)[digits] != ' ')
		return false;
	*ret = g_ascii_strtoull(*at, &end, 16);
	*at = end + 1;
	return true;
}

/* "Num: RefCount Protocol Flags Type St Inode Path", as Linux writes it since 2.6: the inode is
 * padded to five, and without an address the line ends behind it. */
static bool
parse_line(const char *line, viommu_unix_socket *ret)
{
	static const size_t digits[] = { 8, 8, 8, 4, 2 };
	const char *at = strchr(line, ' ');
	guint64 columns[G_N_ELEMENTS(digits)];
	char *end;

	if (!at || at == line || at[-1] != ':')
		return false;
	at++;
	for (unsigned i = 0; i < G_N_ELEMENTS(digits); i++)
		if (!take_hex(&at, digits[i], &columns[i]))
			return false;
	at += strspn(at, " ");
	if (!g_ascii_isdigit(*at))
		return false;
	*ret = (viommu_unix_socket){ .inode = g_ascii_strtoull(at, &end, 10), .listens = columns[2] >> 16 & 1 };
	if (*end != '\0' && (*end != ' ' || !end[1]))
		return false;
	ret->path = *end ? g_strdup(end + 1) : NULL;
	return true;
}

/* Two lines for one inode: one of them is not the kernel's. */
static void
doubt_twins(GArray *sockets)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(viommu_number_hash, g_int64_equal);

	for (guint i = 0; i < sockets->len; i++) {
		viommu_unix_socket *item = &g_array_index(sockets, viommu_unix_socket, i);
		viommu_unix_socket *twin = g_hash_table_lookup(seen, &item->inode);

		if (twin)
			twin->doubtful = item->doubtful = true;
		else
			g_hash_table_insert(seen, &item->inode, item);
	}
}

GArray *
viommu_unix_sockets_parse(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	guint n = g_strv_length(lines);
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(viommu_unix_socket));

	g_array_set_clear_func(ret, socket_clear);
	/* The first is the heading, and the last one ends with a line break too. */
	for (guint i = 1; i + 1 < n; i++) {
		viommu_unix_socket item;

		if (parse_line(lines[i], &item))
			g_array_append_val(ret, item);
		else if (ret->len)
			g_array_index(ret, viommu_unix_socket, ret->len - 1).doubtful = true; /* its path goes on here */
	}
	doubt_twins(ret);
	return ret;
}
