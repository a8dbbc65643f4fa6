/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Patterns for QEMU's texts.  A pattern is what QEMU's format string makes of its
 * arguments: %x a hexadecimal number with or without 0x, %d a decimal one that may be
 * negative, %w a word, all other characters themselves.
 */
#ifndef VIOMMU_QEMU_LOG_SCAN_H
#define VIOMMU_QEMU_LOG_SCAN_H

#include <viommu/qemu-log.h>

typedef struct {
	uint64_t n[8]; /* numbers, in their order */
	const char *word;
	size_t word_len;
} log_values;

/* Does text begin with the pattern? Returns what follows, or NULL. */
const char *log_scan(const char *text, const char *pattern, log_values *ret);
/* The same of the first place in text where the pattern stands. */
const char *log_find(const char *text, const char *pattern, log_values *ret);

/* The event is about [first, first + mask]: QEMU's masks have their low bits set. FALSE:
 * that is no range. */
bool log_set_masked(viommu_qlog_event *ret, uint64_t first, uint64_t mask);

#endif
