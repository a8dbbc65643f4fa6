/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A walk hands its runs to a visitor; to merge two, both have to be asked for the next one.
 * So each walk is a thread, which waits when it is two blocks of runs ahead.
 */
#include "diff/diff.h"

#include <string.h>

#define BLOCK 512

typedef struct {
	vtd_run runs[BLOCK];
	unsigned n;
} block;

struct viommu_run_stream {
	const vtd_unit *unit;
	viommu_memory *memory;
	const vtd_device *device;
	vtd_budget *budget;
	GThread *thread; /* NULL: nothing is walked */
	block filled; /* the walk's */
	block taken;  /* the reader's */
	unsigned at;  /* the next of taken */
	GMutex lock;
	GCond changed;
	/* Under the lock. */
	block ready; /* n is 0: there is none */
	bool ended, unwanted;
	GError *error;
};

static void
pass(block *from, block *to)
{
	memcpy(to->runs, from->runs, from->n * sizeof(from->runs[0]));
	to->n = from->n;
	from->n = 0;
}

static void
hand_over(viommu_run_stream *self)
{
	g_mutex_lock(&self->lock);
	while (self->ready.n && !self->unwanted)
		g_cond_wait(&self->changed, &self->lock);
	if (self->unwanted) {
		self->filled.n = 0;
		self->budget->tables = self->budget->runs = 0; /* ends the walk */
	} else {
		pass(&self->filled, &self->ready);
		g_cond_signal(&self->changed);
	}
	g_mutex_unlock(&self->lock);
}

static void
put(const vtd_run *run, void *user)
{
	viommu_run_stream *self = user;

	self->filled.runs[self->filled.n++] = *run;
	if (self->filled.n == BLOCK)
		hand_over(self);
}

static void *
walk(void *user)
{
	viommu_run_stream *self = user;
	GError *error = NULL;

	vtd_walk_device(self->unit, self->memory, self->device, self->budget, put, self, &error);
	if (self->filled.n)
		hand_over(self);
	g_mutex_lock(&self->lock);
	self->ended = true;
	self->error = error;
	g_cond_signal(&self->changed);
	g_mutex_unlock(&self->lock);
	return NULL;
}

viommu_run_stream *
viommu_run_stream_new(const vtd_unit *unit, viommu_memory *memory, const vtd_device *device, vtd_budget *budget)
{
	viommu_run_stream *self = g_new0(viommu_run_stream, 1);

	self->unit = unit;
	self->memory = memory;
	self->device = device;
	self->budget = budget;
	g_mutex_init(&self->lock);
	g_cond_init(&self->changed);
	self->ended = !device;
	if (device)
		self->thread = g_thread_new("walk", walk, self);
	return self;
}

gboolean
viommu_run_stream_next(viommu_run_stream *self, vtd_run *ret, GError **error)
{
	if (self->at == self->taken.n) {
		g_mutex_lock(&self->lock);
		while (!self->ready.n && !self->ended)
			g_cond_wait(&self->changed, &self->lock);
		pass(&self->ready, &self->taken);
		self->at = 0;
		if (self->taken.n)
			g_cond_signal(&self->changed);
		else if (self->error)
			g_propagate_error(error, g_steal_pointer(&self->error));
		g_mutex_unlock(&self->lock);
	}
	if (self->at == self->taken.n)
		return FALSE;
	*ret = self->taken.runs[self->at++];
	return TRUE;
}

void
viommu_run_stream_free(viommu_run_stream *self)
{
	if (!self)
		return;
	g_mutex_lock(&self->lock);
	self->unwanted = true;
	g_cond_signal(&self->changed);
	g_mutex_unlock(&self->lock);
	if (self->thread)
		g_thread_join(self->thread);
	g_clear_error(&self->error);
	g_mutex_clear(&self->lock);
	g_cond_clear(&self->changed);
	g_free(self);
}
