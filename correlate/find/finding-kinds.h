/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The catalogue, a file for each theme.  A new kind is a row in one of them, a finder
 * that adds it, a test that makes it, and docs/findings/ made anew. */
#ifndef VIOMMU_FINDING_KINDS_H
#define VIOMMU_FINDING_KINDS_H

#include <viommu/finding.h>

extern const viommu_finding_kind viommu_kinds_unit[], viommu_kinds_tables[], viommu_kinds_record[],
	viommu_kinds_chain[], viommu_kinds_qemu[];
extern const guint viommu_n_kinds_unit, viommu_n_kinds_tables, viommu_n_kinds_record, viommu_n_kinds_chain,
	viommu_n_kinds_qemu;

/* A paragraph, its first line behind a label of up to 7 characters. */
void viommu_print_wrapped(FILE *out, const char *label, const char *text);

#define NOTE VIOMMU_SEVERITY_NOTE
#define WARNING VIOMMU_SEVERITY_WARNING
#define FAULT VIOMMU_SEVERITY_FAULT
#define SECURITY VIOMMU_SEVERITY_SECURITY

#endif
