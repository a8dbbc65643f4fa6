/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-spaces.h"

#include <stdlib.h>
#include <string.h>

struct trace_space *
trace_spaces_new(struct trace_spaces *spaces, enum trace_space_kind kind)
{
	struct trace_space *space;

	if (spaces->n == spaces->capacity) {
		const size_t capacity = spaces->capacity ? spaces->capacity * 2 : 16;
		struct trace_space **grown = realloc(spaces->space, capacity * sizeof *grown);

		if (grown == NULL)
			return NULL;
		spaces->space = grown;
		spaces->capacity = capacity;
	}
	space = calloc(1, sizeof *space);
	if (space == NULL)
		return NULL;
	space->id = ++spaces->last_id;
	space->kind = kind;
	spaces->space[spaces->n++] = space;
	return space;
}

struct trace_space *
trace_spaces_container(const struct trace_spaces *spaces, int tgid, unsigned fd)
{
	for (size_t i = 0; i < spaces->n; i++) {
		struct trace_space *space = spaces->space[i];

		if (space->kind == SPACE_CONTAINER && !space->ended && space->tgid == tgid && space->fd == fd)
			return space;
	}
	return NULL;
}

static bool
has_device(const struct trace_space *space, const char *device)
{
	for (size_t i = 0; i < space->n_devices; i++) {
		if (strcmp(space->device[i], device) == 0)
			return true;
	}
	return false;
}

struct trace_space *
trace_spaces_device(const struct trace_spaces *spaces, const char *device)
{
	for (size_t i = 0; i < spaces->n; i++) {
		struct trace_space *space = spaces->space[i];

		if (space->kind != SPACE_CONTAINER && !space->ended && has_device(space, device))
			return space;
	}
	return NULL;
}

struct trace_space *
trace_spaces_domain(const struct trace_spaces *spaces, const char *iommu, uint16_t did)
{
	for (size_t i = 0; i < spaces->n; i++) {
		if (!spaces->space[i]->ended && trace_space_has_domain(spaces->space[i], iommu, did))
			return spaces->space[i];
	}
	return NULL;
}

struct trace_space *
trace_spaces_by_id(const struct trace_spaces *spaces, unsigned id)
{
	for (size_t i = 0; i < spaces->n; i++) {
		if (spaces->space[i]->id == id)
			return spaces->space[i];
	}
	return NULL;
}

struct trace_space *
trace_spaces_any(const struct trace_spaces *spaces, uint64_t first, uint64_t last, uint64_t paddr)
{
	for (size_t i = 0; i < spaces->n; i++) {
		if (spaces->space[i]->kind == SPACE_ANY &&
			!trace_live_look(&spaces->space[i]->live, first, last, paddr).other)
			return spaces->space[i];
	}
	return NULL;
}

struct trace_space *
trace_spaces_sole_container(const struct trace_spaces *spaces, int tgid)
{
	struct trace_space *found = NULL;

	for (size_t i = 0; i < spaces->n; i++) {
		struct trace_space *space = spaces->space[i];

		if (space->kind != SPACE_CONTAINER || space->ended || space->tgid != tgid)
			continue;
		if (found != NULL)
			return NULL;
		found = space;
	}
	return found;
}

bool
trace_space_has_domain(const struct trace_space *space, const char *iommu, uint16_t did)
{
	for (size_t i = 0; i < space->n_domains; i++) {
		if (space->domain[i].did == did && strcmp(space->domain[i].iommu, iommu) == 0)
			return true;
	}
	return false;
}

static void
forget_domain(struct trace_space *space, const char *iommu, uint16_t did)
{
	for (size_t i = 0; i < space->n_domains; i++) {
		if (space->domain[i].did == did && strcmp(space->domain[i].iommu, iommu) == 0)
			space->domain[i] = space->domain[--space->n_domains];
	}
}

void
trace_spaces_set_domain(
	struct trace_spaces *spaces, struct trace_space *space, const char *iommu, uint16_t did)
{
	struct trace_domain *domain;

	if (trace_space_has_domain(space, iommu, did))
		return;
	for (size_t i = 0; i < spaces->n; i++)
		forget_domain(spaces->space[i], iommu, did);
	if (space->n_domains == SPACE_DOMAINS_MAX)
		return;
	domain = &space->domain[space->n_domains++];
	*domain = (struct trace_domain){ .did = did };
	strncpy(domain->iommu, iommu, sizeof domain->iommu - 1);
}

bool
trace_space_add_device(struct trace_space *space, const char *device)
{
	void *grown;

	if (has_device(space, device))
		return false;
	grown = realloc(space->device, (space->n_devices + 1) * sizeof *space->device);
	if (grown == NULL)
		return false;
	space->device = grown;
	memset(space->device[space->n_devices], 0, sizeof space->device[0]);
	strncpy(space->device[space->n_devices++], device, sizeof space->device[0] - 1);
	return true;
}

bool
trace_space_remove_device(struct trace_space *space, const char *device)
{
	for (size_t i = 0; i < space->n_devices; i++) {
		if (strcmp(space->device[i], device) != 0)
			continue;
		space->n_devices--;
		memmove(space->device[i], space->device[i + 1],
			(space->n_devices - i) * sizeof space->device[0]);
		space->ended = space->n_devices == 0;
		return true;
	}
	return false;
}

static void
free_space(struct trace_space *space)
{
	trace_live_free(&space->live);
	free(space->device);
	free(space);
}

void
trace_spaces_sweep(struct trace_spaces *spaces)
{
	size_t kept = 0;

	for (size_t i = 0; i < spaces->n; i++) {
		struct trace_space *space = spaces->space[i];

		if (space->ended && space->live.root == NULL)
			free_space(space);
		else
			spaces->space[kept++] = space;
	}
	spaces->n = kept;
}

void
trace_spaces_free(struct trace_spaces *spaces)
{
	for (size_t i = 0; i < spaces->n; i++)
		free_space(spaces->space[i]);
	free(spaces->space);
	*spaces = (struct trace_spaces){ 0 };
}
