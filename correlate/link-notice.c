/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "links.h"

static void *
begin(const viommu_link_context *context, G_GNUC_UNUSED GError **error)
{
	return (void *) context;
}

static viommu_link_status
judge(void *user, G_GNUC_UNUSED const viommu_run *run, G_GNUC_UNUSED uint64_t first, G_GNUC_UNUSED uint64_t *last)
{
	const viommu_link_context *context = user;

	if (context->kind == VIOMMU_DEVICE_EMULATED)
		return (viommu_link_status){ VIOMMU_LINK_NOT_NEEDED, "an emulated device" };
	return (viommu_link_status){ VIOMMU_LINK_UNVERIFIED, "not looked at" };
}

static void
end(G_GNUC_UNUSED void *user)
{
}

const viommu_link_judge viommu_judge_notice = { begin, judge, NULL, end };
