/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshot files made by hand. */
#ifndef UNIT_LIE_H
#define UNIT_LIE_H

#include <elf.h>

#include <glib.h>

#define LIE_RAM "{\"first\":\"0x0\",\"last\":\"0xffff\",\"name\":\"pc.ram\"}"
/* Of the note; NULL: what is true. */
char *lie_json(const char *version, const char *registers, const char *unreadable, const char *size, const char *ram);

typedef struct {
	Elf64_Ehdr ehdr;
	Elf64_Nhdr note;
	Elf64_Phdr phdr[4]; /* the first is the note's */
	char name[8];
	const char *json;
} lie;

/* Header, program headers, note at 0x200, then 4 pages at 0x8000. */
lie lie_truth(const char *json);
/* A new path. */
char *lie_write(const lie *self);

void lie_expect_taken(const char *path);
void lie_expect_rejected(const char *path, const char *part);

#endif
