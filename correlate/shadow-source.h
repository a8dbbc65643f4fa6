/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --shadow on the command line: where L0's side is to be seen, looked at once or again. */
#ifndef VIOMMU_SHADOW_SOURCE_H
#define VIOMMU_SHADOW_SOURCE_H

#include <viommu/shadow.h>

typedef struct {
	char **what;    /* of --shadow; NULL or empty: none is looked at */
	char **devices; /* of --shadow-device: "HOST" or "DEVICE=HOST"; may be NULL */
	double timeout; /* seconds, for a live QEMU */
} viommu_shadow_options;

void viommu_shadow_options_clear(viommu_shadow_options *options);

typedef struct viommu_shadow_sources viommu_shadow_sources;

/* Opens what stays open; machine is L1's, live: and L1's tables are those of now. Errors: USAGE,
 * and those of targets. */
viommu_shadow_sources *viommu_shadow_sources_open(
	const viommu_shadow_options *options, const viommu_machine *machine, bool live, GError **error);
void viommu_shadow_sources_free(viommu_shadow_sources *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_shadow_sources, viommu_shadow_sources_free)

/* What they show now, of each assigned device: a new array of viommu_shadow. */
GPtrArray *viommu_shadow_sources_read(viommu_shadow_sources *self, GError **error);

/* Each read also puts what was read into kept, an array of viommu_part, instead of what is
 * in there; kept has to outlive self. */
void viommu_shadow_sources_keep(viommu_shadow_sources *self, GPtrArray *kept);

#endif
