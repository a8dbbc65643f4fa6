/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plays the guest's kernel for the benchmark: builds VT-d tables, writes them into the
 * memory of a QEMU process, and writes the record of the requests that made them.
 *
 *   bench-fill PID HVA [key=value…]
 *
 * HVA: where GPA 0 stands in that process.  Tables lie scattered over the second GiB, as a
 * guest's allocator leaves them.  Prints the GPA of the root table.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096u
#define POOL_FIRST (1ull << 30)
#define POOL_PAGES (1ull << 18)
#define IOVA (1ull << 32) /* of the first mapping, in each domain */
#define GPA (1ull << 32)  /* of the lowest page that is mapped */
#define LEVELS 3          /* 39 bits: what every QEMU's vIOMMU has */

/* What to build. */
static struct {
	uint64_t bytes;   /* mapped in all */
	unsigned shift;   /* of a page */
	unsigned domains; /* one device for each, from 00:00.0 on */
	unsigned extents; /* of a map event; 0: all of a domain in one */
	bool scattered, scalable;
	const char *record, *pages;
} want = { .bytes = 1ull << 30, .shift = 12, .domains = 1 };

static struct {
	uint64_t *words; /* POOL_PAGES pages, those in use at the front */
	uint64_t used;
} pool;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "bench-fill: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Two numbers of a power of two of things that are neighbours are none here. */
static uint64_t
scatter(uint64_t i, uint64_t n)
{
	return i * 0x9e3779b1u % n;
}

static uint64_t
gpa_of_table(uint64_t index)
{
	return POOL_FIRST + scatter(index, POOL_PAGES) * PAGE;
}

static uint64_t *
words_of(uint64_t index)
{
	return pool.words + index * (PAGE / 8);
}

static uint64_t
new_table(void)
{
	if (pool.used == POOL_PAGES)
		die("too many tables");
	return pool.used++;
}

/* ---- tables ------------------------------------------------------------------ */

static uint64_t
page_gpa(uint64_t i)
{
	uint64_t n = want.bytes >> want.shift;

	return GPA + ((want.scattered ? scatter(i, n) : i) << want.shift);
}

/* Maps pages [at, at + n) of all at the iovas from iova on, within one table. */
static uint64_t
fill_table(unsigned level, uint64_t iova, uint64_t at, uint64_t n)
{
	uint64_t table = new_table();
	unsigned shift = 12 + 9 * (level - 1);
	uint64_t in_entry = shift > want.shift ? 1ull << (shift - want.shift) : 1;

	for (uint64_t index = iova >> shift & 511; n; index++) {
		uint64_t part = n < in_entry ? n : in_entry;

		if (shift == want.shift)
			words_of(table)[index] = page_gpa(at) | 3 | (level > 1 ? 0x80 : 0);
		else
			words_of(table)[index] = gpa_of_table(fill_table(level - 1, iova, at, part)) | 3;
		at += part;
		n -= part;
		iova += part << want.shift;
	}
	return table;
}

static void
put_legacy(uint64_t root, uint64_t contexts, unsigned devfn, uint64_t table)
{
	words_of(root)[0] = gpa_of_table(contexts) | 1;
	words_of(contexts)[devfn * 2] = gpa_of_table(table) | 1;
	words_of(contexts)[devfn * 2 + 1] = (uint64_t) (devfn + 1) << 8 | (LEVELS - 2);
}

/* A PASID directory and a PASID table for each device, RID_PASID 0. */
static void
put_scalable(uint64_t root, uint64_t contexts, unsigned devfn, uint64_t table)
{
	uint64_t directory = new_table(), pasids = new_table(), *context;

	words_of(root)[devfn >> 7] = gpa_of_table(contexts + (devfn >> 7)) | 1;
	context = words_of(contexts + (devfn >> 7)) + (devfn & 127) * 4;
	context[0] = gpa_of_table(directory) | 1;
	words_of(directory)[0] = gpa_of_table(pasids) | 1;
	words_of(pasids)[0] = gpa_of_table(table) | 2 << 6 | (LEVELS - 2) << 2 | 1;
	words_of(pasids)[1] = devfn + 1;
}

static uint64_t
build(void)
{
	uint64_t root = new_table(), contexts = new_table(), n = (want.bytes >> want.shift) / want.domains;

	new_table(); /* the upper half of the bus, in scalable mode */
	for (unsigned d = 0; d < want.domains; d++) {
		uint64_t table = fill_table(LEVELS, IOVA, d * n, n);

		(want.scalable ? put_scalable : put_legacy)(root, contexts, d, table);
	}
	return gpa_of_table(root);
}

