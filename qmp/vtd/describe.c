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
put_reserved(list *l, const uint64_t *words, unsigned n)
{
	static const char *const names[] = { "reserved", "reserved[127:64]", "reserved[191:128]", "reserved[255:192]" };

	for (unsigned i = 0; i < n; i++)
		if (words[i])
			put(l, names[i], words[i], true, "reserved bits set");
}

static void
describe_root(list *l, const vtd_unit *unit, const vtd_step *step)
{
	vtd_sm_root_entry sm;
	vtd_root_entry entry;

	if (unit->scalable) {
		vtd_decode_sm_root(unit, step->raw, &sm);
		put(l, "LP", sm.present[0], false, NULL);
		put(l, "LCTP", sm.context_table[0].v, true, "devfn 0 to 127");
		put(l, "UP", sm.present[1], false, NULL);
		put(l, "UCTP", sm.context_table[1].v, true, "devfn 128 to 255");
		put_reserved(l, sm.reserved, 2);
		return;
	}
	vtd_decode_root(unit, step->raw, &entry);
	put(l, "P", entry.present, false, entry.present ? NULL : "not present");
	if (!entry.present)
		return;
	put(l, "CTP", entry.context_table.v, true, "context table");
	put_reserved(l, entry.reserved, 2);
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
	put_reserved(l, entry.reserved, 2);
}

static void
describe_sm_context(list *l, const vtd_unit *unit, const vtd_step *step)
{
	vtd_sm_context_entry entry;

	vtd_decode_sm_context(unit, step->raw, &entry);
	put(l, "P", entry.present, false, entry.present ? NULL : "not present");
	if (!entry.present && !step->raw[0] && !step->raw[1])
		return;
	put(l, "FPD", entry.fpd, false, entry.fpd ? "faults are not recorded" : NULL);
	put(l, "DTE", entry.dte, false, NULL);
	put(l, "PASIDE", entry.paside, false, NULL);
	put(l, "PRE", entry.pre, false, NULL);
	put(l, "PDTS", entry.pdts, false, "directory entries: 2^(n+7)");
	put(l, "PASIDDIRPTR", entry.pasid_directory.v, true, NULL);
	put(l, "RID_PASID", entry.rid_pasid, false, NULL);
	put(l, "RID_PRIV", entry.rid_priv, false, NULL);
	put_reserved(l, entry.reserved, 4);
}

static void
describe_pasid_dir(list *l, const vtd_step *step)
{
	vtd_pasid_dir_entry entry;

	vtd_decode_pasid_dir(step->raw[0], &entry);
	put(l, "P", entry.present, false, entry.present ? NULL : "not present");
	put(l, "FPD", entry.fpd, false, entry.fpd ? "faults are not recorded" : NULL);
	put(l, "SMPTBLPTR", entry.pasid_table.v, true, "PASID table");
}

static const char *
pgtt_text(unsigned pgtt)
{
	static const char *const texts[] = { "reserved value", "first stage", "second stage", "nested", "pass-through" };

	return texts[pgtt < G_N_ELEMENTS(texts) ? pgtt : 0];
}

static void
describe_pasid(list *l, const vtd_step *step)
{
	vtd_pasid_entry entry;

	vtd_decode_pasid(step->raw, &entry);
	put(l, "P", entry.present, false, entry.present ? NULL : "not present");
	if (!entry.present && !step->raw[0])
		return;
	put(l, "FPD", entry.fpd, false, entry.fpd ? "faults are not recorded" : NULL);
	put(l, "PGTT", entry.pgtt, false, pgtt_text(entry.pgtt));
	put(l, "DID", entry.did, false, "domain");
	put(l, "AW", entry.aw, false, aw_text(entry.aw));
	if (entry.second_stage.v || entry.pgtt == VTD_PGTT_SECOND_STAGE || entry.pgtt == VTD_PGTT_NESTED)
		put(l, "SSPTPTR", entry.second_stage.v, true, NULL);
	if (entry.slade)
		put(l, "SSADE", entry.slade, false, "accessed/dirty bits of the second stage");
	if (entry.first_stage.v || entry.pgtt == VTD_PGTT_FIRST_STAGE || entry.pgtt == VTD_PGTT_NESTED) {
		put(l, "FSPTPTR", entry.first_stage.v, true, NULL);
		put(l, "FSPM", entry.fspm, false, entry.fspm == 0 ? "4 levels" : entry.fspm == 1 ? "5 levels" : "reserved value");
		put(l, "WPE", entry.wpe, false, NULL);
		put(l, "SRE", entry.sre, false, NULL);
		put(l, "NXE", entry.nxe, false, entry.nxe ? "XD of first-stage entries counts" : NULL);
		put(l, "EAFE", entry.eafe, false, NULL);
	}
	put(l, "PGSNP", entry.pgsnp, false, NULL);
	put(l, "PWSNP", entry.pwsnp, false, NULL);
}

