/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder's questions, put to the real system. */
#ifndef PROBE_REC_ASKS_H
#define PROBE_REC_ASKS_H

#include "rec-watch.h"
#include "recorder.h"

void rec_asks_begin(struct rec_asks *ret, struct rec_watch *watch);

#endif
