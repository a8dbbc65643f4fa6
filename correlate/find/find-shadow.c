/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What link 5 showed: the addresses on both sides. */
#include <inttypes.h>

#include "find/find.h"
#include "link/link-shadow.h"
#include "text/text.h"

/* "0x12345000", or why there is no such number. */
static viommu_text
hpa_text(bool known, uint64_t hpa)
{
	viommu_text ret;

	if (known)
		g_snprintf(ret.text, sizeof(ret.text), "0x%" PRIx64, hpa);
	else
		g_strlcpy(ret.text, "not known", sizeof(ret.text));
	return ret;
}

void
viommu_find_shadow(const viommu_finder *f, const viommu_snapshot *snapshot, const viommu_result *result, const viommu_run *run)
{
	const viommu_target_result *target = &g_array_index(result->targets, viommu_target_result, run->target);
	const viommu_link_status *status = &viommu_run_chain(result, run)->links[VIOMMU_LINK_SHADOW];
	viommu_shadow_verdict verdict = viommu_shadow_verdict_of(status);
	const viommu_shadow *shadow;
	const viommu_shadow_piece *piece;
	const viommu_backing *backing;
	viommu_text ours, theirs;
	viommu_where where;

	if (status->state != VIOMMU_LINK_BROKEN || run->verdict == VIOMMU_IN_FLUX)
		return;
	shadow = viommu_shadow_to_blame(snapshot, result, run);
	if (!shadow)
		return;
	piece = viommu_shadow_from(shadow, run->iova.first);
	backing = viommu_snapshot_backing_from(snapshot, run->gpa);
	ours = hpa_text(backing && backing->gpa.first <= run->gpa.v,
		backing ? backing->hpa.v + (run->gpa.v - backing->gpa.first) : 0);
	theirs = hpa_text(piece && piece->hpa_known, piece ? piece->hpa.v + (run->iova.first - piece->iova.first) : 0);
	where = viommu_where_iova(shadow->device, run->iova);
	switch (verdict) {
	case VIOMMU_SHADOW_MISSING:
		viommu_findings_add(f->list, "shadow-missing", where.text,
			"L1's table has GPA 0x%" PRIx64 " (domain %u); %s has nothing there for the host's device %s", run->gpa.v,
			target->device.did, shadow->name, shadow->host);
		break;
	case VIOMMU_SHADOW_STALE:
		viommu_findings_add(f->list, "shadow-stale", where.text,
			"L1's table has nothing (domain %u); %s has the host's address %s for the host's device %s", target->device.did,
			shadow->name, theirs.text, shadow->host);
		break;
	case VIOMMU_SHADOW_WRONG_PAGE:
		viommu_findings_add(f->list, "shadow-wrong-page", where.text,
			"L1's table has GPA 0x%" PRIx64 ", which stands at the host's address %s; %s has %s for the host's device %s",
			run->gpa.v, ours.text, shadow->name, theirs.text, shadow->host);
		break;
	case VIOMMU_SHADOW_WRONG_PERMISSION:
		viommu_findings_add(f->list, "shadow-wrong-permission", where.text,
			"L1's table gives %s, %s gives %s to the host's device %s (GPA 0x%" PRIx64 ", the host's address %s)",
			viommu_prot_text(run->read, run->write).text, shadow->name,
			piece ? viommu_prot_text(piece->read, piece->write).text : "nothing", shadow->host, run->gpa.v, theirs.text);
		break;
	default:
		break;
	}
}
