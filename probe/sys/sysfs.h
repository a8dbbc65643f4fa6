/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small text files of the kernel, and what they say about PCI devices and
 * IOMMUs.  Nothing in /sys is taken for granted: every read is bounded, every
 * file may be missing.
 */
#ifndef PROBE_SYSFS_H
#define PROBE_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/parse.h"

/* Reads at most SIZE - 1 bytes and drops the line end.  The text's length, or
 * a negative errno. */
int read_text_file(const char *path, char *text, size_t size);

/* The functions below take paths from the root of sysfs, "/bus/pci/…".  Tests
 * put a tree of their own in its place. */
void sysfs_set_root(const char *root);
int sysfs_path(char *ret, size_t size, const char *path); /* the full path; a negative errno when too long */
int sysfs_read(const char *path, char *text, size_t size);
int sysfs_write(const char *path, const char *text); /* 0 or a negative errno */
bool sysfs_exists(const char *path);
/* The last component of what the link points to.  Its length, or a negative
 * errno. */
int sysfs_link_name(const char *path, char *name, size_t size);
/* All of TEXT, digits of BASE, as a number. */
bool sysfs_number(const char *text, int base, uint64_t *ret);

struct pci_facts {
	char bdf[PCI_BDF_LEN];
	char driver[64]; /* "" when none is bound */
	int group;       /* IOMMU group, or -1 */
	char group_type[32];
	char iommu[32]; /* the IOMMU it is behind, "dmar0"; "" when not told */
	char vendor[16], device[16], class[16];
};

/* What sysfs says of a device; false when there is no such device. */
bool sysfs_pci_facts(const char *bdf, struct pci_facts *ret);

struct iommu_facts {
	char name[32];
	char address[32]; /* with "0x" */
	char version[16];
	char cap[32], ecap[32]; /* with "0x" */
	bool has_registers;     /* cap and ecap are numbers, below */
	uint64_t cap_value, ecap_value;
};

/* The IOMMUs of /sys/class/iommu in name order; how many were stored. */
size_t sysfs_iommus(struct iommu_facts *ret, size_t max);

typedef void sysfs_name_fn(const char *name, void *data);
/* Calls FN for each entry of a directory but the dotted ones, in name order;
 * how many, or a negative errno. */
int sysfs_each(const char *path, sysfs_name_fn *fn, void *data);

#endif
