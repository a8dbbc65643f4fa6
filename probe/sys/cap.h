/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Capability and Extended Capability registers say, as text for
 * people (VT-d 11.4.2 and 11.4.3).  Pure.  The names are those of revision 4
 * of the specification; before, SS… was SL… and FS… was FL….
 */
#ifndef PROBE_CAP_H
#define PROBE_CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Caching mode: not-present entries may be cached, so software has to
 * announce new mappings too. */
static inline bool
cap_cm(uint64_t cap)
{
	return cap >> 7 & 1;
}

/* Maximum guest address width, in bits. */
static inline unsigned
cap_mgaw(uint64_t cap)
{
	return (unsigned) (cap >> 16 & 0x3f) + 1;
}

static inline bool
ecap_ir(uint64_t ecap)
{
	return ecap >> 3 & 1;
}

static inline bool
ecap_pt(uint64_t ecap)
{
	return ecap >> 6 & 1;
}

/* Scalable mode, and in it a first stage and no second. */
static inline bool
ecap_first_stage_only(uint64_t ecap)
{
	return (ecap >> 43 & 1) && (ecap >> 47 & 1) && !(ecap >> 46 & 1);
}

/* One field of a register: "MGAW", "39 bits". */
typedef void cap_field_fn(const char *name, const char *value, const char *meaning, void *data);

void cap_each_field(uint64_t cap, cap_field_fn *fn, void *data);
void ecap_each_field(uint64_t ecap, cap_field_fn *fn, void *data);

#endif
