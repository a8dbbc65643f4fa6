/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A human monitor (HMP) in QMP's place, for a QEMU that has no other.  It echoes what it is
 * sent, as for a terminal, and has no end of an answer but its next prompt, which an answer may
 * hold as well: so each line is followed by a number that nobody can guess, to be printed.
 */
#ifndef VIOMMU_HUMAN_H
#define VIOMMU_HUMAN_H

#include "channel.h"

/* Waits for the monitor's banner and prompt.  Returns what QMP's greeting has as "version". */
json_t *viommu_human_greet(viommu_channel *channel, gint64 deadline, GError **error);

/* The value that QMP's command has, out of what HMP's says; borrowed arguments.  Errors as of
 * viommu_monitor_execute(). */
json_t *viommu_human_execute(viommu_channel *channel, const char *command, const json_t *arguments, gint64 deadline,
	GError **error);

#endif
