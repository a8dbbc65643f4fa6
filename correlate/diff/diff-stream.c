/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A walk hands its runs to a visitor; to merge two, both have to be asked for the next one.
 * So the walks of one side are a thread, which waits when it is two blocks of runs ahead.
 */
#include "diff/diff.h"

#include <string.h>

#define BLOCK 512

typedef struct {
	bool ends_table; /* and is no run */
	vtd_run run;
} item;

typedef struct {
	item items[BLOCK];
	unsigned n;
} block;

struct viommu_run_stream {
	const vtd_unit *unit;
	viommu_memory *memory;
	GPtrArray *tables; /* of vtd_device */
	vtd_budget budget;
	GThread *thread;
	block filled; /* the walk's, as is stopped */
	bool stopped;
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
	memcpy(to->items, from->items, from->n * sizeof(from->items[0]));
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
		self->stopped = true;
		self->budget.tables = self->budget.runs = 0; /* ends the walk */
	} else {
		pass(&self->filled, &self->ready);
		g_cond_signal(&self->changed);
	}
	g_mutex_unlock(&self->lock);
}

static void
put(viommu_run_stream *self, const item *next)
{
	self->filled.items[self->filled.n++] = *next;
	if (self->filled.n == BLOCK)
		hand_over(self);
}

static void
put_run(const vtd_run *run, void *user)
{
	put(user, &(item){ .run = *run });
}

static void *
walk(void *user)
{
	viommu_run_stream *self = user;
	GError *error = NULL;

	for (guint i = 0; i < self->tables->len && !error && !self->stopped; i++) {
		const vtd_device *device = g_ptr_array_index(self->tables, i);

		if (!device || vtd_walk_device(self->unit, self->memory, device, &self->budget, put_run, self, &error))
			put(self, &(item){ .ends_table = true });
	}
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
viommu_run_stream_new(const vtd_unit *unit, viommu_memory *memory, const vtd_budget *budget, GPtrArray *tables)
{
	viommu_run_stream *self = g_new0(viommu_run_stream, 1);

	self->unit = unit;
	self->memory = memory;
	self->tables = tables;
	self->budget = *budget;
	self->budget.visited = vtd_visited_new();
	g_mutex_init(&self->lock);
	g_cond_init(&self->changed);
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
	if (self->at == self->taken.n || self->taken.items[self->at].ends_table) {
		self->at += self->at < self->taken.n;
		return FALSE;
	}
	*ret = self->taken.items[self->at++].run;
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
	g_thread_join(self->thread);
	g_clear_error(&self->error);
	g_hash_table_unref(self->budget.visited);
	g_ptr_array_unref(self->tables);
	g_mutex_clear(&self->lock);
	g_cond_clear(&self->changed);
	g_free(self);
}
