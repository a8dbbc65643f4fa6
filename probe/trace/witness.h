/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel told the IOMMU on behalf of the calling thread, as `map`
 * records it.  The kernel announces a mapping, and flushes an unmapped one,
 * within the call that asks for it, so everything is there when it returns.
 */
#ifndef PROBE_WITNESS_H
#define PROBE_WITNESS_H

#include "base/report.h"
#include "out/record-writer.h"

struct witness;

/* Of the calling thread, from now on.  NULL with ERROR: not root, no tracefs,
 * no tracepoint, a build without libtracefs. */
struct witness *witness_open(struct probe_error *error);
/* Records what came since the last time, or says what could not be read. */
void witness_write(struct witness *witness, struct record_writer *record);
void witness_close(struct witness *witness);

#endif
