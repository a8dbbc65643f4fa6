/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the doctor's checks speak.  A check looks and tells; it changes nothing. */
#ifndef PROBE_DOCTOR_H
#define PROBE_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

#include "out/json.h"
#include "sys/sysfs.h"
#include "map/vfio.h"

enum verdict {
	VERDICT_OK,
	VERDICT_WARN, /* works, or may, but not as most people want it */
	VERDICT_FAIL, /* mappings cannot work until this is put right */
	VERDICT_SKIP, /* not looked at, and why */
};

struct record_writer;

struct doctor {
	FILE *out;
	bool colour;
	bool as_json;
	struct json json; /* text goes out check by check, JSON at the end */
	bool in_check, in_more;
	const char *section;
	unsigned count[4]; /* of each verdict */

	/* What the checks found out, for the checks after them. */
	char cmdline[4096];
	size_t n_iommus;
	size_t n_groups;
	const char *bdf; /* or NULL: no device was named */
	struct pci_facts device;
	bool device_found;
	bool modules_absent; /* VFIO's modules are merely not loaded */
	bool has_iommufd; /* and a character device for it */
};

/* BDF: the device to look at, or NULL.  It is not copied. */
void doctor_begin(struct doctor *ret, FILE *out, bool as_json, const char *bdf);
void doctor_section(struct doctor *doctor, const char *title);
/* One check: its verdict, its name, what was seen. */
void doctor_check(struct doctor *doctor, enum verdict verdict, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* More about the check before: lines of their own, under it.  Then, once, what
 * mends it. */
void doctor_more(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_fix(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last line; the exit status. */
int doctor_end(struct doctor *doctor);

/* All checks but the trial, told to nobody: ret->json is an array of them, for the caller to
 * free.  Opens VFIO's files for a moment. */
void doctor_collect(struct doctor *ret, const char *bdf);
/* The same, into a record. */
void doctor_record(struct record_writer *record);

/* The checks, in the order in which they stand on each other. */
void doctor_kernel(struct doctor *doctor);
void doctor_iommus(struct doctor *doctor);
void doctor_groups(struct doctor *doctor);
void doctor_device(struct doctor *doctor);
void doctor_limits(struct doctor *doctor);
void doctor_tracing(struct doctor *doctor);
void doctor_modules(struct doctor *doctor); /* within the section of doctor_vfio() */
void doctor_log(struct doctor *doctor);
void doctor_vfio(struct doctor *doctor);
/* Maps and unmaps one page through VFIO, to show what the ioctls answer. */
void doctor_trial(struct doctor *doctor);

#endif
