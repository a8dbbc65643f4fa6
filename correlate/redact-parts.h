/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Redacts the files that a bundle is made of, so that they still read as what they are. */
#ifndef VIOMMU_REDACT_PARTS_H
#define VIOMMU_REDACT_PARTS_H

#include "redact.h"
#include "report.h"

/* ---- learning: before anything is redacted ------------------------------------------ */

void viommu_redact_learn_machine(viommu_redact *self, const viommu_machine *machine);
/* Of a record (its first line), or of any text. */
void viommu_redact_learn_record(viommu_redact *self, GBytes *record);
void viommu_redact_learn_bytes(viommu_redact *self, GBytes *text);

/* ---- redacting: what is new is the caller's ------------------------------------------- */

/* A record keeps its lines, and those in which nothing is private byte for byte. */
GBytes *viommu_redact_record(viommu_redact *self, GBytes *record);
GBytes *viommu_redact_lines(viommu_redact *self, GBytes *text);
viommu_machine *viommu_redact_machine(viommu_redact *self, const viommu_machine *machine, GError **error);

/* The same for the texts of a report. */
void viommu_redact_redactor(viommu_redact *self, viommu_redactor *ret);

#endif
