/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <string.h>

#define ACCESSED 0x20u
#define DIRTY 0x40u

/* ---- accessed and dirty ---------------------------------------------------------- */

int
check_accessed(tables *self, const vtd_translation *t, bool write, uint64_t data)
{
	const vtd_answer *answer = write ? &t->write : &t->read;
	uint64_t after[VTD_MAX_STEPS];
	unsigned n = 0; /* steps that QEMU takes */

	for (unsigned i = 0; i < t->n_steps; i++, n = i) {
		const vtd_step *step = &t->steps[i];
		uint64_t flags = ACCESSED, seen = step->raw[0];

		after[i] = 0;
		if (step->kind != VTD_STEP_FIRST_STAGE)
			continue;
		if (step->words == 0)
			break;
		/* The table may be its own parent: then the first visit has left its mark. */
		for (unsigned k = 0; k < i; k++)
			if (t->steps[k].kind == VTD_STEP_FIRST_STAGE && t->steps[k].entry.v == step->entry.v)
				seen = after[k];
		after[i] = seen;
		n = i + 1;
		if (!answer->allowed && answer->blame == (int) i && answer->fault != VTD_FAULT_SM_INTERRUPT)
			break; /* refused before it is marked */
		if (write && (step->level == 1 || seen & 0x80))
			flags |= DIRTY;
		if (!(seen & flags))
			after[i] = seen | flags;
	}
	if (!answer->allowed && answer->blame < 0)
		return -1;
	for (unsigned i = 0; i < t->n_steps; i++) {
		uint64_t entry = t->steps[i].entry.v, expect = after[i];

		if (t->steps[i].kind != VTD_STEP_FIRST_STAGE || t->steps[i].words == 0)
			continue;
		for (unsigned k = i + 1; k < n; k++)
			if (t->steps[k].kind == VTD_STEP_FIRST_STAGE && t->steps[k].entry.v == entry)
				expect = after[k];
		if (!answer->allowed && answer->blame < (int) i)
			break;
		if (data != ~0ull && data < entry + 8 && entry < data + 8)
			continue;
		if (tables_get(self, entry) != expect)
			return (int) i;
	}
	return -1;
}

/* ---- one IOVA against a walk over all ----------------------------------------------- */

/* What a walk may cost here: tables that lead to each other end it soon. */
#define BUDGET ((vtd_budget){ .tables = 40000, .runs = 100000 })

struct check_runs {
	GArray *runs; /* of vtd_run */
	vtd_device device;
};

static void
keep(const vtd_run *run, void *user)
{
	g_array_append_vals(user, run, 1);
}

check_runs *
check_runs_new(const vtd_unit *walker, viommu_memory *memory, viommu_sid sid, GError **error)
{
	check_runs *self = g_new0(check_runs, 1);
	vtd_budget budget = BUDGET;

	self->runs = g_array_new(FALSE, FALSE, sizeof(vtd_run));
	if (!vtd_find_device(walker, memory, sid, &self->device, error) ||
	    (self->device.outcome == VTD_TRANSLATES &&
		    !vtd_walk_device(walker, memory, &self->device, &budget, keep, self->runs, error))) {
		check_runs_free(self);
		return NULL;
	}
	return self;
}

void
check_runs_free(check_runs *self)
{
	g_array_free(self->runs, TRUE);
	g_free(self);
}

static const vtd_run *
run_of(const check_runs *self, uint64_t iova)
{
	guint low = 0, high = self->runs->len;

	while (low < high) {
		guint middle = (low + high) / 2;
		const vtd_run *run = &g_array_index(self->runs, vtd_run, middle);

		if (iova < run->iova.first)
			high = middle;
		else if (iova > run->iova.last)
			low = middle + 1;
		else
			return run;
	}
	return NULL;
}

static check_verdict
verdict(bool agree)
{
	return agree ? CHECK_AGREES : CHECK_DISAGREES;
}

check_verdict
check_runs_agree(const check_runs *self, const vtd_translation *t, vtd_run *found)
{
	const vtd_run *run = run_of(self, t->iova.v);

	memset(found, 0, sizeof *found);
	found->kind = (vtd_run_kind) -1;
	if (run)
		*found = *run;
	if (t->device.outcome != VTD_TRANSLATES || t->outcome == VTD_INTERRUPT)
		return CHECK_NO_WALK;
	if (!run)
		return verdict(!t->read.allowed && !t->write.allowed);
	switch (run->kind) {
	case VTD_RUN_MAPPED:
		return verdict(t->read.allowed == run->read && t->write.allowed == run->write &&
			t->gpa.v == run->gpa.v + (t->iova.v - run->iova.first));
	case VTD_RUN_RESERVED:
	case VTD_RUN_UNREADABLE:
	case VTD_RUN_INTERRUPT:
	case VTD_RUN_PRIVILEGE:
		return verdict(!t->read.allowed && !t->write.allowed);
	case VTD_RUN_LOOP:
	case VTD_RUN_UNVISITED:
	case VTD_RUN_REPEATED:
		break;
	}
	return CHECK_UNKNOWN;
}
