/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much a snapshot file may claim: what is at the limit is taken, what is one beyond is not. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "helpers.h"
#include "lie.h"

#define NOTES (64 << 10)
#define NOTE_BYTES (64u << 20)
#define PAGES (2u << 20)

static void
put_at(const char *path, off_t offset, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(pwrite(fd, bytes, size, offset), ==, (ssize_t) size);
	close(fd);
}

/* Thousands of segments that show the same bytes of the file: little file, much memory. */
static void
test_shared_bytes(void)
{
	g_autofree char *json =
		lie_json(NULL, NULL, NULL, NULL, "{\"first\":\"0x0\",\"last\":\"0xffffffffffffffff\"}");
	const guint n = 20000, half = n * 56;
	g_autofree guint8 *bytes = g_malloc0(half * 2 + 0x8000);
	g_autofree char *path = NULL;
	guint64 before = unit_peak_memory();
	lie l = lie_truth(json);

	l.ehdr.e_phoff = 0x8000;
	l.ehdr.e_phnum = (Elf64_Half) n;
	memcpy(bytes, &l.ehdr, sizeof(l.ehdr));
	memcpy(bytes + 0x200, &l.note, sizeof(l.note));
	memcpy(bytes + 0x200 + sizeof(l.note), l.name, 8);
	memcpy(bytes + 0x200 + sizeof(l.note) + 8, json, strlen(json));
	memcpy(bytes + 0x8000, &l.phdr[0], sizeof(Elf64_Phdr));
	for (guint i = 1; i < n; i++) {
		Elf64_Phdr load = { .p_type = PT_LOAD,
			.p_offset = 0x8000,
			.p_paddr = (uint64_t) i << 32,
			.p_filesz = half & ~0xfffu,
			.p_memsz = half & ~0xfffu };

		memcpy(bytes + 0x8000 + i * 56, &load, sizeof(load));
	}
	path = unit_write("shared", bytes, half * 2 + 0x8000);
	lie_expect_rejected(path, "more pages than");
	g_assert_cmpuint(unit_peak_memory() - before, <, 100 << 20);
}

/* Zeros are notes of 12 bytes each: a sparse file has more of them than anybody waits for. */
static void
test_many_notes(void)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, NULL);
	lie l = lie_truth(json);
	g_autofree char *path = NULL;

	l.phdr[0].p_offset = 0x10000;
	l.phdr[0].p_filesz = 64ull << 30;
	path = lie_write(&l);
	g_assert_cmpint(truncate(path, 0x10000 + (64ll << 30)), ==, 0);
	lie_expect_rejected(path, "notes are none of viommu's");
	g_unlink(path);
}

/* Ours behind so many others. */
static void
nth_note(unsigned before, const char *part)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, NULL);
	lie l = lie_truth(json);
	size_t others = before * sizeof(Elf64_Nhdr), size = sizeof(l.note) + sizeof(l.name) + strlen(json);
	g_autofree char *path = NULL, *desc = g_malloc0((size + 3) & ~3ull);

	memcpy(desc, &l.note, sizeof(l.note));
	memcpy(desc + sizeof(l.note), l.name, sizeof(l.name));
	memcpy(desc + sizeof(l.note) + sizeof(l.name), json, strlen(json));
	l.phdr[0].p_offset = 0x10000;
	l.phdr[0].p_filesz = others + ((size + 3) & ~3ull);
	path = lie_write(&l);
	put_at(path, (off_t) (0x10000 + others), desc, (size + 3) & ~3ull);
	if (part)
		lie_expect_rejected(path, part);
	else
		lie_expect_taken(path);
	g_unlink(path);
}

static void
test_notes(void)
{
	nth_note(NOTES - 1, NULL);
	nth_note(NOTES, "its first 65536 notes are none of viommu's");
}

