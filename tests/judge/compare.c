/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "compare.h"

#include "check.h"

#include <inttypes.h>
#include <string.h>

static const char *const directions[2] = { "read", "write" };

uint64_t
question_marker(uint64_t set, unsigned q)
{
	return 0x4a00000000000000ull | (set & 0xffffffffffull) << 8 | q;
}

/* ---- what should be recorded --------------------------------------------------------- */

/* The faults that FPD does not silence (NOTES.md). */
static bool
is_qualified(vtd_fault fault)
{
	static const uint8_t unqualified[] = { 0x1, 0x8, 0x9, 0xa, 0xb, 0x50, 0x58 };

	return memchr(unqualified, (int) fault, sizeof unqualified) == NULL;
}

static bool
past_the_device(const vtd_translation *t)
{
	return t->device.outcome == VTD_TRANSLATES;
}

/* ---- reporting ------------------------------------------------------------------------ */

void
compare_disagree(judge *self, uint64_t set, unsigned q, const question *ask, bool write, const char *format, ...)
{
	const vtd_translation *t = &ask->t[write];
	const vtd_answer *ours = write ? &t->write : &t->read;
	const unit_fault *theirs = &ask->fault[write];
	va_list args;

	self->disagreements++;
	fprintf(self->out, "# DISAGREEMENT: ");
	va_start(args, format);
	vfprintf(self->out, format, args);
	va_end(args);
	fprintf(self->out, "\n#   again: --qemu %s --props '%s' --seed %" PRIu64 " --set %" PRIu64 "   (question %u)\n",
		self->qemu, self->props, self->seed, set, q);
	fprintf(self->out, "#   %02x:%02x.%x %s of IOVA %#" PRIx64 "\n", viommu_sid_bus(unit_sid(ask->device)),
		viommu_sid_device(unit_sid(ask->device)), viommu_sid_function(unit_sid(ask->device)),
		directions[write], ask->iova);
	fprintf(self->out, "#   walker: %s: %s, fault %#x%s, GPA %#" PRIx64 ", page shift %u\n", vtd_outcome_text(t->outcome),
		ours->allowed ? "allowed" : "refused", (unsigned) ours->fault, ask->silent[write] ? " (FPD)" : "",
		t->gpa.v, t->page_shift);
	for (unsigned i = 0; i < t->n_steps; i++) {
		fprintf(self->out, "#     %-14s at %#" PRIx64 ":", vtd_step_name(&t->steps[i]), t->steps[i].entry.v);
		for (unsigned w = 0; w < t->steps[i].words; w++)
			fprintf(self->out, " %016" PRIx64, t->steps[i].raw[w]);
		fprintf(self->out, "%s%s\n", t->steps[i].words ? "" : " unreadable", ours->blame == (int) i ? "  <- blamed" : "");
	}
	if (theirs->recorded)
		fprintf(self->out, "#   QEMU: fault %#x, %s, SID %#x, page %#" PRIx64 ", PP %d, PASID %#x\n", theirs->reason,
			directions[!theirs->read], theirs->sid.v, theirs->page, theirs->pasid_present, theirs->pasid);
	else
		fprintf(self->out, "#   QEMU: nothing recorded\n");
	tables_print(&self->tables, self->out);
}

gboolean
question_walk(judge *self, question *ask, bool write, GError **error)
{
	if (!vtd_translate(&self->walker_unit, self->memory, unit_sid(ask->device), VIOMMU_IOVA(ask->iova), &ask->t[write],
			error))
		return FALSE;
	ask->silent[write] = is_qualified((write ? ask->t[1].write : ask->t[0].read).fault) &&
		tables_fpd(&self->tables, ask->device, past_the_device(&ask->t[write]));
	return TRUE;
}

uint8_t *
question_goal(judge *self, const question *ask, bool write)
{
	const vtd_translation *t = &ask->t[write];

	return (write ? t->write : t->read).allowed ? guest_ram(self->tables.guest, t->gpa.v, 8) : NULL;
}

