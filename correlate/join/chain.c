/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the chain. */
#include <viommu/chain.h>

static const char *const link_names[VIOMMU_LINKS] = { "request", "table", "invalidation", "notice", "shadow" };
static const char *const state_names[VIOMMU_LINK_STATES] = { "unverified", "ok", "broken", "not-needed" };

const char *
viommu_link_name(viommu_link link)
{
	return link_names[link];
}

const char *
viommu_link_broken_text(viommu_link link)
{
	static const char *const texts[VIOMMU_LINKS] = {
		[VIOMMU_LINK_REQUEST] = "L1 never asked for it",
		[VIOMMU_LINK_TABLE] = "what L1 asked for is not what stands in its tables: its kernel did not write it, it was "
				      "changed since, or the record is old",
		[VIOMMU_LINK_INVALIDATION] = "the tables are right, and L1 did not announce it: QEMU, and an assigned device's IOMMU "
					     "on the host, do not know",
		[VIOMMU_LINK_NOTICE] = "QEMU did not pass it on: if L1 announced it (link 3), its walk ended early, or a notifier is "
				       "missing",
		[VIOMMU_LINK_SHADOW] = "the host's IOMMU does not follow L1's table: where links 3 and 4 are ok, it failed on the "
				       "host, or something else changed it; where they are unverified, L1 or QEMU may still be to come",
	};
	return texts[link];
}

const char *
viommu_link_state_name(viommu_link_state state)
{
	return state_names[state];
}

char
viommu_link_state_sign(viommu_link_state state)
{
	return "?+X-"[state];
}

viommu_link
viommu_chain_first_broken(const viommu_chain *self)
{
	unsigned i = 0;

	while (i < VIOMMU_LINKS && self->links[i].state != VIOMMU_LINK_BROKEN)
		i++;
	return (viommu_link) i;
}

bool
viommu_chain_equal(const viommu_chain *a, const viommu_chain *b)
{
	for (unsigned i = 0; i < VIOMMU_LINKS; i++)
		if (a->links[i].state != b->links[i].state || a->links[i].note != b->links[i].note)
			return false;
	return true;
}
