/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshot files made by hand, whose headers, note or JSON lie. */
#include "lie.h"

static void
expect_lie(const lie *l, const char *part)
{
	g_autofree char *path = lie_write(l);

	lie_expect_rejected(path, part);
}

static void
test_truth(void)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, NULL);
	lie l = lie_truth(json);
	g_autofree char *path = lie_write(&l);

	lie_expect_taken(path);
}

static void
test_segments(void)
{
	g_autofree char *json = lie_json(NULL, NULL, "{\"gpa\":\"0x9000\",\"why\":\"failed\"}", NULL, NULL);
	static const struct {
		uint64_t offset, paddr, filesz, memsz; /* of the third segment */
		const char *part;
	} cases[] = {
		{ 0xa000, 0x5000, 0x1000, 0x1000, NULL }, { 0xa000, 0x5000, 0, 0x1000, NULL }, /* zeros */
		{ 0xc000, 0x5000, 0, 0x1000, NULL }, { 0xb001, 0x5000, 0x1000, 0x1000, "cut short" },
		{ 0xc001, 0x5000, 0, 0x1000, "cut short" }, { 0xa000, 0x5000, 0x3000, 0x3000, "cut short" },
		{ UINT64_MAX, 0x5000, 0x1000, 0x1000, "cut short" },
		{ 0xa000, 0x5000, UINT64_MAX, UINT64_MAX, "cut short" },
		{ 0xffffffffffffa000, 0x5000, 0x6000, 0x6000, "cut short" }, /* adds up to 0 */
		{ 0xa000, 0x5000, 0x1000, 0x2000, "whole pages" },
		{ 0xa000, 0x5000, 0x1000, 0, "whole pages" }, { 0xa000, 0x5000, 0, 0, "whole pages" },
		{ 0xa000, 0x5001, 0x1000, 0x1000, "whole pages" },
		{ 0xa000, 0x5000, 0x800, 0x800, "whole pages" }, { 0xa000, 0x5000, 0, 0x800, "whole pages" },
		{ 0xa000, 0xfffffffffffff000, 0x2000, 0x2000, "whole pages" },
		{ 0xa000, 0x10000, 0x1000, 0x1000, "outside of the RAM" },
		{ 0xa000, 0xf000, 0x2000, 0x2000, "outside of the RAM" },
		{ 0xa000, 0x5000, 0, 0xfffffffffffff000, "whole pages" }, /* over the top */
		{ 0xa000, 0, 0, 0xfffffffffffff000, "pages of zeros" },
		{ 0xa000, 0x5000, 0, 1ull << 34, "pages of zeros" },
		{ 0xa000, 0x1000, 0x1000, 0x1000, "twice" }, { 0xa000, 0x2000, 0x1000, 0x1000, "twice" },
		{ 0xa000, 0x0000, 0x2000, 0x2000, "twice" }, { 0xa000, 0x2000, 0, 0x2000, "twice" },
		{ 0xa000, 0x9000, 0x1000, 0x1000, "twice" }, /* said to be unreadable */
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		lie l = lie_truth(json);

		g_test_message("case %zu", i);
		l.phdr[2].p_offset = cases[i].offset;
		l.phdr[2].p_paddr = cases[i].paddr;
		l.phdr[2].p_filesz = cases[i].filesz;
		l.phdr[2].p_memsz = cases[i].memsz;
		if (cases[i].part) {
			expect_lie(&l, cases[i].part);
		} else {
			g_autofree char *path = lie_write(&l);
			lie_expect_taken(path);
		}
	}
}

static void
test_headers(void)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, NULL);
	lie l = lie_truth(json);
	static const Elf64_Off offsets[] = { 0, 1, 0xbfff, 0xc000, 0x10000, UINT64_MAX, UINT64_MAX - 55 };
	static const Elf64_Half numbers[] = { 0, 1, 100, 0x1000, PN_XNUM - 1, PN_XNUM };

	for (gsize i = 0; i < G_N_ELEMENTS(offsets); i++) {
		l = lie_truth(json);
		l.ehdr.e_phoff = offsets[i];
		expect_lie(&l, "is not a usable snapshot");
		l.ehdr.e_shoff = offsets[i];
		l.ehdr.e_phnum = PN_XNUM;
		l.ehdr.e_shnum = 1;
		l.ehdr.e_shentsize = sizeof(Elf64_Shdr);
		expect_lie(&l, "is not a usable snapshot");
	}
	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
		l = lie_truth(json);
		l.ehdr.e_phnum = numbers[i];
		if (numbers[i] == 1) {
			g_autofree char *path = lie_write(&l);
			lie_expect_taken(path);
		} else {
			expect_lie(&l, "is not a usable snapshot");
		}
	}
	l = lie_truth(json);
	l.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	expect_lie(&l, "not a 64-bit ELF core file");
	l = lie_truth(json);
	l.ehdr.e_ident[EI_DATA] = ELFDATA2MSB;
	expect_lie(&l, "not a 64-bit ELF core file");
	l = lie_truth(json);
	l.ehdr.e_type = ET_EXEC;
	expect_lie(&l, "not a 64-bit ELF core file");
	l = lie_truth(json);
	l.ehdr.e_ident[0] = 0;
	expect_lie(&l, "not a 64-bit ELF core file");
}

