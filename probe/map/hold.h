/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROBE_HOLD_H
#define PROBE_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "out/output.h"

/* True when stdin is at its end already, so that a hold without a time ends at once. */
bool hold_is_over(void);

/* Waits until stdin ends, a signal comes, SECONDS are over (then stdin is not
 * looked at), or the reader of a pipe goes away.  Which of them, as text for
 * the record's last line. */
const char *hold(const struct output *output, bool timed, uint64_t seconds);

#endif
