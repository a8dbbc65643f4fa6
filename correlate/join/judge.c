/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdict on pages that L1 asked for and the table has something for. */
#include "join/join.h"
#include "join/result.h"

typedef viommu_join join;

static bool
has_entry(const vtd_run *seen)
{
	return seen->kind == VTD_RUN_MAPPED || seen->kind == VTD_RUN_RESERVED || seen->kind == VTD_RUN_INTERRUPT ||
		seen->kind == VTD_RUN_PRIVILEGE;
}

/* An entry that leads to a table says nothing of a page. */
static bool
is_page(const vtd_run *seen)
{
	return seen->level == 1 || (seen->level <= 3 && seen->raw & 1u << 7);
}

void
viommu_observe(viommu_run *run, const vtd_run *seen)
{
	run->has_observed = has_entry(seen) && is_page(seen);
	run->gpa.v = seen->gpa.v + (run->iova.first - seen->iova.first);
	run->read = seen->read;
	run->write = seen->write;
	run->page_shift = (uint8_t) seen->page_shift;
}

static const char *
unreadable_note(join *j, const vtd_run *seen)
{
	const char *why = viommu_page_status_text(seen->status);
	g_autofree char *text = NULL;

	if (seen->level > j->device->levels)
		text = g_strdup_printf("the top table at GPA 0x%" G_GINT64_MODIFIER "x is %s", seen->gpa.v, why);
	else
		text = g_strdup_printf("the table at GPA 0x%" G_GINT64_MODIFIER "x, named by the level-%u entry at GPA "
				       "0x%" G_GINT64_MODIFIER "x, is %s",
			seen->gpa.v, seen->level, seen->entry.v, why);

	return g_string_chunk_insert_const(j->result->notes, text);
}

/* Asked for write only.  Linux 5.13 (eea53c581688) and later give such pages read as
 * well, because first-stage tables cannot do without; older ones do not. */
static bool
write_only(const viommu_run *run)
{
	return run->expected.prot_known && run->expected.write && !run->expected.read;
}

/* What the table has for a page that L1 asked for. */
void
viommu_join_judge(join *j, const vtd_run *seen, viommu_run *run)
{
	const viommu_request *request =
		&g_array_index(j->space->requests, viommu_request, run->expected.request);

	switch (seen->kind) {
	case VTD_RUN_RESERVED:
		run->verdict = VIOMMU_RESERVED_BIT;
		return;
	case VTD_RUN_UNREADABLE:
		/* QEMU cannot read such a table either; what only we could not read is open. */
		run->verdict = seen->status == VIOMMU_PAGE_NOT_RAM ? VIOMMU_MISSING : VIOMMU_UNVERIFIED;
		run->note = unreadable_note(j, seen);
		return;
	case VTD_RUN_LOOP:
		run->verdict = VIOMMU_UNVERIFIED;
		run->note = "a table leads back to one of its own ancestors; such a loop is not followed";
		return;
	case VTD_RUN_REPEATED: /* not without a memo, which no verification has */
	case VTD_RUN_UNVISITED:
		run->verdict = VIOMMU_UNVERIFIED;
		run->note = "L1's tables lead to more tables, or more runs of pages, than one verification reads";
		return;
	case VTD_RUN_INTERRUPT:
		run->verdict = VIOMMU_MISSING;
		run->note = "the table's page lies in the interrupt address range (0xfee00000-0xfeefffff), which the vIOMMU refuses";
		return;
	case VTD_RUN_PRIVILEGE:
		run->verdict = VIOMMU_WRONG_PERMISSION;
		run->note = "U/S = 0 in the first-stage entry: only for supervisors, which no emulated device is";
		return;
	case VTD_RUN_MAPPED:
		break;
	}
	if (run->expected.gpa_known && run->gpa.v != run->expected.gpa.v) {
		run->verdict = VIOMMU_WRONG_ADDRESS;
	} else if (run->expected.prot_known &&
		(run->write != run->expected.write || (run->read != run->expected.read && !write_only(run)))) {
		run->verdict = VIOMMU_WRONG_PERMISSION;
	} else if (!run->expected.gpa_known) {
		run->verdict = VIOMMU_UNVERIFIED;
		run->note = viommu_request_gpa_unknown(j->space, request);
	} else {
		run->verdict = VIOMMU_MATCH;
		run->other_page_size = request->page_shift && request->page_shift != run->page_shift;
		run->read_added = write_only(run) && run->read;
	}
}
