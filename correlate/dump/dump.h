/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of "viommu dump".  Those with a json argument print text, or add a member to
 * the object that is open there (json-text.h), when it is not NULL; they write what they
 * have as they go on.  FALSE: the source is gone. */
#ifndef VIOMMU_DUMP_H
#define VIOMMU_DUMP_H

#include "target.h"

typedef struct {
	gboolean one_device; /* sid only */
	viommu_sid sid;
	gboolean entries; /* raw entries instead of runs */
	gboolean json;
} viommu_dump_options;

/* Prints the translation tables: the whole output, after the header of a text. */
gboolean viommu_dump_tables(const viommu_target *target, const viommu_dump_options *options, GError **error);

gboolean viommu_dump_queue(const viommu_target *target, GString *json, GError **error);
gboolean viommu_dump_interrupts(const viommu_target *target, GString *json, GError **error);
gboolean viommu_dump_faults(const viommu_target *target, GString *json, GError **error);

#endif
