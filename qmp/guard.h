/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A paused guest is resumed whatever happens to us, SIGKILL included: a second
 * process waits on a pipe that only we hold, and resumes the guest when the pipe
 * closes without our word that we did it ourselves.
 */
#ifndef VIOMMU_GUARD_H
#define VIOMMU_GUARD_H

#include <viommu/monitor.h>

typedef struct viommu_guard viommu_guard;

viommu_guard *viommu_guard_start(const char *address, GError **error);
/* The guest runs again (or was never stopped): the guard has nothing to do. */
void viommu_guard_dismiss(viommu_guard *self);
/* The guest may still be paused: the guard sets to work. */
void viommu_guard_release(viommu_guard *self);

#endif
