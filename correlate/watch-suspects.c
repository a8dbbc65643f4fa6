/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch-suspects.h"

#include "follow.h"

struct viommu_suspects {
	viommu_result *look; /* the first that saw them; NULL: there are none */
	bool drained;        /* the stream was read empty since, */
	gint64 drained_us;   /* then, */
	uint64_t rests;      /* and the record had so many marks */
	bool proven;
};

viommu_suspects *
viommu_suspects_new(void)
{
	return g_new0(viommu_suspects, 1);
}

void
viommu_suspects_free(viommu_suspects *self)
{
	if (!self)
		return;
	viommu_result_free(self->look);
	g_free(self);
}

void
viommu_suspects_heard(viommu_suspects *self, const viommu_record *record, gint64 now_us)
{
	const uint64_t rests = record->rests;
	const gint64 told_us = now_us - (gint64) (record->lag_ns / 1000);

	if (!self->look)
		return;
	if (!self->drained || (rests != self->rests && told_us - self->drained_us < VIOMMU_ON_ITS_WAY_US)) {
		self->drained_us = self->drained ? self->drained_us : now_us;
		self->drained = true;
		self->rests = rests;
	} else if (rests != self->rests) {
		self->proven = true;
	}
}

bool
viommu_suspects_proven(const viommu_suspects *self)
{
	return self->look && self->proven;
}

bool
viommu_suspects_convict(const viommu_suspects *self, viommu_result *sure)
{
	viommu_result_doubt(sure, self->look, true);
	return viommu_result_faults(sure) > 0;
}

/* Whether some of the suspects are in this look, too. */
static bool
seen_before(const viommu_suspects *self, viommu_result *look)
{
	return self->look && viommu_result_doubt(look, self->look, false) < viommu_result_faults(look);
}

void
viommu_suspects_put(viommu_suspects *self, viommu_result *look)
{
	/* Those of this look that are no suspects yet have to wait for the others. */
	if (!self->proven && seen_before(self, look)) {
		viommu_result_free(look);
		return;
	}
	viommu_suspects_clear(self);
	self->look = look;
}

void
viommu_suspects_clear(viommu_suspects *self)
{
	viommu_result_free(self->look);
	*self = (viommu_suspects){ 0 };
}
