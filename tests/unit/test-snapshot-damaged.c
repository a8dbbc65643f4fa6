/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshot files that are cut, damaged, or none: each is read or rejected, never more. */
#include <elf.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "helpers.h"
#include "tables.h"

/* Reads a file; what comes out of it has to hold together.  TRUE: it was taken. */
static gboolean
take(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_snapshot) snapshot = viommu_snapshot_read(path, &error);
	g_autoptr(viommu_memory) memory = NULL;
	const viommu_machine *machine;
	json_t *json;

	if (!snapshot) {
		unit_error(&error, VIOMMU_ERROR_INPUT, path);
		return FALSE;
	}
	g_assert_no_error(error);
	machine = viommu_snapshot_machine(snapshot);
	json = viommu_machine_to_json(machine);
	g_assert_nonnull(json);
	json_decref(json);
	memory = viommu_snapshot_memory(snapshot);
	for (guint i = 0; i < machine->ram->len; i++) {
		uint64_t first = g_array_index(machine->ram, viommu_ram_region, i).gpa.first;

		for (uint64_t page = 0; page < 64; page++) {
			uint8_t buffer[VIOMMU_PAGE_SIZE];
			viommu_page_read read = { .buffer = buffer };

			read.gpa.v = ((first & ~0xfffull) + 0x10000000 * (page & 1)) + (page >> 1) * 4096;
			g_assert_true(viommu_memory_read_pages(memory, &read, 1, NULL));
			if (read.status == VIOMMU_PAGE_OK)
				memcpy(buffer, read.data, VIOMMU_PAGE_SIZE); /* all of it is there */
		}
	}
	return TRUE;
}

static void
expect_rejected(const char *path, const char *part)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(viommu_snapshot_read(path, &error));
	unit_error(&error, VIOMMU_ERROR_INPUT, part);
}

/* A good and small file. */
static GByteArray *
good_file(void)
{
	g_autoptr(tables) t = tables_new(39);
	g_autofree char *path = unit_path("good");
	g_autoptr(viommu_snapshot) snapshot = NULL;
	char *data;
	gsize len;

	tables_device(t, 0x20, 3); /* its table is a page of zeros */
	tables_break(t, 0x3000, VIOMMU_PAGE_FAILED);
	snapshot = tables_snapshot(t);
	g_assert_true(viommu_snapshot_write(snapshot, path, TRUE, NULL));
	g_assert_true(take(path));
	g_assert_true(g_file_get_contents(path, &data, &len, NULL));
	return g_byte_array_new_take((guint8 *) data, len);
}

/* Every length: up to the last page it has to be rejected, behind it only the section
 * headers are missing, which nobody needs. */
static void
test_cut(void)
{
	g_autoptr(GByteArray) bytes = good_file();
	g_autofree char *path = unit_write("cut", bytes->data, bytes->len);
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *) bytes->data;

	for (guint len = bytes->len; len-- > 0;) {
		g_assert_cmpint(truncate(path, len), ==, 0);
		if (take(path))
			g_assert_cmpuint(len, >=, ehdr->e_shoff);
	}
}

static void
test_flipped(void)
{
	g_autoptr(GByteArray) bytes = good_file();
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *) bytes->data;
	guint headers = sizeof(*ehdr) + ehdr->e_phnum * sizeof(Elf64_Phdr), taken = 0;

	for (unsigned i = 0; i < 3000; i++) {
		g_autofree guint8 *damaged = g_memdup2(bytes->data, bytes->len);
		g_autofree char *path = NULL;

		/* In the headers, in the note, anywhere; one or several. */
		for (guint64 n = 1 + unit_random(rand, 3); n > 0; n--) {
			guint where = i % 3 == 0 ? headers : i % 3 == 1 ? 4096 : bytes->len;

			damaged[unit_random(rand, where)] ^= (guint8) (1u << unit_random(rand, 8));
		}
		path = unit_write("flipped", damaged, bytes->len);
		taken += take(path);
	}
	g_test_message("%u of 3000 were taken", taken);
	g_assert_cmpuint(taken, >, 0);
	g_assert_cmpuint(taken, <, 3000);
}

static void
test_not_files(void)
{
	g_autofree char *folder = unit_path("folder"), *none = unit_path("none"),
			*empty = unit_write("empty", "", 0);
	g_autofree char *text = unit_write("text", "{\"format\":\"viommu-snapshot\"}\n", -1);
	const char *const unreadable[] = { folder, none, "/dev/zero", "/dev/null", "" };

	g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(unreadable); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(viommu_snapshot_read(unreadable[i], &error));
		unit_error(&error, VIOMMU_ERROR_FAILED, "cannot read the snapshot");
	}
	g_rmdir(folder);
	expect_rejected(empty, "not a 64-bit ELF core file");
	expect_rejected(text, "not a 64-bit ELF core file");
	expect_rejected("/proc/self/exe", "not a 64-bit ELF core file");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/snapshot-damaged/cut", test_cut);
	g_test_add_func("/snapshot-damaged/flipped", test_flipped);
	g_test_add_func("/snapshot-damaged/not-files", test_not_files);
	return g_test_run();
}
