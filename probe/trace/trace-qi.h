/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Invalidation descriptors, as far as a trace needs them (VT-d 6.5.2). */
#ifndef PROBE_TRACE_QI_H
#define PROBE_TRACE_QI_H

#include "trace/trace-event.h"

struct trace_qi_fields {
	const char *type;        /* "iotlb", "context-cache", …; "type 12" has no name here */
	const char *granularity; /* "global", "domain", "page", …, or NULL */
	bool is_iotlb;           /* of either kind, with or without a PASID */
	bool is_context;         /* of the context cache */
	bool is_entry;           /* of that or of the PASID cache: how a device is translated */
	bool has_did, has_range, has_pasid, has_sid;
	bool leaf_only; /* IH of an IOTLB: the directories that lead there did not change */
	uint16_t did, sid;
	uint32_t pasid;
	uint64_t first, last; /* inclusive */
};

struct trace_qi_fields trace_qi_decode(const struct trace_qi *qi);

#endif
