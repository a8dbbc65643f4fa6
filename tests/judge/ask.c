/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ask.h"

#include "check.h"
#include "source.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <viommu/snapshot.h>

#define QUESTIONS 24
/* The buffer of a device: what it writes, then what it read; 8 bytes for each question. */
#define SLOT_WRITE(q) ((q) * 8u)
#define SLOT_READ(q) (2048u + (q) * 8u)
#define BUFFER 4080u
/* RAM for loading and unloading the buffers, beside the tables of tables_plain(). */
#define STAGING 0x7fe10000ull

/* One IOVA, asked for reading and for writing. */
typedef struct {
	unsigned device;
	uint64_t iova;
	bool asked[2];            /* [0] for reading, [1] for writing: and below */
	vtd_translation t[2];     /* the walker's */
	bool silent[2];           /* FPD will silence the fault, if it is one */
	unit_fault fault[2];      /* QEMU's */
	uint64_t expected;        /* what reading should bring */
	bool data_known;          /* … and whether it is RAM that is read */
	uint64_t arrived;         /* what stands where the write should go, after it */
} question;

static const char *const directions[2] = { "read", "write" };

/* Markers and patterns: no two are alike, none is zero. */
static uint64_t
marker(uint64_t set, unsigned q)
{
	return 0x4a00000000000000ull | (set & 0xffffffffffull) << 8 | q;
}

static uint64_t
pattern(uint64_t gpa)
{
	return 0x5000000000000000ull | gpa;
}

gboolean
judge_start(judge *self, const char *qemu, const char *props, const char *version, int stale_tm, GError **error)
{
	guest *g = guest_start(qemu, props, error);

	memset(&self->unit, 0, sizeof self->unit);
	if (!g)
		return FALSE;
	self->qemu = qemu;
	self->props = props;
	/* As the monitor would tell the walker. */
	self->machine = viommu_machine_new();
	g_free(self->machine->version);
	self->machine->version = g_strdup(version);
	if (stale_tm >= 0)
		json_object_set_new(self->machine->iommu_properties, "stale-tm", json_boolean(stale_tm));
	self->memory = source_new(g);
	self->unit.guest = g;
	guest_forget_monitors(g);
	if (!unit_init(&self->unit, g, error) || !unit_translation(&self->unit, true, error)) {
		tables_init(&self->tables, g, 0, 0);
		judge_stop(self);
		return FALSE;
	}
	tables_init(&self->tables, g, self->unit.cap, self->unit.ecap);
	return TRUE;
}

