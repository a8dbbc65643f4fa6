/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots: what is written is what is read; a file is whole or is not there.
 * (test-snapshot-bad.c: files that lie.) */
#include <elf.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "helpers.h"
#include "tables.h"

static viommu_snapshot *
some_snapshot(unsigned seed)
{
	g_autoptr(tables) t = tables_new(39);
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	uint64_t top = tables_device(t, 0x20, 3);
	viommu_snapshot *ret;

	for (unsigned i = 0; i < 300; i++)
		tables_map(t, top, 3, unit_random(rand, 1 << 22) << 12, unit_random(rand, 1 << 22) << 12,
			KIB_4, PTE_RW);
	tables_page(t); /* of zeros */
	tables_break(t, 0x3000, VIOMMU_PAGE_FAILED);
	tables_break(t, t->ram + 0x1000, VIOMMU_PAGE_NOT_RAM);
	ret = tables_snapshot(t);
	g_free(viommu_snapshot_info(ret)->time);
	viommu_snapshot_info(ret)->time = g_strdup("2026-01-02T03:04:05Z");
	viommu_snapshot_info(ret)->paused = seed % 2;
	return ret;
}

/* Both hold the same in every way that can be asked for. */
static void
assert_same(viommu_snapshot *a, viommu_snapshot *b)
{
	g_autoptr(viommu_memory) from_a = viommu_snapshot_memory(a), from_b = viommu_snapshot_memory(b);
	json_t *machine_a = viommu_machine_to_json(viommu_snapshot_machine(a));
	json_t *machine_b = viommu_machine_to_json(viommu_snapshot_machine(b));
	const vtd_registers *regs_a = viommu_snapshot_registers(a), *regs_b = viommu_snapshot_registers(b);

	g_assert_true(json_equal(machine_a, machine_b));
	json_decref(machine_a);
	json_decref(machine_b);
	g_assert_cmphex(regs_a->base, ==, regs_b->base);
	g_assert_cmpmem(regs_a->bytes, regs_a->size, regs_b->bytes, regs_b->size);
	g_assert_cmpuint(viommu_snapshot_pages(a), ==, viommu_snapshot_pages(b));
	g_assert_cmpstr(viommu_snapshot_info(a)->time, ==, viommu_snapshot_info(b)->time);
	g_assert_cmpstr(viommu_snapshot_info(a)->memory_source, ==, viommu_snapshot_info(b)->memory_source);
	g_assert_cmpint(viommu_snapshot_info(a)->paused, ==, viommu_snapshot_info(b)->paused);
	for (uint64_t gpa = 0; gpa < 0x10400000; gpa += gpa == 0x10000 ? 0xfff0000 : 0x1000) {
		uint8_t buffers[2][VIOMMU_PAGE_SIZE];
		viommu_page_read x = { .gpa = { gpa }, .buffer = buffers[0] },
				 y = { .gpa = { gpa }, .buffer = buffers[1] };

		g_assert_true(viommu_memory_read_pages(from_a, &x, 1, NULL));
		g_assert_true(viommu_memory_read_pages(from_b, &y, 1, NULL));
		g_assert_cmpint(x.status, ==, y.status);
		g_assert_cmpint(x.status == VIOMMU_PAGE_OK, ==, x.data != NULL);
		if (x.data)
			g_assert_cmpmem(x.data, VIOMMU_PAGE_SIZE, y.data, VIOMMU_PAGE_SIZE);
	}
}

static viommu_snapshot *
read_back(const char *path)
{
	g_autoptr(GError) error = NULL;
	viommu_snapshot *ret = viommu_snapshot_read(path, &error);

	g_assert_no_error(error);
	return ret;
}

static void
write_to(const viommu_snapshot *snapshot, const char *path, gboolean overwrite)
{
	g_autoptr(GError) error = NULL;

	viommu_snapshot_write(snapshot, path, overwrite, &error);
	g_assert_no_error(error);
}

static GBytes *
contents(const char *path)
{
	char *data;
	gsize len;

	g_assert_true(g_file_get_contents(path, &data, &len, NULL));
	return g_bytes_new_take(data, len);
}

static void
test_round_trip(void)
{
	for (unsigned seed = 0; seed < 4; seed++) {
		g_autofree char *first = unit_path("first"), *second = unit_path("second");
		g_autoptr(viommu_snapshot) original = some_snapshot(seed), copy = NULL;
		g_autoptr(GBytes) bytes = NULL, again = NULL;

		write_to(original, first, TRUE);
		copy = read_back(first);
		assert_same(original, copy);
		write_to(copy, second, TRUE);
		bytes = contents(first);
		again = contents(second);
		g_assert_true(g_bytes_equal(bytes, again));
	}
}