static void
describe_fs(list *l, const vtd_unit *unit, const vtd_step *step)
{
	vtd_fs_entry entry;

	vtd_decode_fs(unit, step->raw[0], step->level, &entry);
	put(l, "P", entry.present, false, entry.present ? NULL : "not present");
	if (!step->raw[0])
		return;
	put(l, "R/W", entry.write, false, NULL);
	put(l, "U/S", entry.user, false, entry.user ? NULL : "supervisor only");
	put(l, "A", entry.accessed, false, NULL);
	if (entry.leaf)
		put(l, "D", entry.dirty, false, NULL);
	if (step->level > 1)
		put(l, "PS", entry.leaf, false, entry.leaf ? "large page" : NULL);
	if (entry.pwt || entry.pcd || entry.pat)
		put(l, "PAT/PCD/PWT", (unsigned) entry.pat << 2 | (unsigned) entry.pcd << 1 | entry.pwt, false, "memory type");
	if (entry.global)
		put(l, "G", entry.global, false, NULL);
	if (entry.extended_accessed)
		put(l, "EA", entry.extended_accessed, false, NULL);
	if (entry.xd)
		put(l, "XD", entry.xd, false, NULL);
	put(l, "ADDR", entry.address.v, true, entry.leaf ? "page" : "table");
	put_reserved(l, &entry.reserved, 1);
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
	if (entry.leaf && entry.memory_type)
		put(l, "EMT", entry.memory_type, false, "memory type, IPAT in bit 3");
	if (entry.accessed || entry.dirty) {
		put(l, "A", entry.accessed, false, NULL);
		put(l, "D", entry.dirty, false, NULL);
	}
	put(l, "ADDR", entry.address.v, true, entry.leaf ? "page" : "table");
	put_reserved(l, &entry.reserved, 1);
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
		if (unit->scalable)
			describe_sm_context(&l, unit, step);
		else
			describe_context(&l, unit, step);
		break;
	case VTD_STEP_SECOND_STAGE:
		describe_ss(&l, unit, step);
		break;
	case VTD_STEP_PASID_DIR:
		describe_pasid_dir(&l, step);
		break;
	case VTD_STEP_PASID:
		describe_pasid(&l, step);
		break;
	case VTD_STEP_FIRST_STAGE:
		describe_fs(&l, unit, step);
		break;
	}
	return l.n;
}

const char *
vtd_step_name(const vtd_step *step)
{
	static const char *const first[] = { "FS level 0", "FS level 1", "FS level 2", "FS level 3", "FS level 4", "FS level 5",
		"FS level 6" };
	static const char *const levels[] = { "level 0", "level 1", "level 2", "level 3", "level 4", "level 5", "level 6" };

	switch (step->kind) {
	case VTD_STEP_ROOT:
		return "root";
	case VTD_STEP_CONTEXT:
		return "context";
	case VTD_STEP_PASID_DIR:
		return "PASID dir";
	case VTD_STEP_PASID:
		return "PASID";
	case VTD_STEP_FIRST_STAGE:
		return first[MIN(step->level, G_N_ELEMENTS(first) - 1)];
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
	case VTD_INTERRUPT:
		return "is an interrupt, not a DMA";
	}
	return "unknown";
}

const char *
vtd_device_remark(const vtd_unit *unit, const vtd_device *device)
{
	unsigned pgtt = device->pasid_entry.pgtt;

	if (device->outcome == VTD_TRANSLATES && device->scalable && unit->before_qemu_10 &&
		(pgtt == VTD_PGTT_FIRST_STAGE || pgtt == VTD_PGTT_NESTED))
		return "QEMU before 10.0 walks a first-stage or nested PASID entry as if it were a second-stage one (SSPTPTR, AW)";
	if (device->outcome == VTD_TRANSLATES && device->stage == VTD_STAGE_FIRST && device->pasid_entry.aw < 2)
		return "QEMU 10.0 takes the width of a first-stage address from the second stage's AW field, which is less than "
		       "48 bits here";
	if (device->fault == VTD_FAULT_PASID_ACCESS && unit->before_qemu_10)
		return "QEMU before 10.0 has this one fault reason for everything that is wrong with a PASID entry";
	return NULL;
}

const char *
vtd_answer_remark(const vtd_translation *walk, const vtd_answer *answer)
{
	const vtd_step *step = answer->blame >= 0 ? &walk->steps[answer->blame] : NULL;

	if (!step || answer->allowed)
		return NULL;
	if (step->words == 1 && step->raw[0] == UINT64_MAX)
		return "QEMU takes an entry of all ones for one that it could not read";
	if (answer->fault == VTD_FAULT_SM_INTERRUPT || answer->fault == VTD_FAULT_INTERRUPT)
		return "a page that touches 0xfee00000-0xfeefffff is refused as a whole";
	return NULL;
}