static void
write_pages(pid_t pid, uint64_t hva)
{
	struct iovec local, remote[512];

	for (uint64_t done = 0, n; done < pool.used; done += n) {
		n = pool.used - done < 512 ? pool.used - done : 512;
		local = (struct iovec){ words_of(done), n * PAGE };
		for (uint64_t i = 0; i < n; i++)
			remote[i] = (struct iovec){ (void *) (uintptr_t) (hva + gpa_of_table(done + i)), PAGE };
		if (process_vm_writev(pid, &local, 1, remote, n, 0) != (ssize_t) (n * PAGE))
			die("writing QEMU's memory");
	}
}

static void
write_list(void)
{
	FILE *out = fopen(want.pages, "w");

	for (uint64_t i = 0; out && i < pool.used; i++) {
		uint64_t gpa = gpa_of_table(i);

		fwrite(&gpa, sizeof(gpa), 1, out);
	}
	if (!out || fclose(out) != 0)
		die(want.pages);
}

/* ---- the record ---------------------------------------------------------------- */

static uint64_t seq;

static void
begin(FILE *out, const char *event)
{
	seq++;
	fprintf(out, "{\"seq\":%ju,\"time_ns\":%ju,\"event\":\"%s\"", (uintmax_t) seq, (uintmax_t) (9326296878 + seq * 1000), event);
}

/* Pages from the number at on, as one request; neighbours are one extent. */
static void
put_map(FILE *out, unsigned space, uint64_t iova, uint64_t at, uint64_t n)
{
	uint64_t size = 1ull << want.shift, end = at + n;
	const char *comma = "";

	begin(out, "map");
	fprintf(out, ",\"space\":%u,\"iova\":\"0x%jx\",\"size\":\"0x%jx\",\"prot\":\"rw\",\"vaddr\":\"0x%jx\",\"page_size\":\"0x%jx\","
		     "\"extents\":[", space, (uintmax_t) iova, (uintmax_t) (n * size), (uintmax_t) (0x7f0000000000 + iova),
		(uintmax_t) size);
	while (at < end) {
		uint64_t run = 1;

		while (at + run < end && page_gpa(at + run) == page_gpa(at) + run * size)
			run++;
		fprintf(out, "%s{\"gpa\":\"0x%jx\",\"size\":\"0x%jx\"}", comma, (uintmax_t) page_gpa(at), (uintmax_t) (run * size));
		at += run;
		comma = ",";
	}
	fputs("]}\n", out);
}

static void
write_record(void)
{
	FILE *out = fopen(want.record, "w");
	uint64_t n = (want.bytes >> want.shift) / want.domains, step = want.extents ? want.extents : n;

	if (!out)
		die(want.record);
	fputs("{\"event\":\"header\",\"format\":\"viommu-record\",\"version\":1,\"session\":\"bench\",\"program\":\"bench-fill\"}\n", out);
	for (unsigned d = 0; d < want.domains; d++) {
		begin(out, "attach");
		fprintf(out, ",\"space\":%u,\"device\":\"0000:00:%02x.%u\",\"backend\":\"vfio-type1v2\",\"complete\":true}\n", d + 1,
			d >> 3, d & 7);
		for (uint64_t i = 0; i < n; i += step)
			put_map(out, d + 1, IOVA + (i << want.shift), d * n + i, n - i < step ? n - i : step);
	}
	begin(out, "end");
	fputs(",\"reason\":\"done\"}\n", out);
	if (fclose(out) != 0)
		die(want.record);
}

static void
set(const char *key, const char *value)
{
	uint64_t number = strtoull(value, NULL, 0);

	if (strcmp(key, "mib") == 0)
		want.bytes = number << 20;
	else if (strcmp(key, "shift") == 0)
		want.shift = (unsigned) number;
	else if (strcmp(key, "domains") == 0)
		want.domains = (unsigned) number;
	else if (strcmp(key, "extents") == 0)
		want.extents = (unsigned) number;
	else if (strcmp(key, "scattered") == 0)
		want.scattered = number;
	else if (strcmp(key, "scalable") == 0)
		want.scalable = number;
	else if (strcmp(key, "record") == 0)
		want.record = value;
	else if (strcmp(key, "pages") == 0)
		want.pages = value;
	else
		die(key);
}

int
main(int argc, char **argv)
{
	uint64_t root;

	for (int i = 3; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			die(argv[i]);
		*value = '\0';
		set(argv[i], value + 1);
	}
	pool.words = calloc(POOL_PAGES, PAGE);
	if (argc < 3 || !pool.words)
		die("usage: bench-fill PID HVA [key=value…]");
	root = build();
	write_pages((pid_t) atoi(argv[1]), strtoull(argv[2], NULL, 0));
	if (want.pages)
		write_list();
	if (want.record)
		write_record();
	printf("0x%jx\n", (uintmax_t) root);
	return 0;
}