/* JSON may end in blanks. */
static void
test_note_size(void)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, NULL), *blanks = g_strnfill(NOTE_BYTES + 4, ' ');

	for (unsigned more = 0; more <= 4; more += 4) {
		lie l = lie_truth(json);
		g_autofree char *path = NULL;

		l.note.n_descsz = NOTE_BYTES + more;
		l.phdr[0].p_offset = 0x10000;
		l.phdr[0].p_filesz = sizeof(l.note) + sizeof(l.name) + l.note.n_descsz;
		path = lie_write(&l);
		put_at(path, 0x10000, &l.note, sizeof(l.note));
		put_at(path, 0x10000 + sizeof(l.note), l.name, sizeof(l.name));
		put_at(path, 0x10000 + sizeof(l.note) + sizeof(l.name), json, strlen(json));
		put_at(path, (off_t) (0x10000 + sizeof(l.note) + sizeof(l.name) + strlen(json)), blanks, l.note.n_descsz - strlen(json));
		if (more)
			lie_expect_rejected(path, "its note is damaged");
		else
			lie_expect_taken(path);
		g_unlink(path);
	}
}

/* Headers of zeros are segments of no type, and cost a sparse file nothing. */
static void
test_segments(void)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, NULL);

	for (unsigned n = PAGES + 1; n <= PAGES + 2; n++) {
		lie l = lie_truth(json);
		Elf64_Shdr count = { .sh_info = n };
		g_autofree char *path = NULL;

		l.ehdr.e_phoff = 0x20000;
		l.ehdr.e_phnum = PN_XNUM;
		l.ehdr.e_shoff = 0x10000;
		l.ehdr.e_shnum = 1;
		l.ehdr.e_shentsize = sizeof(count);
		path = lie_write(&l);
		put_at(path, 0x10000, &count, sizeof(count));
		put_at(path, 0x20000, l.phdr, 3 * sizeof(*l.phdr));
		g_assert_cmpint(truncate(path, (off_t) (0x20000 + n * sizeof(*l.phdr))), ==, 0);
		if (n == PAGES + 1)
			lie_expect_taken(path);
		else
			lie_expect_rejected(path, "it has 2097154 segments");
		g_unlink(path);
	}
}

/* In all, not in each segment. */
static void
test_zero_pages(void)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, "{\"first\":\"0x0\",\"last\":\"0xffffffffff\"}");

	for (unsigned more = 0; more <= 1; more++) {
		lie l = lie_truth(json);
		g_autofree char *path = NULL;

		l.ehdr.e_phnum = 4;
		l.phdr[2].p_filesz = 0;
		l.phdr[2].p_paddr = 1ull << 36;
		l.phdr[2].p_memsz = (PAGES - 5ull) << 12;
		l.phdr[3].p_filesz = 0;
		l.phdr[3].p_memsz = (5ull + more) << 12;
		path = lie_write(&l);
		if (more)
			lie_expect_rejected(path, "pages of zeros");
		else
			lie_expect_taken(path);
	}
}

/* No more of them than the file has room for. */
static void
test_content_pages(void)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, "{\"first\":\"0x0\",\"last\":\"0xffffffffff\"}");

	for (unsigned more = 0; more <= 1; more++) {
		lie l = lie_truth(json);
		g_autofree char *path = NULL;

		/* 12 pages in the file: 4 + 4, and 4 or 5. */
		l.ehdr.e_phnum = 4;
		for (unsigned i = 1; i < 4; i++) {
			l.phdr[i].p_offset = 0x6000;
			l.phdr[i].p_paddr = i << 20;
			l.phdr[i].p_filesz = l.phdr[i].p_memsz = 0x4000 + (i == 3 ? more << 12 : 0);
		}
		path = lie_write(&l);
		if (more)
			lie_expect_rejected(path, "more pages than it has room for");
		else
			lie_expect_taken(path);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/snapshot-limits/shared-bytes", test_shared_bytes);
	g_test_add_func("/snapshot-limits/many-notes", test_many_notes);
	g_test_add_func("/snapshot-limits/notes", test_notes);
	g_test_add_func("/snapshot-limits/note-size", test_note_size);
	g_test_add_func("/snapshot-limits/segments", test_segments);
	g_test_add_func("/snapshot-limits/zero-pages", test_zero_pages);
	g_test_add_func("/snapshot-limits/content-pages", test_content_pages);
	return g_test_run();
}
