/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading one entry: what device.c and translate.c share. */
#ifndef VIOMMU_VTD_STEP_H
#define VIOMMU_VTD_STEP_H

#include <viommu/vtd.h>

/* Reads the entry of words 64-bit words that step->table and step->index name, and
 * fills in the rest of step.  FALSE: the source is gone. */
gboolean vtd_read_step(viommu_memory *memory, vtd_step *step, unsigned words, GError **error);

#endif
