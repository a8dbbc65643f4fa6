/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries as lists of named fields, so that no printer has to decode. */
#include <viommu/vtd.h>

typedef struct {
	vtd_field_value *fields;
	unsigned n;
} list;

static void
put(list *l, const char *name, uint64_t value, bool wide, const char *meaning)
{
	if (l->n < VTD_MAX_FIELDS)
		l->fields[l->n++] = (vtd_field_value){ name, value, wide, meaning };
}

static void
describe_root(list *l, const vtd_unit *unit, const vtd_step *step)
{
	vtd_root_entry entry;

	vtd_decode_root(unit, step->raw, &entry);
	put(l, "P", entry.present, false, entry.present ? NULL : "not present");
	if (!entry.present)
		return;
	put(l, "CTP", entry.context_table.v, true, "context table");
	if (entry.reserved[0])
		put(l, "reserved", entry.reserved[0], true, "reserved bits set, low half");
	if (entry.reserved[1])
		put(l, "reserved", entry.reserved[1], true, "reserved bits set, high half");
}

static const char *
tt_text(enum vtd_translation_type tt)
{
	switch (tt) {
	case VTD_TT_MULTI_LEVEL:
		return "second-stage table";
	case VTD_TT_DEV_TLB:
		return "second-stage table, device-TLB allowed";
	case VTD_TT_PASS_THROUGH:
		return "pass-through";
	case VTD_TT_RESERVED:
		break;
	}
	return "reserved value";
}

static const char *
aw_text(unsigned aw)
{
	static const char *const texts[] = { "30 bits, 2 levels", "39 bits, 3 levels", "48 bits, 4 levels",
		"57 bits, 5 levels" };

	return aw < G_N_ELEMENTS(texts) ? texts[aw] : "reserved value";
}

static void
describe_context(list *l, const vtd_unit *unit, const vtd_step *step)
{
	vtd_context_entry entry;

	vtd_decode_context(unit, step->raw, &entry);
	put(l, "P", entry.present, false, entry.present ? NULL : "not present");
	if (!entry.present && !step->raw[0] && !step->raw[1])
		return;
	put(l, "FPD", entry.fpd, false, entry.fpd ? "faults are not recorded" : NULL);
	put(l, "TT", entry.tt, false, tt_text(entry.tt));
	put(l, "SSPTPTR", entry.second_stage.v, true, NULL);
	put(l, "AW", entry.aw, false, aw_text(entry.aw));
	put(l, "DID", entry.did, false, "domain");
	if (entry.reserved[0])
		put(l, "reserved", entry.reserved[0], true, "reserved bits set, low half");
	if (entry.reserved[1])
		put(l, "reserved", entry.reserved[1], true, "reserved bits set, high half");
}

static void
describe_ss(list *l, const vtd_unit *unit, const vtd_step *step)
{
	vtd_ss_entry entry;

	vtd_decode_ss(unit, step->raw[0], step->level, &entry);
	put(l, "R", entry.read, false, NULL);
	put(l, "W", entry.write, false, entry.read || entry.write ? NULL : "not present");
	if (!step->raw[0])
		return;
	if (step->level > 1)
		put(l, "PS", entry.leaf, false, entry.leaf ? "large page" : NULL);
	if (entry.leaf)
		put(l, "SNP", entry.snp, false, NULL);
	if (entry.tm)
		put(l, "TM", entry.tm, false, NULL);
	put(l, "ADDR", entry.address.v, true, entry.leaf ? "page" : "table");
	if (entry.reserved)
		put(l, "reserved", entry.reserved, true, "reserved bits set");
}

unsigned
vtd_step_fields(const vtd_unit *unit, const vtd_step *step, vtd_field_value ret[VTD_MAX_FIELDS])
{
	list l = { ret, 0 };

	if (step->words == 0)
		return 0;
	switch (step->kind) {
	case VTD_STEP_ROOT:
		describe_root(&l, unit, step);
		break;
	case VTD_STEP_CONTEXT:
		describe_context(&l, unit, step);
		break;
	case VTD_STEP_SECOND_STAGE:
		describe_ss(&l, unit, step);
		break;
	}
	return l.n;
}

const char *
vtd_step_name(const vtd_step *step)
{
	static const char *const levels[] = { "level 0", "level 1", "level 2", "level 3", "level 4", "level 5", "level 6" };

	switch (step->kind) {
	case VTD_STEP_ROOT:
		return "root";
	case VTD_STEP_CONTEXT:
		return "context";
	case VTD_STEP_SECOND_STAGE:
		break;
	}
	return levels[MIN(step->level, G_N_ELEMENTS(levels) - 1)];
}

const char *
vtd_outcome_text(vtd_outcome outcome)
{
	switch (outcome) {
	case VTD_TRANSLATES:
		return "translates";
	case VTD_PASS_THROUGH:
		return "passes through";
	case VTD_DISABLED:
		return "translation is off";
	case VTD_FAULTS:
		return "faults";
	case VTD_UNREADABLE:
		return "could not be read";
	case VTD_UNSUPPORTED:
		return "in a mode that this version does not read";
	}
	return "unknown";
}
