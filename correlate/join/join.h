/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The join of what L1 asked for with one table. */
#ifndef VIOMMU_JOIN_H
#define VIOMMU_JOIN_H

#include <viommu/correlate.h>

typedef struct viommu_join {
	viommu_result *result;
	uint32_t target;
	const viommu_record *record;
	const viommu_space *space;
	const vtd_device *device;
	uint64_t next; /* everything below was judged */
	bool finished; /* next ran over the top of the 64-bit space */
	/* The IOVAs that the table can translate, ascending: one range, or with a first
	 * stage the two canonical halves; without the interrupt address range. */
	viommu_iova_range reach[4];
	unsigned n_reach;
	const char *lost; /* why absence proves nothing, NULL if it does */
	bool now; /* the tables may be younger than the moment that was chosen: viommu_witnesses */
	uint64_t left; /* the event behind the moment with which the device leaves the space; 0: none */
	vtd_budget *budget; /* of the whole verification */
} viommu_join;

/* Judges everything that the space has mapped against the tables of j->device. */
gboolean viommu_join_tables(viommu_join *j, const vtd_unit *unit, viommu_memory *memory, GError **error);

/* The same for a space whose device is not known: looks in the tables of every device. */
gboolean viommu_join_any(viommu_join *j, const vtd_unit *unit, viommu_memory *memory, GError **error);

/* Gives everything that L1 asked for in [first, last] one verdict. */
void viommu_join_add_expected(viommu_join *j, uint64_t first, uint64_t last, viommu_verdict verdict,
	const char *note);

/* The parts: a run for [first, last] of a piece; what the table has there; the
 * verdict on both; and into the result with it. */
viommu_run viommu_expected_run(viommu_verdict verdict, const viommu_piece *piece, uint64_t first, uint64_t last);
void viommu_observe(viommu_run *run, const vtd_run *seen);
void viommu_join_judge(viommu_join *j, const vtd_run *seen, viommu_run *run);
void viommu_join_add(viommu_join *j, viommu_run *run);

#endif
