/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L1's assigned devices, and which of the host's they are. */
#ifndef VIOMMU_SHADOW_PAIRS_H
#define VIOMMU_SHADOW_PAIRS_H

#include <viommu/correlate.h>

typedef struct {
	viommu_sid device; /* L1's name of it */
	char *host;        /* the host's, "0000:03:00.0" */
} viommu_shadow_pair;

/* named: of --shadow-device, "HOST" or "DEVICE=HOST", may be NULL; the others have the name that
 * QEMU was given. An array of viommu_shadow_pair. Errors: USAGE (one of them is not known). */
GArray *viommu_shadow_pairs(char *const *named, const viommu_machine *machine, GError **error);

#endif
