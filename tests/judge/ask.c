/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ask.h"

#include "compare.h"
#include "source.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <viommu/snapshot.h>

/* RAM for loading and unloading the buffers, beside the tables of tables_plain(). */
#define STAGING 0x7fe10000ull

/* None is zero, or a marker. */
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

/* ---- one direction of one question ----------------------------------------------------- */

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
	if (!question_walk(self, ask, write, error))
		return FALSE;
	/* The page tells where it is. It may be a table, seen from another side, so walk again. */
	at = write ? NULL : question_goal(self, ask, write);
	if (at && memcmp(at, &(uint64_t){ 0 }, 8) == 0) {
		memcpy(at, &(uint64_t){ pattern(ask->t[0].gpa.v) }, 8);
		if (!question_walk(self, ask, write, error))
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
	at = question_goal(self, ask, write);
	if (at && write)
		memcpy(&ask->arrived, at, 8);
	if (!write) {
		ask->data_known = at != NULL;
		if (at) /* only now: the walk may have set accessed bits in it */
			memcpy(&ask->expected, at, 8);
	}
	return TRUE;
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
			memcpy(staging + SLOT_WRITE(q), &(uint64_t){ question_marker(set, q) }, 8);
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
				if (write && question_goal(self, ask, true) && ask->arrived != question_marker(set, q))
					compare_disagree(self, set, q, ask, true, "the write did not arrive at GPA %#" PRIx64, ask->t[1].gpa.v);
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
	compare_strays(self, number, questions);
	if (!move_buffers(self, false, number, buffers, error))
		return FALSE;
	for (unsigned q = 0; q < QUESTIONS; q++)
		compare_data(self, number, q, &questions[q], buffers[questions[q].device]);
	*asked += QUESTIONS;
	return TRUE;
}
