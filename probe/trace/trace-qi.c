/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-qi.h"

#include <stddef.h>

enum {
	CONTEXT = 1, /* 6.5.2.1 */
	PASID_CACHE = 7,
	IOTLB = 2,
	DEVICE_TLB = 3,
	PASID_IOTLB = 6,
	PASID_DEVICE_TLB = 8,
	BY_PAGE = 3,
};

static const char *const types[] = {
	[1] = "context-cache",
	[2] = "iotlb",
	[3] = "device-tlb",
	[4] = "interrupt-entry-cache",
	[5] = "wait",
	[6] = "pasid-iotlb",
	[7] = "pasid-cache",
	[8] = "pasid-device-tlb",
	[9] = "page-group-response",
};

static const char *const granularities[][4] = {
	[CONTEXT] = { NULL, "global", "domain", "device" },
	[IOTLB] = { NULL, "global", "domain", "page" },
	[PASID_IOTLB] = { NULL, NULL, "pasid", "page" },
	[PASID_CACHE] = { "domain", "pasid", NULL, "global" },
};

static unsigned
bits(uint64_t value, unsigned low, unsigned n)
{
	return (unsigned) (value >> low & ((1ull << n) - 1));
}

/* ADDR and AM of an IOTLB descriptor's second quadword: 2^AM pages. */
static void
take_pages(struct trace_qi_fields *fields, uint64_t qw1)
{
	const unsigned am = bits(qw1, 0, 6);
	const uint64_t size = am < 52 ? 0x1000ull << am : 0;

	fields->has_range = true;
	fields->leaf_only = bits(qw1, 6, 1) != 0;
	/* Hardware ignores the low bits that the mask covers. */
	fields->first = size != 0 ? qw1 & ~0xfffull & ~(size - 1) : 0;
	fields->last = size != 0 ? fields->first + (size - 1) : UINT64_MAX;
}

/* A device's own cache.  With S, the lowest clear bit of the address says how
 * many pages: everything below it and itself is within the range. */
static void
take_device_pages(struct trace_qi_fields *fields, uint64_t qw1, bool s)
{
	const uint64_t address = qw1 & ~0xfffull, filled = address | 0xfff;
	const uint64_t span = s ? filled ^ (filled + 1) : 0xfff;

	fields->granularity = "device";
	fields->has_sid = true;
	fields->has_range = true;
	fields->first = address & ~span;
	fields->last = address | span;
}

struct trace_qi_fields
trace_qi_decode(const struct trace_qi *qi)
{
	const unsigned type = bits(qi->qw[0], 0, 4) | bits(qi->qw[0], 9, 3) << 4;
	const unsigned granularity = bits(qi->qw[0], 4, 2);
	struct trace_qi_fields fields = { .did = (uint16_t) bits(qi->qw[0], 16, 16) };

	fields.type = type < sizeof types / sizeof types[0] ? types[type] : NULL;
	if (type < sizeof granularities / sizeof granularities[0])
		fields.granularity = granularities[type][granularity];
	fields.is_context = type == CONTEXT;
	fields.is_entry = type == CONTEXT || type == PASID_CACHE;
	fields.is_iotlb = type == IOTLB || type == PASID_IOTLB;
	fields.has_did = type == PASID_IOTLB || ((type == CONTEXT || type == IOTLB) && granularity >= 2) ||
			 (type == PASID_CACHE && granularity < 2);
	fields.has_pasid = type == PASID_IOTLB || (type == PASID_CACHE && granularity == 1);
	fields.pasid = bits(qi->qw[0], 32, 20);
	fields.has_sid = type == CONTEXT && granularity == BY_PAGE;
	fields.sid = (uint16_t) bits(qi->qw[0], 32, 16);
	if (fields.is_iotlb && granularity == BY_PAGE)
		take_pages(&fields, qi->qw[1]);
	if (type == DEVICE_TLB)
		take_device_pages(&fields, qi->qw[1], bits(qi->qw[1], 0, 1) != 0);
	if (type == PASID_DEVICE_TLB) {
		take_device_pages(&fields, qi->qw[1], bits(qi->qw[1], 11, 1) != 0);
		fields.has_pasid = true;
		fields.sid = (uint16_t) bits(qi->qw[0], 16, 16);
	}
	return fields;
}