bool
compare_fault(judge *self, uint64_t set, unsigned q, const question *ask, bool write)
{
	const vtd_translation *t = &ask->t[write];
	const vtd_answer *ours = write ? &t->write : &t->read;
	const unit_fault *theirs = &ask->fault[write];
	bool expect = !ours->allowed && !ask->silent[write] && t->outcome != VTD_INTERRUPT, pasid;

	if (t->outcome == VTD_UNREADABLE || (!ours->allowed && ours->fault == VTD_FAULT_NONE && t->outcome != VTD_INTERRUPT)) {
		compare_disagree(self, set, q, ask, write, "the walker has no answer");
		return false;
	}
	if (expect != theirs->recorded) {
		compare_disagree(self, set, q, ask, write, expect ? "QEMU records no fault" : "QEMU records a fault");
		return false;
	}
	if (!expect)
		return true;
	if (theirs->reason != (unsigned) ours->fault) {
		compare_disagree(self, set, q, ask, write, "the fault reasons differ");
		return false;
	}
	pasid = past_the_device(t) && t->device.scalable;
	if (theirs->sid.v != unit_sid(ask->device).v || theirs->read == write || theirs->page != (ask->iova & ~0xfffull) ||
	    theirs->pasid_present != pasid || (pasid && theirs->pasid != (uint16_t) t->device.pasid)) {
		compare_disagree(self, set, q, ask, write, "the fault record is not of this request");
		return false;
	}
	return true;
}

typedef struct { judge *judge; const question *questions; uint64_t set; } stray;

static void
find_strays(uint64_t gpa, const uint8_t *bytes, uint64_t size, void *user)
{
	const stray *s = user;
	const uint64_t *words = (const uint64_t *) (const void *) bytes;
	uint64_t base = question_marker(s->set, 0);

	for (uint64_t i = 0; i < size / 8; i++) {
		const question *ask;
		unsigned q = (unsigned) (words[i] & 0xff);

		if ((words[i] & ~0xffull) != base || q >= QUESTIONS)
			continue;
		ask = &s->questions[q];
		if (ask->asked[1] && !(ask->t[1].write.allowed && ask->t[1].gpa.v == gpa + 8 * i))
			compare_disagree(s->judge, s->set, q, ask, true, "the write arrived at GPA %#" PRIx64, gpa + 8 * i);
	}
}

void
compare_strays(judge *self, uint64_t set, const question questions[QUESTIONS])
{
	guest_ram_touched(self->tables.guest, find_strays, &(stray){ self, questions, set });
}

void
compare_data(judge *self, uint64_t set, unsigned q, const question *ask, const uint8_t *buffer)
{
	uint64_t got;

	memcpy(&got, buffer + SLOT_READ(q), 8);
	if (ask->asked[0] && ask->data_known && got != ask->expected)
		compare_disagree(self, set, q, ask, false, "read %#" PRIx64 " instead of %#" PRIx64, got, ask->expected);
	else if (ask->asked[0] && !ask->data_known && got != 0) /* QEMU gives zeros for nothing */
		compare_disagree(self, set, q, ask, false, "read %#" PRIx64 " where nothing should be read", got);
}

gboolean
compare_runs(judge *self, uint64_t set, question questions[QUESTIONS], GError **error)
{
	for (unsigned d = 0; d < UNIT_DEVICES; d++) {
		check_runs *runs = check_runs_new(&self->walker_unit, self->memory, unit_sid(d), error);

		if (!runs)
			return FALSE;
		for (unsigned q = 0; q < QUESTIONS; q++) {
			question *ask = &questions[q];
			vtd_run run;

			if (ask->device != d)
				continue;
			if (!question_walk(self, ask, false, error)) {
				check_runs_free(runs);
				return FALSE;
			}
			switch (check_runs_agree(runs, &ask->t[0], &run)) {
			case CHECK_AGREES:
				counts_fact(self->counts, "agreed with a walk over all tables");
				break;
			case CHECK_DISAGREES:
				compare_disagree(self, set, q, ask, false, "the walk over all tables has a run of kind %d, r%d w%d, "
					"GPA %#" PRIx64 ", IOVA %#" PRIx64 " to %#" PRIx64, (int) run.kind, run.read, run.write,
					run.gpa.v, run.iova.first, run.iova.last);
				break;
			case CHECK_UNKNOWN:
				counts_fact(self->counts, "not compared: the walk over all tables went no further");
				break;
			case CHECK_NO_WALK:
				break;
			}
		}
		check_runs_free(runs);
	}
	return TRUE;
}

void
compare_accessed(judge *self, uint64_t set, unsigned q, const question *ask, bool write)
{
	const uint8_t *at = write ? question_goal(self, ask, true) : NULL;
	int step = check_accessed(&self->tables, &ask->t[write], write, at ? ask->t[1].gpa.v : ~0ull);

	if (step < 0)
		counts_fact(self->counts, "accessed bits as expected");
	else
		compare_disagree(self, set, q, ask, write, "the entry of step %d is %#" PRIx64 " now", step,
			tables_get(&self->tables, ask->t[write].steps[step].entry.v));
}
