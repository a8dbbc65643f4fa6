/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Renders the pieces that several reports share: the QEMU at hand, and walks. */
#ifndef VIOMMU_RENDER_H
#define VIOMMU_RENDER_H

#include <stdio.h>

#include <jansson.h>
#include <viommu/snapshot.h>
#include <viommu/vtd.h>

/* "QEMU 7.2.22 · vIOMMU 39 bits, caching mode on, … · guest running": one line.
 * info may be NULL (live). */
void viommu_render_machine(FILE *out, const viommu_machine *machine, const vtd_unit *unit,
	const viommu_capture_info *info, const char *memory);
json_t *viommu_machine_summary_json(const viommu_machine *machine, const vtd_unit *unit);

/* "00:04.0 edu": the device and what QEMU says it is. Caller frees. */
char *viommu_device_label(const viommu_machine *machine, viommu_sid sid);

/* One line for each entry on the way, indented. */
void viommu_render_steps(FILE *out, const vtd_unit *unit, const vtd_step *steps, unsigned n, int blame);
/* "R=1  W=1  ADDR=0x… (page)": the fields of one entry, no newline. */
void viommu_render_fields(FILE *out, const vtd_unit *unit, const vtd_step *step);
/* The members of one entry's object in JSON: json-text.h. */
void viommu_put_step(GString *out, const vtd_unit *unit, const vtd_step *step);

/* "refused, fault reason 6: no read permission (level 1)", "allowed". */
void viommu_render_answer(FILE *out, const char *what, const vtd_translation *walk, const vtd_answer *answer);
json_t *viommu_translation_json(const vtd_unit *unit, const vtd_translation *walk);

/* What a device's root and context entries come to, in one line without newline:
 * "domain 2, second stage at GPA 0x…, 3 levels (39 bits)". */
void viommu_render_device(FILE *out, const vtd_device *device);
/* The members of its object in JSON, and the object. */
void viommu_put_device(GString *out, const vtd_unit *unit, const vtd_device *device);
json_t *viommu_device_json(const vtd_unit *unit, const vtd_device *device);

#endif