/* A snapshot without pages, not yet sealed, of a guest with 16 GiB. */
static viommu_snapshot *
bare_snapshot(void)
{
	viommu_machine *machine = viommu_machine_new();
	vtd_registers registers = { .base = 0xfed90000, .size = VTD_REGISTERS_MAX };
	viommu_ram_region ram = { .gpa = { 0, (1ull << 34) - 1 } };

	machine->registers_base = registers.base;
	machine->registers_size = registers.size;
	g_array_append_val(machine->ram, ram);
	return viommu_snapshot_new(machine, &registers);
}

/* No page at all: translation is off. */
static void
test_empty(void)
{
	g_autofree char *path = unit_path("empty");
	g_autoptr(viommu_snapshot) original = bare_snapshot(), copy = NULL;

	viommu_snapshot_seal(original);
	write_to(original, path, FALSE);
	copy = read_back(path);
	assert_same(original, copy);
	g_assert_cmpuint(viommu_snapshot_pages(copy), ==, 0);
}

/* More runs than the ELF header's field can count (PN_XNUM). */
static void
test_many_runs(void)
{
	static const unsigned counts[] = { 5000, PN_XNUM - 2, PN_XNUM - 1 };
	static const uint8_t zeros[VIOMMU_PAGE_SIZE]; /* such pages take no room in the file */

	for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
		g_autofree char *path = unit_path("many");
		g_autoptr(viommu_snapshot) original = bare_snapshot(), copy = NULL;

		for (uint64_t k = 0; k < counts[i]; k++)
			viommu_snapshot_add_page(original, VIOMMU_GPA(k << 13), zeros, VIOMMU_PAGE_OK);
		viommu_snapshot_seal(original);
		write_to(original, path, TRUE);
		copy = read_back(path);
		g_assert_cmpuint(viommu_snapshot_pages(copy), ==, counts[i]);
		assert_same(original, copy);
	}
}

/* What is not there is told apart. */
static void
test_memory(void)
{
	g_autoptr(viommu_snapshot) snapshot = some_snapshot(1);
	g_autoptr(viommu_memory) memory = viommu_snapshot_memory(snapshot);
	uint8_t buffer[4][VIOMMU_PAGE_SIZE];
	viommu_page_read reads[] = {
		{ .gpa = { 0x3000 }, .buffer = buffer[0] },
		{ .gpa = { 0x5000 }, .buffer = buffer[1] },
		{ .gpa = { 1ull << 34 }, .buffer = buffer[2] },
		{ .gpa = { UINT64_MAX & ~0xfffull }, .buffer = buffer[3] },
	};

	g_assert_true(viommu_memory_read_pages(memory, reads, 4, NULL));
	g_assert_cmpint(reads[0].status, ==, VIOMMU_PAGE_FAILED);
	g_assert_cmpint(reads[1].status, ==, VIOMMU_PAGE_NOT_CAPTURED);
	g_assert_cmpint(reads[2].status, ==, VIOMMU_PAGE_NOT_RAM);
	g_assert_cmpint(reads[3].status, ==, VIOMMU_PAGE_NOT_RAM);
	g_assert_cmpstr(viommu_memory_name(memory), ==, "snapshot");
}

/* The first word on a page stands. */
static void
test_added_twice(void)
{
	g_autoptr(viommu_snapshot) snapshot = bare_snapshot();
	g_autoptr(viommu_memory) memory = NULL;
	uint8_t page[VIOMMU_PAGE_SIZE] = { 1 }, buffer[VIOMMU_PAGE_SIZE];
	viommu_page_read read = { .gpa = { 0x1000 }, .buffer = buffer };

	viommu_snapshot_add_page(snapshot, VIOMMU_GPA(0x1000), page, VIOMMU_PAGE_OK);
	page[0] = 2;
	viommu_snapshot_add_page(snapshot, VIOMMU_GPA(0x1000), page, VIOMMU_PAGE_OK);
	viommu_snapshot_add_page(snapshot, VIOMMU_GPA(0x1000), NULL, VIOMMU_PAGE_FAILED);
	viommu_snapshot_seal(snapshot);
	g_assert_cmpuint(viommu_snapshot_pages(snapshot), ==, 1);
	memory = viommu_snapshot_memory(snapshot);
	g_assert_true(viommu_memory_read_pages(memory, &read, 1, NULL));
	g_assert_cmpint(read.status, ==, VIOMMU_PAGE_OK);
	g_assert_cmpuint(read.data[0], ==, 1);
}

