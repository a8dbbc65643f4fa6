/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder's questions, put to the real system. */
#ifndef PROBE_REC_ASKS_H
#define PROBE_REC_ASKS_H

#include "record/rec-watch.h"
#include "record/recorder.h"

void rec_asks_begin(struct rec_asks *ret, struct rec_watch *watch);

#endif
