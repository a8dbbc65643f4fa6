/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verify looks at, and how often. */
#ifndef VIOMMU_VERIFY_LOOK_H
#define VIOMMU_VERIFY_LOOK_H

#include <viommu/correlate.h>

#include "bundle/bundle.h"
#include "cmd.h"
#include "log-source.h"
#include "shadow-source.h"

/* The command line. */
typedef struct {
	viommu_cmd cmd;
	char *at, *save, *qemu_log;
	gboolean trace;
	viommu_log_source *log;
	gboolean force, strict, all;
	viommu_capture_options capture;
	viommu_shadow_options shadow;
	gboolean keep;                /* what is read, for a bundle                        */
	const viommu_bundle *replay;  /* what is not named is in there; NULL: in no bundle */
} viommu_verify_options;

/* One look: the records as they are now, a snapshot, the result of both. */
typedef struct {
	GPtrArray *records;
	GPtrArray *parts; /* that they were read from, one for each; when they are kept */
	viommu_snapshot *snapshot; /* owned unless it is the target's */
	gboolean owns_snapshot;
	const viommu_qemu_log *log; /* the source's; NULL: there is none */
	viommu_qemu_log *own_log;   /* of a bundle */
	GPtrArray *shadows;
	viommu_witnesses witnesses;
	viommu_result *result;
} viommu_look;

void viommu_look_free(viommu_look *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_look, viommu_look_free)

/* Of viommu_part. */
GPtrArray *viommu_parts_new(void);

/* Into a new look: what is on the command line, or in the bundle. */
gboolean viommu_look_read_records(viommu_look *self, const viommu_verify_options *options, GError **error);

/* Does every record end where nothing can be missing behind it? */
gboolean viommu_look_settled(const viommu_look *self);
/* That, and none is known to have lost any of what was asked for. */
gboolean viommu_look_whole(const viommu_look *self);

/* Can the records be read again, to see what L1 did since? */
bool viommu_look_can_reread(const viommu_verify_options *options);

/* One look.  before: one whose records are used again; NULL: they are read now.  silent: if not NULL,
 * L1's traces are read up to a mark that is younger than the tables, where one comes within some seconds;
 * it has a bool for each record, which is set where none came, and then not waited for. */
viommu_look *viommu_look_take(const viommu_verify_options *options, viommu_target *target, viommu_shadow_sources *shadows,
	const viommu_look *before, GArray *silent, GError **error);

/* "verify-again.c": as often as it takes.  first: a look with records only, which are used again; NULL: they are read now. */
viommu_look *viommu_look_until_sure(const viommu_verify_options *options, viommu_target *target,
	viommu_shadow_sources *shadows, const viommu_look *first, GError **error);

/* The same once more, of what is in a bundle and a snapshot, which stays the caller's. */
viommu_look *viommu_look_into(const viommu_verify_options *options, viommu_bundle *bundle, viommu_snapshot *snapshot, GError **error);

#endif