static void
expect_not_written(const viommu_snapshot *snapshot, const char *path, gboolean overwrite, const char *part)
{
	g_autoptr(GError) error = NULL;
	unsigned files = unit_files();

	g_assert_false(viommu_snapshot_write(snapshot, path, overwrite, &error));
	unit_error(&error, VIOMMU_ERROR_FAILED, part);
	g_assert_cmpuint(unit_files(), ==, files); /* nothing is left lying about */
}

static void
test_refused(void)
{
	g_autoptr(viommu_snapshot) one = some_snapshot(1), two = some_snapshot(2), copy = NULL;
	g_autofree char *path = unit_write("mine", "my file", -1);
	g_autofree char *link = unit_path("link"), *folder = unit_path("folder"),
			*none = unit_path("no/such/folder");
	g_autoptr(GBytes) mine = NULL;
	struct stat st;

	expect_not_written(one, path, FALSE, "exists already");
	mine = contents(path);
	g_assert_cmpmem(g_bytes_get_data(mine, NULL), g_bytes_get_size(mine), "my file", 7);
	g_assert_cmpint(symlink("nowhere", link), ==, 0);
	expect_not_written(one, link, FALSE, "exists already");
	g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
	expect_not_written(one, folder, FALSE, "exists already");
	expect_not_written(one, folder, TRUE, "cannot write");
	g_rmdir(folder);
	expect_not_written(one, none, FALSE, "cannot write");
	/* Asked for: replaced, whole, and private. */
	write_to(one, path, TRUE);
	write_to(two, path, TRUE);
	copy = read_back(path);
	assert_same(two, copy);
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 077, ==, 0);
}

/* The disk is full in the middle: what was there before is still there. */
static void
test_full(void)
{
	g_autoptr(viommu_snapshot) old = some_snapshot(1), next = some_snapshot(2), copy = NULL;
	g_autofree char *path = unit_path("kept"), *fresh = unit_path("fresh");
	struct rlimit limit = { 20000, RLIM_INFINITY };

	write_to(old, path, FALSE);
	signal(SIGXFSZ, SIG_IGN);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	expect_not_written(next, path, TRUE, "File too large");
	expect_not_written(next, fresh, FALSE, "File too large");
	limit.rlim_cur = RLIM_INFINITY;
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	copy = read_back(path);
	assert_same(old, copy);
	g_assert_false(g_file_test(fresh, G_FILE_TEST_EXISTS));
}

/* A file that is cut off while it is open: what is gone could not be read, no more. */
static void
test_shrinks(void)
{
	g_autofree char *path = unit_path("shrinks"), *second = unit_path("second");
	g_autoptr(viommu_snapshot) original = bare_snapshot(), copy = NULL;
	g_autoptr(viommu_memory) memory = NULL;
	g_autoptr(GBytes) bytes = NULL;
	g_autoptr(GError) error = NULL;
	uint8_t page[VIOMMU_PAGE_SIZE], room[2][VIOMMU_PAGE_SIZE];
	viommu_page_read reads[] = { { .gpa = VIOMMU_GPA(0x1000), .buffer = room[0] }, { .gpa = VIOMMU_GPA(0x5000), .buffer = room[1] } };

	memset(page, 7, sizeof(page));
	for (size_t i = 0; i < G_N_ELEMENTS(reads); i++)
		viommu_snapshot_add_page(original, reads[i].gpa, page, VIOMMU_PAGE_OK);
	viommu_snapshot_seal(original);
	write_to(original, path, TRUE);
	bytes = contents(path);
	copy = read_back(path);
	memory = viommu_snapshot_memory(copy);
	g_assert_no_errno(truncate(path, (off_t) (g_bytes_get_size(bytes) - VIOMMU_PAGE_SIZE)));
	g_assert_true(viommu_memory_read_pages(memory, reads, G_N_ELEMENTS(reads), NULL));
	g_assert_cmpint(reads[0].status, ==, VIOMMU_PAGE_OK);
	g_assert_cmpmem(reads[0].data, VIOMMU_PAGE_SIZE, page, VIOMMU_PAGE_SIZE);
	g_assert_cmpint(reads[1].status, ==, VIOMMU_PAGE_FAILED);
	g_assert_null(reads[1].data);
	g_assert_false(viommu_snapshot_write(copy, second, TRUE, &error));
	unit_error(&error, VIOMMU_ERROR_FAILED, "cannot write the snapshot");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/snapshot/round-trip", test_round_trip);
	g_test_add_func("/snapshot/empty", test_empty);
	g_test_add_func("/snapshot/many-runs", test_many_runs);
	g_test_add_func("/snapshot/memory", test_memory);
	g_test_add_func("/snapshot/added-twice", test_added_twice);
	g_test_add_func("/snapshot/refused", test_refused);
	g_test_add_func("/snapshot/full", test_full);
	g_test_add_func("/snapshot/shrinks", test_shrinks);
	return g_test_run();
}
