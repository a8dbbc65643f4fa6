/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "helpers.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <glib/gstdio.h>

static char *folder;

static void
remove_folder(void)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		g_remove(path);
	}
	g_rmdir(folder);
	g_clear_pointer(&folder, g_free);
}

static void
make_folder(void)
{
	if (folder)
		return;
	folder = g_dir_make_tmp("viommu-unit-XXXXXX", NULL);
	g_assert_nonnull(folder);
	atexit(remove_folder);
}

char *
unit_path(const char *name)
{
	make_folder();
	return g_build_filename(folder, name, NULL);
}

char *
unit_write(const char *name, const void *data, gssize len)
{
	char *path = unit_path(name);
	gsize bytes = len < 0 ? strlen(data) : (gsize) len;
	FILE *file;

	g_remove(path); /* writing over a file makes ext4 flush it: thousands of times slower */
	file = fopen(path, "we");
	g_assert_nonnull(file);
	g_assert_cmpuint(fwrite(data, 1, bytes, file), ==, bytes);
	g_assert_cmpint(fclose(file), ==, 0);
	return path;
}

unsigned
unit_files(void)
{
	g_autoptr(GDir) dir = NULL;
	unsigned ret = 0;

	make_folder();
	dir = g_dir_open(folder, 0, NULL);
	while (dir && g_dir_read_name(dir))
		ret++;
	return ret;
}

char *
unit_fixture(const char *name)
{
	const char *tests = g_getenv("VIOMMU_TESTS");
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;
	char *ret;

	if (!tests)
		g_error("VIOMMU_TESTS has to name the folder tests/");
	path = g_build_filename(tests, "data", name, NULL);
	g_file_get_contents(path, &ret, NULL, &error);
	g_assert_no_error(error);
	return ret;
}

void
unit_error(GError **error, enum viommu_error_code code, const char *part)
{
	g_assert_error(*error, VIOMMU_ERROR, (int) code);
	if (!strstr((*error)->message, part))
		g_error("the message \"%s\" has no \"%s\"", (*error)->message, part);
	g_clear_error(error);
}

guint64
unit_peak_memory(void)
{
	struct rusage usage;

	g_assert_cmpint(getrusage(RUSAGE_SELF, &usage), ==, 0);
	return (guint64) usage.ru_maxrss * 1024;
}

guint64
unit_random(GRand *rand, guint64 n)
{
	return ((guint64) g_rand_int(rand) << 32 | g_rand_int(rand)) % n;
}
