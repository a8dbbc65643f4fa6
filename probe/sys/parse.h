/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user types on the command line, turned into values.  Each function
 * returns false and leaves the result alone when the text is not wholly valid. */
#ifndef PROBE_PARSE_H
#define PROBE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_BDF_LEN 13 /* "0000:00:04.0" and its end */

enum dma_prot {
	DMA_PROT_READ = 1,  /* the device may read */
	DMA_PROT_WRITE = 2, /* the device may write */
};

/* Decimal or 0x…, both up to 2^64 - 1. */
bool parse_uint(const char *text, uint64_t *ret);
/* The same with an optional suffix k, m, g or t (KiB, MiB, …). */
bool parse_size(const char *text, uint64_t *ret);
/* A page size a CPU has here: 4k, 2m or 1g, in any way of writing it. */
bool parse_page_size(const char *text, uint64_t *ret);
/* "r", "w" or "rw". */
bool parse_prot(const char *text, unsigned *ret);
const char *prot_name(unsigned prot);
/* "00:04.0" or "0000:00:04.0"; the result is the long form in lower case,
 * as sysfs has it. */
bool parse_bdf(const char *text, char ret[PCI_BDF_LEN]);

#endif
