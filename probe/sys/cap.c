/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/cap.h"

#include <stdio.h>
#include <string.h>

struct field {
	const char *name;
	unsigned char high, low; /* bits */
	const char *meaning;
	void (*text)(unsigned value, char *ret, size_t size); /* NULL: a number */
};

static void
text_domains(unsigned value, char *ret, size_t size)
{
	if (value > 6)
		snprintf(ret, size, "reserved value %u", value);
	else
		snprintf(ret, size, "%u", 1u << (4 + 2 * value));
}

static void
text_width(unsigned value, char *ret, size_t size)
{
	snprintf(ret, size, "%u bits", value + 1);
}

/* The texts of the bits that are set, with commas. */
static void
text_bits(unsigned value, const char *const *bits, unsigned n, char *ret, size_t size)
{
	size_t len = 0;

	snprintf(ret, size, "none");
	for (unsigned i = 0; i < n; i++) {
		if (!(value >> i & 1) || len >= size)
			continue;
		len += (size_t) snprintf(ret + len, size - len, "%s%s", len ? ", " : "", bits[i]);
	}
}

static void
text_sagaw(unsigned value, char *ret, size_t size)
{
	static const char *const bits[] = { "30 bits/2 levels", "39 bits/3 levels", "48 bits/4 levels",
		"57 bits/5 levels", "64 bits/6 levels" };

	text_bits(value, bits, 5, ret, size);
}

static void
text_large_pages(unsigned value, char *ret, size_t size)
{
	static const char *const bits[] = { "2 MiB", "1 GiB", "512 GiB", "1 TiB" };

	text_bits(value, bits, 4, ret, size);
}

static void
text_mask(unsigned value, char *ret, size_t size)
{
	snprintf(ret, size, "2^%u pages", value);
}

static void
text_offset(unsigned value, char *ret, size_t size)
{
	snprintf(ret, size, "0x%x", value * 16);
}

static void
text_plus_one(unsigned value, char *ret, size_t size)
{
	snprintf(ret, size, "%u", value + 1);
}

static const struct field cap_fields[] = {
	{ "CM", 7, 7, "caching mode", NULL },
	{ "MGAW", 21, 16, "maximum guest address width", text_width },
	{ "SAGAW", 12, 8, "address widths of second-stage tables", text_sagaw },
	{ "SSLPS", 37, 34, "second-stage large pages", text_large_pages },
	{ "ND", 2, 0, "domains", text_domains },
	{ "PSI", 39, 39, "page-selective invalidation", NULL },
	{ "MAMV", 53, 48, "largest page-selective invalidation", text_mask },
	{ "ZLR", 22, 22, "zero-length reads", NULL },
	{ "RWBF", 4, 4, "write buffer to be flushed", NULL },
	{ "PLMR", 5, 5, "protected low memory", NULL },
	{ "PHMR", 6, 6, "protected high memory", NULL },
	{ "DWD", 54, 54, "write draining", NULL },
	{ "DRD", 55, 55, "read draining", NULL },
	{ "NFR", 47, 40, "fault recording registers", text_plus_one },
	{ "FRO", 33, 24, "offset of the fault recording registers", text_offset },
};

static const struct field ecap_fields[] = {
	{ "C", 0, 0, "table walks are coherent", NULL },
	{ "QI", 1, 1, "queued invalidation", NULL },
	{ "DT", 2, 2, "device TLBs (ATS)", NULL },
	{ "IR", 3, 3, "interrupt remapping", NULL },
	{ "EIM", 4, 4, "x2APIC interrupt mode", NULL },
	{ "PT", 6, 6, "pass-through translation type", NULL },
	{ "SC", 7, 7, "snoop control (SNP bit)", NULL },
	{ "IRO", 17, 8, "offset of the IOTLB registers", text_offset },
	{ "MHMV", 23, 20, "largest interrupt handle mask", NULL },
	{ "NEST", 26, 26, "nested translation", NULL },
	{ "PRS", 29, 29, "page requests", NULL },
	{ "PASID", 40, 40, "PASIDs", NULL },
	{ "SMTS", 43, 43, "scalable mode", NULL },
	{ "SSTS", 46, 46, "second stage in scalable mode", NULL },
	{ "FSTS", 47, 47, "first stage in scalable mode", NULL },
};

static void
each_field(uint64_t value, const struct field *fields, size_t n, cap_field_fn *fn, void *data)
{
	for (size_t i = 0; i < n; i++) {
		const struct field *field = &fields[i];
		const uint64_t mask = ((uint64_t) 2 << (field->high - field->low)) - 1;
		const unsigned bits = (unsigned) (value >> field->low & mask);
		char text[128];

		if (field->text != NULL)
			field->text(bits, text, sizeof text);
		else
			snprintf(text, sizeof text, "%u", bits);
		fn(field->name, text, field->meaning, data);
	}
}

void
cap_each_field(uint64_t cap, cap_field_fn *fn, void *data)
{
	each_field(cap, cap_fields, sizeof cap_fields / sizeof cap_fields[0], fn, data);
}

void
ecap_each_field(uint64_t ecap, cap_field_fn *fn, void *data)
{
	each_field(ecap, ecap_fields, sizeof ecap_fields / sizeof ecap_fields[0], fn, data);
}