static void
test_note(void)
{
	g_autofree char *json = lie_json(NULL, NULL, NULL, NULL, NULL);
	lie good = lie_truth(json), l;
	static const Elf64_Word sizes[] = { 0, 1, 0x7000, 0x7fffffff, 0xfffffffc, 0xffffffff };

	l = good;
	l.phdr[0].p_type = PT_NULL;
	expect_lie(&l, "no viommu note");
	l = good;
	l.name[0] = 'v';
	expect_lie(&l, "no viommu note");
	l = good;
	l.note.n_type = 2;
	expect_lie(&l, "no viommu note");
	for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
		l = good;
		l.note.n_namesz = sizes[i];
		expect_lie(&l, "note");
		l = good;
		l.note.n_descsz = sizes[i];
		expect_lie(&l, "note");
	}
	for (guint len = 0; len < 24; len++) {
		l = good;
		l.phdr[0].p_filesz = len;
		expect_lie(&l, "note");
	}
	l = good;
	l.phdr[0].p_offset = 0xbff4; /* its header ends with the file */
	l.phdr[0].p_filesz = 12;
	expect_lie(&l, "note");
}

static void
test_json(void)
{
	g_autofree char *odd = g_strnfill(0xc0 * 2 - 1, '0'), *letters = g_strnfill(0xc0 * 2, 'g');
	const struct {
		const char *version, *registers, *unreadable, *size, *ram, *part;
	} cases[] = {
		{ "2", NULL, NULL, NULL, NULL, "format version 2 and this viommu reads up to 1" },
		{ "4294967297", NULL, NULL, NULL, NULL, "format version 4294967297" },
		{ "0", NULL, NULL, NULL, NULL, "not viommu's" },
		{ "-1", NULL, NULL, NULL, NULL, "not viommu's" },
		{ "\"1\"", NULL, NULL, NULL, NULL, "not viommu's" },
		{ NULL, odd, NULL, NULL, NULL, "registers" },
		{ NULL, letters, NULL, NULL, NULL, "registers" },
		{ NULL, "", NULL, NULL, NULL, "registers" },
		{ NULL, "", NULL, "0x0", NULL, "registers" },
		{ NULL, "0000000000000000", NULL, "0x8", NULL, "registers" },
		{ NULL, NULL, NULL, "0xffffffff", NULL, "description of the QEMU" },
		{ NULL, NULL, NULL, "0x1000000c0", NULL, "description of the QEMU" },
		{ NULL, NULL, "1", NULL, NULL, "unreadable" },
		{ NULL, NULL, "{\"gpa\":\"0x1001\",\"why\":\"failed\"}", NULL, NULL, "unreadable" },
		{ NULL, NULL, "{\"gpa\":\"1000\",\"why\":\"failed\"}", NULL, NULL, "unreadable" },
		{ NULL, NULL, "{\"gpa\":\"0x0\"}", NULL, NULL, "unreadable" },
		{ NULL, NULL, NULL, NULL, LIE_RAM "," LIE_RAM, "description of the QEMU" },
		{ NULL, NULL, NULL, NULL, "{\"first\":\"0x1000\",\"last\":\"0x0\"}",
			"description of the QEMU" },
		{ NULL, NULL, NULL, NULL, "{\"first\":\"x\",\"last\":\"0x0\"}", "description of the QEMU" },
		{ NULL, NULL, NULL, NULL, "{\"first\":0,\"last\":4095}", "description of the QEMU" },
		{ NULL, NULL, NULL, NULL, "0", "description of the QEMU" },
		{ NULL, NULL, NULL, NULL, "", "outside of the RAM" },
		{ NULL, NULL, NULL, NULL, "{\"first\":\"0x0\",\"last\":\"0x5ffe\"}", "outside of the RAM" },
		{ NULL, NULL, NULL, NULL, LIE_RAM "]", "damaged" },
		{ NULL, NULL, NULL, NULL, "{\"first\":\"0x0\",\"last\":\"0xffff\",\"name\":\"\xff\"}",
			"damaged" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *json = lie_json(cases[i].version, cases[i].registers, cases[i].unreadable,
			cases[i].size, cases[i].ram);
		lie l = lie_truth(json);

		g_test_message("case %zu", i);
		expect_lie(&l, cases[i].part);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/snapshot-lies/truth", test_truth);
	g_test_add_func("/snapshot-lies/segments", test_segments);
	g_test_add_func("/snapshot-lies/headers", test_headers);
	g_test_add_func("/snapshot-lies/note", test_note);
	g_test_add_func("/snapshot-lies/json", test_json);
	return g_test_run();
}