void
judge_stop(judge *self)
{
	tables_clear(&self->tables);
	viommu_memory_free(self->memory);
	viommu_machine_free(self->machine);
	guest_stop(self->unit.guest);
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

static void G_GNUC_PRINTF(6, 7)
disagree(judge *self, uint64_t set, unsigned q, const question *ask, bool write, const char *format, ...)
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

/* ---- one direction of one question ----------------------------------------------------- */

static gboolean
walk(judge *self, question *ask, bool write, GError **error)
{
	if (!vtd_translate(&self->walker_unit, self->memory, unit_sid(ask->device), VIOMMU_IOVA(ask->iova), &ask->t[write],
			error))
		return FALSE;
	ask->silent[write] = is_qualified((write ? ask->t[1].write : ask->t[0].read).fault) &&
		tables_fpd(&self->tables, ask->device, past_the_device(&ask->t[write]));
	return TRUE;
}

/* Where our walker says that an allowed access goes, if that is RAM. */
static uint8_t *
goal(judge *self, const question *ask, bool write)
{
	const vtd_translation *t = &ask->t[write];

	return (write ? t->write : t->read).allowed ? guest_ram(self->tables.guest, t->gpa.v, 8) : NULL;
}

static bool
is_interrupt(uint64_t gpa)
{
	return gpa >= 0xfee00000u && gpa < 0xfef00000u;
}

/* Why this cannot be compared, or NULL. */
static const char *
incomparable(judge *self, const question *ask, bool write)
{
	const vtd_translation *t = &ask->t[write];

	if (source_met_device(self->memory))
		return "not compared: a table over a device";
	/* It would be an interrupt. */
	if ((t->outcome == VTD_INTERRUPT || (t->write.allowed && is_interrupt(t->gpa.v))) && write)
		return "not compared: a write to the interrupt range";
	if ((write ? t->write : t->read).allowed && guest_is_device(t->gpa.v))
		return "not compared: a page over a device";
	return NULL;
}

static gboolean
ask_one(judge *self, unsigned q, question *ask, bool write, GError **error)
{
	const char *why;
	uint8_t *at;

	source_met_device(self->memory);
	if (!walk(self, ask, write, error))
		return FALSE;
	/* The page tells where it is. It may be a table, seen from another side, so walk again. */
	at = write ? NULL : goal(self, ask, write);
	if (at && memcmp(at, &(uint64_t){ 0 }, 8) == 0) {
		memcpy(at, &(uint64_t){ pattern(ask->t[0].gpa.v) }, 8);
		if (!walk(self, ask, write, error))
			return FALSE;
	}
	why = incomparable(self, ask, write);
	if (why) {
		counts_fact(self->counts, why);
		return TRUE;
	}
	if (!unit_dma(&self->unit, ask->device, write, ask->iova, write ? SLOT_WRITE(q) : SLOT_READ(q), 8, &ask->fault[write],
			error))
		return FALSE;
	ask->asked[write] = true;
	at = goal(self, ask, write);
	if (at && write)
		memcpy(&ask->arrived, at, 8);
	if (!write) {
		ask->data_known = at != NULL;
		if (at) /* only now: the walk may have set accessed bits in it */
			memcpy(&ask->expected, at, 8);
	}
	return TRUE;
}

static bool
compare_fault(judge *self, uint64_t set, unsigned q, const question *ask, bool write)
{
	const vtd_translation *t = &ask->t[write];
	const vtd_answer *ours = write ? &t->write : &t->read;
	const unit_fault *theirs = &ask->fault[write];
	bool expect = !ours->allowed && !ask->silent[write] && t->outcome != VTD_INTERRUPT, pasid;

	if (t->outcome == VTD_UNREADABLE || (!ours->allowed && ours->fault == VTD_FAULT_NONE && t->outcome != VTD_INTERRUPT)) {
		disagree(self, set, q, ask, write, "the walker has no answer");
		return false;
	}
	if (expect != theirs->recorded) {
		disagree(self, set, q, ask, write, expect ? "QEMU records no fault" : "QEMU records a fault");
		return false;
	}
	if (!expect)
		return true;
	if (theirs->reason != (unsigned) ours->fault) {
		disagree(self, set, q, ask, write, "the fault reasons differ");
		return false;
	}
	pasid = past_the_device(t) && t->device.scalable;
	if (theirs->sid.v != unit_sid(ask->device).v || theirs->read == write || theirs->page != (ask->iova & ~0xfffull) ||
	    theirs->pasid_present != pasid || (pasid && theirs->pasid != (uint16_t) t->device.pasid)) {
		disagree(self, set, q, ask, write, "the fault record is not of this request");
		return false;
	}
	return true;
}

/* ---- a set ------------------------------------------------------------------------------ */

/* Every device's buffer from or to the staging page, through tables of no interest. */
static gboolean
move_buffers(judge *self, bool load, uint64_t set, uint8_t buffers[UNIT_DEVICES][BUFFER], GError **error)
{
	guest *g = self->tables.guest;
	uint8_t *staging = guest_ram(g, STAGING, 4096);

	if (!unit_root(&self->unit, tables_plain(&self->tables, STAGING), error))
		return FALSE;
	memset(staging, 0xee, 4096);
	if (load)
		for (unsigned q = 0; q < QUESTIONS; q++)
			memcpy(staging + SLOT_WRITE(q), &(uint64_t){ marker(set, q) }, 8);
	for (unsigned d = 0; d < UNIT_DEVICES; d++) {
		unit_fault fault;

		if (!unit_dma(&self->unit, d, !load, 0, 0, BUFFER, &fault, error))
			return FALSE;
		if (fault.recorded) {
			g_set_error(error, GUEST_ERROR, 1, "QEMU refuses the plain tables: fault %#x", fault.reason);
			return FALSE;
		}
		if (!load)
			memcpy(buffers[d], staging, BUFFER);
	}
	return TRUE;
}

typedef struct { judge *judge; const question *questions; uint64_t set; } stray;

/* Looks for writes that arrived though they were refused. */
static void
find_strays(uint64_t gpa, const uint8_t *bytes, uint64_t size, void *user)
{
	const stray *s = user;
	const uint64_t *words = (const uint64_t *) (const void *) bytes;
	uint64_t base = marker(s->set, 0);

	for (uint64_t i = 0; i < size / 8; i++) {
		const question *ask;
		unsigned q = (unsigned) (words[i] & 0xff);

		if ((words[i] & ~0xffull) != base || q >= QUESTIONS)
			continue;
		ask = &s->questions[q];
		if (ask->asked[1] && !(ask->t[1].write.allowed && ask->t[1].gpa.v == gpa + 8 * i))
			disagree(s->judge, s->set, q, ask, true, "the write arrived at GPA %#" PRIx64, gpa + 8 * i);
	}
}

static void
compare_data(judge *self, uint64_t set, unsigned q, const question *ask, const uint8_t *buffer)
{
	uint64_t got;

	memcpy(&got, buffer + SLOT_READ(q), 8);
	if (ask->asked[0] && ask->data_known && got != ask->expected)
		disagree(self, set, q, ask, false, "read %#" PRIx64 " instead of %#" PRIx64, got, ask->expected);
	else if (ask->asked[0] && !ask->data_known && got != 0) /* QEMU gives zeros for nothing */
		disagree(self, set, q, ask, false, "read %#" PRIx64 " where nothing should be read", got);
}

/* The walker against itself: a walk over all tables, as dumps and proofs use it. */
static gboolean
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
			if (!walk(self, ask, false, error)) {
				check_runs_free(runs);
				return FALSE;
			}
			switch (check_runs_agree(runs, &ask->t[0], &run)) {
			case CHECK_AGREES:
				counts_fact(self->counts, "agreed with a walk over all tables");
				break;
			case CHECK_DISAGREES:
				disagree(self, set, q, ask, false, "the walk over all tables has a run of kind %d, r%d w%d, "
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

static void
compare_accessed(judge *self, uint64_t set, unsigned q, const question *ask, bool write)
{
	const uint8_t *at = write ? goal(self, ask, true) : NULL;
	int step = check_accessed(&self->tables, &ask->t[write], write, at ? ask->t[1].gpa.v : ~0ull);

	if (step < 0)
		counts_fact(self->counts, "accessed bits as expected");
	else
		disagree(self, set, q, ask, write, "the entry of step %d is %#" PRIx64 " now", step,
			tables_get(&self->tables, ask->t[write].steps[step].entry.v));
}

static gboolean
ask_all(judge *self, uint64_t set, const char *mode, question questions[QUESTIONS], GError **error)
{
	for (unsigned q = 0; q < QUESTIONS; q++) {
		question *ask = &questions[q];

		for (int write = 0; write < 2; write++) {
			if (!ask_one(self, q, ask, write, error))
				return FALSE;
			if (ask->asked[write] && compare_fault(self, set, q, ask, write)) {
				counts_add(self->counts, mode, &ask->t[write], write, ask->silent[write]);
				if (mode == tables_mode_names[MODE_FIRST])
					compare_accessed(self, set, q, ask, write);
				if (write && goal(self, ask, true) && ask->arrived != marker(set, q))
					disagree(self, set, q, ask, true, "the write did not arrive at GPA %#" PRIx64, ask->t[1].gpa.v);
			}
		}
	}
	return TRUE;
}

gboolean
judge_set(judge *self, uint64_t number, const char *wanted, uint64_t *asked, GError **error)
{
	rng r = { rng_mix(self->seed) + rng_mix(number) + rng_mix(g_str_hash(self->props)) };
	tables_mode mode = MODE_LEGACY;
	question questions[QUESTIONS] = { 0 };
	uint8_t buffers[UNIT_DEVICES][BUFFER];
	bool off = rng_percent(&r, 1);
	const char *name;

	if (self->tables.smts && rng_percent(&r, 78))
		mode = self->tables.flts ? MODE_FIRST : MODE_SCALABLE;
	name = off ? "off" : tables_mode_names[mode];
	if (wanted && strcmp(wanted, name) != 0)
		return TRUE;

	guest_ram_clear(self->tables.guest);
	if (!move_buffers(self, true, number, NULL, error))
		return FALSE;
	guest_ram_clear(self->tables.guest);
	tables_build(&self->tables, &r, mode);
	if (!unit_root(&self->unit, self->tables.rtaddr, error) || (off && !unit_translation(&self->unit, false, error)))
		return FALSE;
	viommu_machine_unit(self->machine, &self->unit.registers, &self->walker_unit);
	for (unsigned q = 0; q < QUESTIONS; q++) {
		questions[q].device = (unsigned) rng_below(&r, UNIT_DEVICES);
		questions[q].iova = tables_iova(&self->tables, questions[q].device);
	}
	if ((!off && !compare_runs(self, number, questions, error)) ||
	    !ask_all(self, number, name, questions, error) || (off && !unit_translation(&self->unit, true, error)))
		return FALSE;
	guest_ram_touched(self->tables.guest, find_strays, &(stray){ self, questions, number });
	if (!move_buffers(self, false, number, buffers, error))
		return FALSE;
	for (unsigned q = 0; q < QUESTIONS; q++)
		compare_data(self, number, q, &questions[q], buffers[questions[q].device]);
	*asked += QUESTIONS;
	return TRUE;
}
